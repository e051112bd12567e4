/**
 * What nodes say to each other about scopes: small arrays, led by a letter. They travel as messages
 * to the endpoint `citadel_scopes`, on the same ordered stream as all else between two nodes. The
 * table in docs/protocol.md explains each.
 */
import { CitadelError } from '../../base/errors.js'
import { Pid } from '../../term/pid.js'
import type { ClaimAnswer, ClaimRequest } from '../arbiters/claim-message.js'
import type { ReplicaMessage } from '../replication/replica-message.js'
import { PARTS } from '../replication/row-digests.js'
import {
  type Check,
  isClaimScope,
  isCount,
  isFlag,
  isPidOrNull,
  isScope,
  isText,
  listOf,
  tupleOf,
} from '../replication/wire-check.js'

/**
 * `[scope, last update written, last update of yours applied, mark, all]`. The mark of a scope of claims
 * is the highest epoch seen, so that whoever comes to decide about a key never gives out one that an
 * earlier owner had; that of a scope of specs is the digest of those that live, and `all` that of all.
 */
export type Head = readonly [scope: string, seq: number, applied: number, mark: number, all: number]

export type ScopeMessage =
  /**
   * heads: the sender's view, its scopes, the oldest claim it still waits for from the receiver; in
   * quorum mode their number, and 0 otherwise.
   */
  | readonly ['h', view: number, heads: readonly Head[], oldestClaim: number, beat: number]
  | ReplicaMessage
  /** claims, and their answers. */
  | readonly ['q', requests: readonly ClaimRequest[]]
  | readonly ['g', answers: readonly ClaimAnswer[]]
  /** the sender does not use these grants. */
  | readonly ['r', requests: readonly number[]]
  /** in quorum mode: the sender keeps its promise to the receiver for a lease from that beat on. */
  | readonly ['e', beat: number]

/** A list of which each element stands for itself: those that make no sense are left out. */
interface Each {
  readonly each: (isStamp: Check) => Check
}
type Field = Check | Each

const heads: Each = { each: () => tupleOf(isScope, isCount, isCount, isCount, isCount) }
const claims: Each = {
  each: (isStamp) =>
    tupleOf(isCount, isCount, isClaimScope, isText, isPidOrNull, isFlag, isStamp, isStamp),
}
const answers: Each = {
  each: (isStamp) => {
    const shapes: Readonly<Record<string, Check>> = {
      granted: tupleOf(isCount, isText, isStamp),
      taken: tupleOf(isCount, isText, (value) => value instanceof Pid),
      busy: tupleOf(isCount, isText),
      wrong_view: tupleOf(isCount, isText),
    }
    return (value) => {
      const type: unknown = Array.isArray(value) ? value[1] : undefined
      return typeof type === 'string' && Object.hasOwn(shapes, type) && shapes[type]!(value)
    }
  },
}
const partDigests: Check = (value) => listOf(isCount)(value) && (value as number[]).length === PARTS

/** What follows the letter of each message. */
const FIELDS: Readonly<Record<string, readonly Field[]>> = {
  h: [isCount, heads, isCount, isCount],
  // Each update counts, so those that make no sense are left out where they are applied.
  u: [isScope, isCount, Array.isArray, isFlag],
  a: [isScope, isCount],
  n: [isScope, isCount],
  s: [isScope, isCount, isCount, isCount, Array.isArray],
  c: [isScope, isCount, isCount],
  d: [isScope, partDigests],
  o: [isScope, Array.isArray],
  q: [claims],
  g: [answers],
  r: [listOf(isCount)],
  e: [isCount],
}

/**
 * Checks the shape of a message; rows are checked where they are applied. What is one of many there
 * and makes no sense is left out, and `skipped` is told how many: others may be to blame for it.
 */
export function parseScopeMessage(
  term: unknown,
  isStamp: Check = isCount,
  skipped: (count: number) => void = () => undefined,
): ScopeMessage {
  const letter: unknown = Array.isArray(term) ? term[0] : undefined
  if (typeof letter !== 'string' || !Object.hasOwn(FIELDS, letter)) throw unknownMessage('')
  const message = term as unknown[]
  const fields = FIELDS[letter]!
  if (message.length !== fields.length + 1) throw unknownMessage(` (${letter}: its length)`)
  const isField = (field: Field): Check => (typeof field === 'function' ? field : Array.isArray)
  const wrong = fields.findIndex((field, at) => !isField(field)(message[at + 1]))
  if (wrong >= 0) throw unknownMessage(` (${letter}: field ${wrong + 1})`)
  const at = fields.findIndex((field) => typeof field !== 'function')
  if (at < 0) return term as ScopeMessage
  const list = message[at + 1] as unknown[]
  const kept = list.filter((fields[at] as Each).each(isStamp))
  if (kept.length === list.length) return term as ScopeMessage
  skipped(list.length - kept.length)
  return message.with(at + 1, kept) as unknown as ScopeMessage
}

const unknownMessage = (detail: string): CitadelError =>
  new CitadelError(
    'bad_format',
    `A peer sent a scope message that this release does not know${detail}.`,
  )
