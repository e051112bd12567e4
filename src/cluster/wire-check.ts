/**
 * Checks of what members send about scopes: a peer may be of another release, broken, or hostile,
 * and nothing of a wrong shape may reach the tables. Checks are made once and run on each message.
 */
import { CitadelError } from '../base/errors.js'
import { Pid } from '../term/pid.js'

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
