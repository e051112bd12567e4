/**
 * The one class of errors a user can act on. `code` is the literal to branch on, `message` one
 * sentence that says what to do, `cause` what lies behind it.
 */
import { describe, fieldOf, hasField } from './describe.js'

export type ErrorCode =
  /** No answer within the deadline. The other side may still do the work. */
  | 'timeout'
  /** No such process: never there, or dead already. */
  | 'noproc'
  /** The process ended before it answered; `reason` says how. */
  | 'exited'
  /** The node of the process is not connected, or the connection went down during the call. */
  | 'noconnection'
  /** Who decides cannot be reached now; nothing was changed. Try again later. */
  | 'unavailable'
  /** The key has an owner; `pid` is it. */
  | 'already_registered'
  /** The id runs already; `pid` is it. */
  | 'already_started'
  /** The local name, or the node's name, is in use. */
  | 'name_taken'
  /** The process has no such message. */
  | 'undefined_method'
  /** A queue is full. Slow down and try again. */
  | 'overloaded'
  /** No member node offers what the child needs. */
  | 'no_placement'
  /** Nothing under that key, id or group. */
  | 'not_found'
  /** `init` of the process failed; `reason` and `cause` say why. */
  | 'init_failed'
  /** The value cannot cross to another node. */
  | 'unserializable'
  /** Bytes that are not what the protocol allows. */
  | 'bad_format'
  /** A frame, term or table is over its limit. */
  | 'limit_exceeded'
  /** An argument or option is not valid. */
  | 'bad_argument'
  /** The cookies of two nodes differ. */
  | 'bad_cookie'
  /** A process called itself. */
  | 'calling_self'
  /** Processes would wait for each other in a ring; `chain` names them. */
  | 'call_cycle'
  /** The caller gave up through its AbortSignal. */
  | 'aborted'
  /** The node has stopped. */
  | 'stopped'
  /** The discovery service cannot be reached. */
  | 'discovery_failed'

export interface ErrorDetails {
  cause?: unknown
  /** The process in the way: the owner of the key, the running child. */
  pid?: unknown
  /** The exit reason of a process that ended. */
  reason?: unknown
  /** The calls that would wait for each other, each `{ pid, method }`. */
  chain?: readonly unknown[]
}

export class CitadelError extends Error {
  override readonly name = 'CitadelError'
  readonly code: ErrorCode
  readonly pid?: unknown
  readonly reason?: unknown
  readonly chain?: readonly unknown[]

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    const cause = hasField(details, 'cause') ? { cause: fieldOf(details, 'cause') } : undefined
    super(typeof message === 'string' ? message : describe(message), cause)
    this.code = code
    if (hasField(details, 'pid')) this.pid = fieldOf(details, 'pid')
    if (hasField(details, 'reason')) this.reason = fieldOf(details, 'reason')
    const chain = fieldOf(details, 'chain')
    if (Array.isArray(chain)) this.chain = chain as readonly unknown[]
  }
}
