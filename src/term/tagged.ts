/**
 * What ETF cannot say travels as the tuple `{'$js', Kind, Data}`. This is both directions of that
 * mapping, as values: `tag` gives kind and data, `revive` takes them back. Data that is bytes
 * stands for a plain binary. A tuple of an unknown kind stays the tuple it is.
 */
import { fieldOf, textField } from '../base/describe.js'
import { CitadelError, type ErrorCode } from '../base/errors.js'
import { isCode, Refusal } from '../base/refusal.js'
import { Atom } from './atom.js'
import { known } from './kinds.js'
import { areSpread } from './spread.js'
import { Tuple, tupleOver } from './tuple.js'
import { errorFields, findFault } from './unserializable.js'

/** The first element of every tagged tuple. */
export const JS = new Atom('$js')

export interface Tagged {
  readonly kind: string
  readonly data: unknown
}

const pairs = (entries: Iterable<readonly [unknown, unknown]>): Tuple[] =>
  Array.from(entries, ([key, value]) => new Tuple(key, value))

function tagNumber(value: number): Tagged {
  if (Number.isNaN(value)) return { kind: 'nan', data: null }
  return { kind: value > 0 ? 'infinity' : '-infinity', data: null }
}

/** The tagged form of a value that has no other. Undefined for what cannot cross at all. */
export function tag(value: unknown): Tagged | undefined {
  if (value === undefined) return { kind: 'undefined', data: null }
  if (typeof value === 'number') return tagNumber(value)
  if (typeof value === 'bigint') return { kind: 'bigint', data: Number(value) }
  if (typeof value === 'string') return { kind: 'utf16', data: Buffer.from(value, 'utf16le') }
  return typeof value === 'object' && value !== null ? tagObject(value) : undefined
}

function tagObject(value: object): Tagged | undefined {
  const it = known(value)
  switch (it?.kind) {
    case 'date':
      return { kind: 'date', data: it.value.getTime() }
    case 'map':
      return { kind: 'map', data: pairs(it.value) }
    case 'set':
      return { kind: 'set', data: [...it.value] }
    case 'bytes':
      return { kind: 'bytes', data: it.value }
    case 'tuple':
      return { kind: 'tuple', data: it.value.elements }
    case 'error':
      return { kind: 'error', data: describeError(it.value) }
    default:
      return undefined
  }
}

/** How deep a field of an error may reach; deeper ones stay behind. */
const ERROR_FIELD_DEPTH = 64

/** An error must arrive, so a field of it that cannot cross (a socket, a request) stays behind. */
function describeError(error: Error): Record<string, unknown> {
  const described: Record<string, unknown> = {
    name: textField(error, 'name') || 'Error',
    message: textField(error, 'message'),
  }
  const stack = fieldOf(error, 'stack')
  if (typeof stack === 'string') described.stack = stack
  const fields = errorFields(error).filter(([, value]) => canCross(value))
  if (fields.length > 0) described.fields = Object.fromEntries(fields)
  return described
}

function canCross(field: unknown): boolean {
  try {
    return findFault(field, '', ERROR_FIELD_DEPTH) === undefined
  } catch {
    return false
  }
}

const errorClasses: Readonly<Record<string, new (message: string) => Error>> = {
  __proto__: null as never,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
}

function constructError(name: string, message: string, fields: Record<string, unknown>): Error {
  if (name === 'CitadelError' && typeof fields.code === 'string') {
    return new CitadelError(fields.code as ErrorCode, message)
  }
  if (name === 'Refusal' && isCode(fields.code)) return new Refusal(fields.code, message)
  if (name === 'AggregateError') return new AggregateError([], message)
  return new (errorClasses[name] ?? Error)(message)
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && known(value)?.kind === 'object'

function reviveError(data: unknown): Error | undefined {
  if (!isRecord(data)) return undefined
  const { name, message, stack, fields = {} } = data
  if (typeof name !== 'string' || typeof message !== 'string' || !isRecord(fields)) return undefined
  const error = constructError(name, message, fields)
  const hidden = { configurable: true, writable: true, enumerable: false }
  if (error.name !== name) Object.defineProperty(error, 'name', { ...hidden, value: name })
  if (stack === undefined || typeof stack === 'string') {
    Object.defineProperty(error, 'stack', { ...hidden, value: stack })
  }
  for (const [key, value] of Object.entries(fields)) {
    const enumerable = key !== 'cause' && key !== 'errors'
    Object.defineProperty(error, key, { ...hidden, enumerable, value })
  }
  return error
}

const isPairs = (data: unknown): data is Tuple<[unknown, unknown]>[] =>
  Array.isArray(data) && data.every((pair) => pair instanceof Tuple && pair.length === 2)

function reviveText(data: unknown): string | undefined {
  if (!(data instanceof Uint8Array) || data.length % 2 !== 0) return undefined
  return Buffer.from(data.buffer, data.byteOffset, data.length).toString('utf16le')
}

function reviveBigint(data: unknown): bigint | undefined {
  if (typeof data === 'bigint') return data
  return Number.isSafeInteger(data) ? BigInt(data as number) : undefined
}

function reviveMap(data: unknown): Map<unknown, unknown> | undefined {
  if (!isPairs(data) || !areSpread(data.map((pair) => pair.at(0)))) return undefined
  return new Map(data.map((pair) => pair.elements))
}

/** The kinds whose data is one of a few, or any of a shape. Undefined: not of that shape. */
const revivers: Readonly<Record<string, (data: unknown) => unknown>> = {
  __proto__: null as never,
  nan: () => Number.NaN,
  infinity: () => Number.POSITIVE_INFINITY,
  '-infinity': () => Number.NEGATIVE_INFINITY,
  bigint: reviveBigint,
  utf16: reviveText,
  bytes: (data) => (data instanceof Uint8Array ? data : undefined),
  date: (data) => (typeof data === 'number' ? new Date(data) : undefined),
  map: reviveMap,
  set: (data) => (Array.isArray(data) && areSpread(data) ? new Set(data) : undefined),
  tuple: (data) => (Array.isArray(data) ? tupleOver(data) : undefined),
  error: reviveError,
}

/** Whether a tuple of this kind would be taken for a tagged one, and so must be escaped. */
export const isKind = (kind: unknown): boolean =>
  kind instanceof Atom && (kind.name === 'undefined' || kind.name in revivers)

/** Whether the data of a kind is a binary to be taken as bytes, whatever they say. */
export const isRawKind = (kind: unknown): boolean =>
  kind instanceof Atom && (kind.name === 'bytes' || kind.name === 'utf16')

/** The value that `{'$js', kind, data}` stands for; the tuple itself if it is none of ours. */
export function revive(kind: unknown, data: unknown): unknown {
  if (kind instanceof Atom) {
    if (kind.name === 'undefined' && data === null) return undefined
    const value = revivers[kind.name]?.(data)
    if (value !== undefined) return value
  }
  return new Tuple(JS, kind, data)
}
