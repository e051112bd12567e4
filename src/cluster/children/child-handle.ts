/** A child as users have it, wherever it runs. */
import type { Resolvable } from '../../process/destination.js'
import type { CallOptions } from '../../process/process.js'
import type { MethodArgs, MethodName, MethodResult } from '../../process/typed-call.js'
import type { Pid } from '../../term/pid.js'

export interface ChildHandle<T = unknown> extends Resolvable<T> {
  readonly id: unknown

  /** The process that runs the child at this moment. */
  readonly pid: Pid<T> | undefined

  /** The same child, called with a time-out of its own, or to be given up by an AbortSignal. */
  with(options: CallOptions): ChildHandle<T>

  /**
   * Calls the child. While it is being started again, or its node cannot be reached, waits for it
   * within the time-out, 5 s unless `with` says another. Never asks twice: it goes on only if the
   * process was not there.
   */
  call<M extends MethodName<T>>(method: M, ...args: MethodArgs<T, M>): Promise<MethodResult<T, M>>

  /** Casts to the child. False: not sent. */
  cast<M extends MethodName<T>>(method: M, ...args: MethodArgs<T, M>): boolean

  /** Sends a message to the child. False: not sent. */
  send(message: unknown): boolean

  toString(): string
}
