/** A handle that means a child by its id and follows it wherever it runs. */
import { type Resolvable, resolvePid } from '../process/destination.js'
import type { MethodArgs, MethodName, MethodResult } from '../process/typed-call.js'
import type { Pid } from '../term/pid.js'

/** The verbs a handle passes on; the node gives them. */
export interface HandleVerbs {
  call(to: Resolvable, method: string, ...args: unknown[]): Promise<unknown>
  cast(to: Resolvable, method: string, ...args: unknown[]): boolean
  send(to: Resolvable, message: unknown): boolean
}

export class ChildHandle<T = unknown> implements Resolvable<T> {
  constructor(
    readonly id: unknown,
    private readonly find: () => Pid | undefined,
    private readonly settle: () => Promise<Pid | undefined>,
    private readonly verbs: HandleVerbs,
  ) {}

  /** The process that runs the child at this moment. */
  get pid(): Pid<T> | undefined {
    return this.find() as Pid<T> | undefined
  }

  /** Calls the child. While it is being started again, waits for it within the time-out. */
  call<M extends MethodName<T>>(method: M, ...args: MethodArgs<T, M>): Promise<MethodResult<T, M>> {
    return this.verbs.call(this as Resolvable, method, ...args) as Promise<MethodResult<T, M>>
  }

  /** Casts to the child. False: not sent. */
  cast<M extends MethodName<T>>(method: M, ...args: MethodArgs<T, M>): boolean {
    return this.verbs.cast(this, method, ...args)
  }

  /** Sends a message to the child. False: not sent. */
  send(message: unknown): boolean {
    return this.verbs.send(this, message)
  }

  [resolvePid](): Pid<T> | undefined | Promise<Pid<T> | undefined> {
    return this.pid ?? (this.settle() as Promise<Pid<T> | undefined>)
  }
}
