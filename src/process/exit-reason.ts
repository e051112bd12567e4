/**
 * Why a process ended. Reasons are data: any term, with these that have a meaning of their own.
 * On the wire a string reason is an atom, as Erlang code expects; an atom comes back as a string.
 */
import { describe, fieldOf, isA } from '../base/describe.js'
import { Atom, fitsAtom } from '../term/atom.js'
import { Pid } from '../term/pid.js'
import { Tuple } from '../term/tuple.js'

export type ExitReason =
  /** It had done its work. Never an error, and ignored by linked processes. */
  | 'normal'
  /** It was asked to stop, by its supervisor or by the node. */
  | 'shutdown'
  /** `exit(pid, 'kill')`. */
  | 'killed'
  /** It was not there when it was linked or monitored. */
  | 'noproc'
  /** The connection to its node is gone. */
  | 'noconnection'
  /** An uncaught error. */
  | { readonly error: unknown }
  /** It owned something, and the lease of its node ended. No code of it ran after that. */
  | 'lease_lost'
  /** It runs on as another process, on another node, and its old node has stopped. */
  | { readonly moved: Pid }
  /** Whatever term somebody gave to `exit`. */
  | NonNullable<unknown>

/** An ending that is no crash: what `transient` children are not restarted after. */
export function isCleanExit(reason: unknown): boolean {
  if (reason === 'normal' || reason === 'shutdown') return true
  if (!isA(reason, Tuple) || reason.length !== 2) return false
  const head = reason.at(0)
  return head instanceof Atom && head.name === 'shutdown'
}

export function reasonToWire(reason: unknown): unknown {
  if (typeof reason !== 'string' || !canBeAtom(reason)) return reason
  return new Atom(reason)
}

export function reasonFromWire(reason: unknown): unknown {
  return reason instanceof Atom ? reason.name : reason
}

/** The error of a reason `{ error }`. */
export const errorOf = (reason: unknown): unknown => fieldOf(reason, 'error')

/** For logs and sentences: one line, whatever the reason is. */
export function describeReason(reason: unknown): string {
  const error = errorOf(reason)
  if (error !== undefined) return describe(error)
  const moved = fieldOf(reason, 'moved')
  return isA(moved, Pid) ? `moved to ${moved}` : describe(reason)
}

const LONE_SURROGATE = /\p{Surrogate}/u

const canBeAtom = (text: string): boolean =>
  text !== 'true' &&
  text !== 'false' &&
  text !== 'null' &&
  fitsAtom(text) &&
  !LONE_SURROGATE.test(text)
