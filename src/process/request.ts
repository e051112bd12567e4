/**
 * Calls and casts as they lie in mailboxes. A request by method keeps name and arguments apart; any
 * other request is a raw term. A call is also the `From` that answers it, so a local call costs one
 * object and one promise.
 */

import type { AsyncResource } from 'node:async_hooks'
import { giveLook } from '../base/looks.js'
import type { Pid } from '../term/pid.js'
import type { Ref } from '../term/ref.js'
import type { RemoteLink } from './call-chain.js'

/** Returned by a method that will answer later, with `reply(from, value)`. */
export const noReply: unique symbol = Symbol('citadel.noReply')

/** Who waits for an answer. Opaque but for the pid; `reply(from, value)` answers it, once. */
export interface From {
  readonly pid: Pid
}

/** The process that made a call. */
export interface CallOwner {
  readonly pid: Pid
  readonly ended: boolean
}

/** The process that took a call and has not answered it yet. */
export interface CallHolder {
  readonly pid: Pid
  forget(call: Call): void
}

export abstract class Envelope {
  /** In which its handler runs. Only where contexts are in use, so that others have no such field. */
  declare context?: AsyncResource

  constructor(
    /** Undefined: `raw` names no method. */
    readonly method: string | undefined,
    public args: readonly unknown[],
    readonly raw: unknown,
  ) {}
}

export class Cast extends Envelope {}

export abstract class Call extends Envelope implements From {
  /** An answered call ignores further answers. */
  answered = false
  /** Set while a process keeps it to answer it later. */
  holder: CallHolder | undefined = undefined
  abstract readonly pid: Pid
}

giveLook(Call, 'From', ({ pid }) => ({ pid }))

/** A call that came over the mesh. `tag` is given back whole, whatever it is. */
export class RemoteCall extends Call {
  constructor(
    method: string | undefined,
    args: readonly unknown[],
    raw: unknown,
    readonly pid: Pid,
    readonly tag: unknown,
    /** The calls that wait for it, if its node has told them. */
    readonly chain: readonly RemoteLink[] | undefined = undefined,
  ) {
    super(method, args, raw)
  }
}

/** A call that a process of this node makes, wherever it goes. */
export class PendingCall extends Call {
  deadline = Number.POSITIVE_INFINITY
  /** Neighbours among the calls with the same time-out; see call-deadlines.ts. */
  previous: PendingCall | undefined = undefined
  next: PendingCall | undefined = undefined
  /** Only for calls to other nodes. */
  ref: Ref | undefined = undefined
  /** What to undo when the call is over: an abort listener, a wait for a link, a monitor. */
  cleanUp: (() => void) | undefined = undefined

  constructor(
    method: string | undefined,
    args: readonly unknown[],
    raw: unknown,
    readonly owner: CallOwner,
    readonly timeoutMs: number,
    readonly resolve: (value: unknown) => void,
    readonly reject: (error: unknown) => void,
  ) {
    super(method, args, raw)
  }

  get pid(): Pid {
    return this.owner.pid
  }
}
