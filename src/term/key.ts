/**
 * Any term as a string that is equal exactly when the terms are equal by value: how keys of the
 * registry live in a `Map`. A plain string is its own key; everything else begins with a character
 * that plain strings are escaped against.
 */
import { CitadelError } from '../base/errors.js'
import { type Known, known } from './kinds.js'
import { defaultLimits, isStackOverflow, overLimit } from './limits.js'
import { joinWords } from './ref.js'
import { isKeptTerm } from './skip-term.js'

const RESERVED = '\u0001'
const RESERVED_CODE = 1

/** How much of a term may still be read: one that shares its parts can be endless without a cycle. */
interface Room {
  elements: number
}

/**
 * The key of a term. Throws `bad_argument` for what has no value identity: NaN, functions, errors;
 * and `limit_exceeded`. What a getter of the user throws is the cause of a `bad_argument`.
 */
export function termKey(value: unknown): string {
  if (typeof value !== 'string') return RESERVED + whole(value)
  return value.charCodeAt(0) === RESERVED_CODE ? RESERVED + sized('s', value) : value
}

function whole(value: unknown): string {
  try {
    return part(value, 0, { elements: defaultLimits.elements })
  } catch (error) {
    if (error instanceof CitadelError) throw error
    if (isStackOverflow(error)) throw overLimit('depth', defaultLimits)
    const sentence = 'a part of the key threw an error when it was read: give plain data'
    throw new CitadelError('bad_argument', sentence, { cause: error })
  }
}

function take(room: Room, count: number): void {
  room.elements -= count
  if (room.elements < 0) throw overLimit('elements', defaultLimits)
}

const refuse = (what: string): CitadelError =>
  new CitadelError('bad_argument', `${what} has no value to compare, and cannot be part of a key`)

const sized = (mark: string, text: string): string => `${mark}${text.length}:${text}`

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')

/** One part of a key; no part is the beginning of another. */
function part(value: unknown, depth: number, room: Room): string {
  switch (typeof value) {
    case 'string':
      return sized('s', value)
    case 'number':
      if (Number.isNaN(value)) throw refuse('NaN')
      return `n${value};`
    case 'bigint':
      return `i${value};`
    case 'boolean':
      return value ? 't' : 'f'
    case 'undefined':
      return 'u'
    case 'object':
      return value === null ? 'z' : objectPart(value, depth, room)
    default:
      throw refuse(`a ${typeof value}`)
  }
}

function objectPart(value: object, depth: number, room: Room): string {
  if (depth >= defaultLimits.depth) throw overLimit('depth', defaultLimits)
  const it = known(value)
  if (it === undefined || it.kind === 'error') {
    throw refuse(it === undefined ? 'a class instance' : 'an error')
  }
  return knownPart(it, depth + 1, room)
}

function knownPart(it: Exclude<Known, { kind: 'error' }>, depth: number, room: Room): string {
  switch (it.kind) {
    case 'array':
      return list('L', it.value, depth, room)
    case 'tuple':
      return list('T', it.value.elements, depth, room)
    case 'improperList':
      return list('I', it.value.elements, depth, room) + part(it.value.tail, depth, room)
    case 'object':
      return members(it.value, depth, room)
    case 'map':
      return sorted('M', pairs(it.value, depth, room))
    case 'set':
      take(room, it.value.size)
      return sorted(
        'S',
        Array.from(it.value, (element) => part(element, depth, room)),
      )
    case 'atom':
      return sized('a', it.value.name)
    case 'pid':
      return `${sized('p', it.value.node)}${it.value.id}.${it.value.serial}.${it.value.creation};`
    case 'ref':
      return `${sized('r', it.value.node)}${it.value.creation}.${joinWords(it.value)};`
    case 'bytes':
      return sized('b', latin1(it.value))
    case 'opaque':
      if (!isKeptTerm(it.value.bytes)) throw refuse('an OpaqueTerm of bytes that are no such term')
      return sized('o', latin1(it.value.bytes))
    case 'date':
      if (Number.isNaN(it.value.getTime())) throw refuse('an invalid date')
      return `d${it.value.getTime()};`
  }
}

function list(mark: string, elements: readonly unknown[], depth: number, room: Room): string {
  const { length } = elements
  take(room, length)
  let text = `${mark}${length}:`
  for (let index = 0; index < length; index++) text += part(elements[index], depth, room)
  return text
}

function members(object: Readonly<Record<string, unknown>>, depth: number, room: Room): string {
  const names = Object.keys(object)
  take(room, 2 * names.length)
  if (names.length > 1) names.sort()
  let text = `O${names.length}:`
  for (const name of names) text += sized('s', name) + part(object[name], depth, room)
  return text
}

function pairs(map: ReadonlyMap<unknown, unknown>, depth: number, room: Room): string[] {
  take(room, 2 * map.size)
  return Array.from(map, ([key, value]) => part(key, depth, room) + part(value, depth, room))
}

const sorted = (mark: string, parts: string[]): string =>
  `${mark}${parts.length}:${parts.sort().join('')}`

/**
 * Whether a Map can be an Erlang map and come back as a Map: some key is no string, and no two are
 * equal by value.
 */
export function isTermMap(map: ReadonlyMap<unknown, unknown>): boolean {
  let plain = true
  const seen = new Set<string>()
  for (const key of map.keys()) {
    if (typeof key !== 'string') plain = false
    if (typeof key !== 'object' || key === null) continue
    const text = keyOrNothing(key)
    if (text === undefined || seen.has(text)) return false
    seen.add(text)
  }
  return !plain
}

/** For a Map's key without value identity there is another form, so a refusal is an answer here. */
function keyOrNothing(key: object): string | undefined {
  try {
    return termKey(key)
  } catch {
    return undefined
  }
}
