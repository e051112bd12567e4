/**
 * Which kinds of objects have a place in a term. One answer for writing, for keys and for saying
 * what is wrong, so the three never disagree. Works across realms: a REPL has its own `Map`.
 */
import { types } from 'node:util'
import { Atom } from './atom.js'
import { ImproperList } from './improper-list.js'
import { OpaqueTerm } from './opaque.js'
import { Pid } from './pid.js'
import { Ref } from './ref.js'
import { Tuple } from './tuple.js'

/** The object as what it may be treated as, by kind. */
export type Known =
  | { kind: 'array'; value: readonly unknown[] }
  | { kind: 'object'; value: Readonly<Record<string, unknown>> }
  | { kind: 'tuple'; value: Tuple }
  | { kind: 'atom'; value: Atom }
  | { kind: 'pid'; value: Pid }
  | { kind: 'ref'; value: Ref }
  | { kind: 'improperList'; value: ImproperList }
  | { kind: 'opaque'; value: OpaqueTerm }
  | { kind: 'bytes'; value: Uint8Array }
  | { kind: 'date'; value: Date }
  | { kind: 'map'; value: ReadonlyMap<unknown, unknown> }
  | { kind: 'set'; value: ReadonlySet<unknown> }
  | { kind: 'error'; value: Error }

export type Kind = Known['kind']

const LONE_SURROGATE = /\p{Surrogate}/u

/** Whether the text has a UTF-8 form. */
export const isWellFormed = (text: string): boolean => !LONE_SURROGATE.test(text)

/** Whether `prototype` is `Object.prototype` of any realm, or nothing. */
const isRoot = (prototype: object | null): boolean =>
  prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null

/** Whether `value` is of a built-in class itself, not of one derived from it. */
const isDirect = (value: object): boolean =>
  isRoot(Object.getPrototypeOf(Object.getPrototypeOf(value)))

function builtInKind(value: object): Kind | undefined {
  if (types.isUint8Array(value)) return 'bytes'
  if (types.isNativeError(value) || value instanceof Error) return 'error'
  if (types.isPromise(value) || !isDirect(value)) return undefined
  if (types.isDate(value)) return 'date'
  if (types.isMap(value)) return 'map'
  if (types.isSet(value)) return 'set'
  return undefined
}

/** The kind of an object, or undefined for what has no place in a term: class instances mostly. */
export function kindOf(value: object): Kind | undefined {
  if (Array.isArray(value)) return 'array'
  if (isRoot(Object.getPrototypeOf(value))) return 'object'
  if (value instanceof Tuple) return 'tuple'
  if (value instanceof Atom) return 'atom'
  if (value instanceof Pid) return 'pid'
  if (value instanceof Ref) return 'ref'
  if (value instanceof ImproperList) return 'improperList'
  if (value instanceof OpaqueTerm) return 'opaque'
  return builtInKind(value)
}

/** The object with its kind, typed; for paths that are not hot. */
export function known(value: object): Known | undefined {
  const kind = kindOf(value)
  return kind === undefined ? undefined : ({ kind, value } as Known)
}
