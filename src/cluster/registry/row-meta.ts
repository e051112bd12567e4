/**
 * What users give the registry and the groups to keep on every node: it must be able to cross, and
 * is bounded, because 500 rows travel in one message, and a message has 64 MiB at most.
 */
import { CitadelError } from '../../base/errors.js'
import { decodeTerm, encodeTerm } from '../../term/codec.js'
import { copied, frozen } from '../../term/kept.js'
import { termKey } from '../../term/key.js'
import { defaultLimits } from '../../term/limits.js'
import { VERSION } from '../../term/tags.js'
import { TermWriter } from '../../term/term-writer.js'
import { findFault } from '../../term/unserializable.js'

const META_KIB_MAX = 32
const ARGS_KIB_MAX = 64
const KEY_CHARACTERS_MAX = 8_192

/**
 * The metadata of a row, as all nodes will have it: a copy. Null says the same as nothing.
 * @throws CitadelError `unserializable`, `limit_exceeded`.
 */
export function rowMeta(meta: unknown): unknown {
  if (meta === undefined || meta === null) return undefined
  const bytes = encoded(meta)
  if (bytes.length <= META_KIB_MAX * 1024) return frozen(decodeTerm(bytes))
  throw new CitadelError(
    'limit_exceeded',
    `Metadata takes at most ${META_KIB_MAX} KiB, as it is on every node; keep the rest in the process.`,
  )
}

/**
 * The arguments of a child, as all nodes will have them: a copy. `name` is what an error calls them.
 * @throws CitadelError `unserializable`, `limit_exceeded`.
 */
export function rowArgs(args: readonly unknown[], name = 'args'): readonly unknown[] {
  const writer = new TermWriter()
  writer.u8(VERSION)
  writer.term(args, name)
  const bytes = writer.take()
  if (bytes.length <= ARGS_KIB_MAX * 1024) return frozen(decodeTerm(bytes) as unknown[])
  throw new CitadelError(
    'limit_exceeded',
    `${name} of a child take at most ${ARGS_KIB_MAX} KiB, as they are on every node; let init load the rest.`,
  )
}

/** A key, a group or the id of a child, as all nodes will have it. */
export interface RowKey {
  /** Its canonical string. */
  readonly id: string
  /** A copy. */
  readonly key: unknown
}

/**
 * A key, a group or an id of a child, as it will be kept.
 * @throws CitadelError `bad_argument`, `unserializable`, `limit_exceeded`.
 */
export function rowKey(given: unknown): RowKey {
  const id = keyOf(given)
  checkLength(id)
  if (typeof given !== 'object' || given === null) return { id, key: given }
  const key = frozen(copyOf(given))
  // What answers something else each time that it is read is what it was at the last.
  return { id: keyOf(key), key }
}

function checkLength(id: string): void {
  if (id.length <= KEY_CHARACTERS_MAX) return
  throw new CitadelError(
    'limit_exceeded',
    `A key or group takes at most ${KEY_CHARACTERS_MAX} characters, as it is on every node; use a digest of it.`,
  )
}

/** The path to what cannot be there begins with the name that the user knows it by. */
function named(error: unknown, value: unknown, name: string, what: string): unknown {
  // What is too big is not walked again: it may have billions of elements.
  if (!(error instanceof CitadelError) || error.code === 'limit_exceeded') return error
  const fault = faultIn(value, name)
  if (!fault) return error
  return new CitadelError(error.code, `${fault.path} ${fault.problem}, and ${what}.`)
}

/** A value that refuses to be looked at says nothing of where. */
function faultIn(value: unknown, name: string): ReturnType<typeof findFault> {
  try {
    return findFault(value, name, defaultLimits.depth)
  } catch {
    return undefined
  }
}

function encoded(meta: unknown): Uint8Array {
  try {
    return encodeTerm(meta)
  } catch (error) {
    throw named(error, meta, 'meta', 'cannot cross to another node: keep it in the process')
  }
}

function copyOf(key: object): object {
  try {
    return copied(key)
  } catch (error) {
    throw named(error, key, 'key', 'cannot cross to another node')
  }
}

function keyOf(key: unknown): string {
  try {
    return termKey(key)
  } catch (error) {
    throw named(error, key, 'key', 'cannot be part of a key: it has no value to compare')
  }
}
