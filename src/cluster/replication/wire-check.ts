/**
 * Checks of what members send about scopes: a peer may be of another release, broken, or hostile,
 * and nothing of a wrong shape may reach the tables. Checks are made once and run on each message.
 */
import { CitadelError } from '../../base/errors.js'
import { Pid } from '../../term/pid.js'
import { Tuple } from '../../term/tuple.js'

export type Check = (value: unknown) => boolean

const SCOPE_NAME_MAX = 1_000

export const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
/** Milliseconds, `Infinity` included. */
export const isSpan: Check = (value) => typeof value === 'number' && value >= 0
export const isText: Check = (value) => typeof value === 'string'
export const isFlag: Check = (value) => typeof value === 'boolean'
export const isPidOrNull: Check = (value) => value === null || value instanceof Pid
export const isAnything: Check = () => true

/** The name of a scope that this release knows the kind of. */
export const isScope: Check = (value) =>
  typeof value === 'string' &&
  value.length <= SCOPE_NAME_MAX &&
  value[1] === ':' &&
  'cgs'.includes(value[0]!)

export const isClaimScope: Check = (value) => isScope(value) && (value as string)[0] === 'c'

/** A row: its id, and fields that its table checks. */
export const isPut: Check = (value) => Array.isArray(value) && typeof value[0] === 'string'
/** An update: a row, the id of one to delete, or that and the code of a reason. */
export const isOp: Check = (value) =>
  typeof value === 'string' || (isPut(value) && hasReason(value as unknown[]))
const hasReason = (fields: unknown[]): boolean => fields.length !== 2 || isCount(fields[1])

export const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every((item) => check(item))

/** An array that begins with these; a later release may add more. */
export const tupleOf =
  (...checks: Check[]): Check =>
  (value) =>
    Array.isArray(value) &&
    value.length >= checks.length &&
    checks.every((check, at) => check(value[at]))

/** For the fields of a row, where it is applied. */
export function checkRow(isValid: boolean, what: string, node: string): void {
  if (!isValid) throw new CitadelError('bad_format', `${node} sent a ${what} of a wrong shape.`)
}

/** The longest id of a row: what a user may give for a key or a group, and a pid. */
export const ID_MAX = 8_192 + 64
/** What 32 KiB of metadata, or a key, come to at most as `isAtMost` counts. */
const VALUE_MAX = 300_000

/** Whether a row is as large as its writer may make it: each node keeps it. */
export const isRowSize = (id: string, key: unknown, meta: unknown): boolean =>
  id.length <= ID_MAX && isAtMost(key, VALUE_MAX) && isAtMost(meta, VALUE_MAX)

/** Whether a value takes about so many bytes at most; no more of it is looked at. */
export function isAtMost(value: unknown, bytes: number): boolean {
  return leftOf(value, bytes) >= 0
}

/** What a value takes, about, as far as `isAtMost` would look at it. */
export const sizeOf = (value: unknown): number => SIZE_MAX - leftOf(value, SIZE_MAX)

const SIZE_MAX = 1_000_000
const PART_BYTES = 8

/** How much is left of a budget after a value; below 0: it is over. */
function leftOf(value: unknown, budget: number): number {
  if (typeof value === 'string') return budget - value.length
  if (typeof value !== 'object' || value === null) return budget - PART_BYTES
  if (value instanceof Uint8Array) return budget - value.length
  let left = budget - PART_BYTES
  for (const part of partsOf(value)) {
    left = leftOf(part, left)
    if (left < 0) break
  }
  return left
}

function partsOf(value: object): Iterable<unknown> {
  if (Array.isArray(value) || value instanceof Set) return value
  if (value instanceof Tuple) return value.elements
  return value instanceof Map ? [...value].flat() : Object.values(value)
}
