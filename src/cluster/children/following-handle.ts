/** A handle that means a child by its id and follows it wherever it runs. */
import { CitadelError } from '../../base/errors.js'
import { giveLook } from '../../base/looks.js'
import { readOptions } from '../../base/options.js'
import { type Resolvable, resolvePid } from '../../process/destination.js'
import { CALL_RULES, type CallOptions } from '../../process/process.js'
import type { MethodArgs, MethodName, MethodResult } from '../../process/typed-call.js'
import type { Pid } from '../../term/pid.js'
import { showKey } from '../../term/show-key.js'
import type { ChildHandle } from './child-handle.js'

/** The verbs a handle passes on; the node gives them. */
export interface HandleVerbs {
  call(to: Resolvable, method: string, ...args: unknown[]): Promise<unknown>
  with(options: CallOptions): Pick<HandleVerbs, 'call'>
  cast(to: Resolvable, method: string, ...args: unknown[]): boolean
  send(to: Resolvable, message: unknown): boolean
}

/** What a handle asks its supervisor. */
export interface ChildFinder {
  /** The process that runs the child now, wherever. */
  find(): Pid | undefined
  /** The same if its node can be reached. */
  reachable(): Pid | undefined
  /** The process once it runs within reach, as long as the child is to run at all. */
  settle(): Promise<Pid | undefined>
  now(): number
  pause(): Promise<void>
}

const CALL_MS = 5_000

export class FollowingHandle<T = unknown> implements ChildHandle<T> {
  constructor(
    readonly id: unknown,
    private readonly finder: ChildFinder,
    private readonly verbs: HandleVerbs,
    private readonly options: CallOptions = {},
  ) {}

  with(options: CallOptions): ChildHandle<T> {
    const read = readOptions('with', options, CALL_RULES)
    return new FollowingHandle(this.id, this.finder, this.verbs, { ...this.options, ...read })
  }

  get pid(): Pid<T> | undefined {
    return this.finder.find() as Pid<T> | undefined
  }

  async call<M extends MethodName<T>>(
    method: M,
    ...args: MethodArgs<T, M>
  ): Promise<MethodResult<T, M>> {
    const { timeoutMs: patienceMs = CALL_MS } = this.options
    const deadline = this.finder.now() + patienceMs
    // What is no time-out is refused by the verbs, in their words.
    const isTime = patienceMs >= 0
    for (;;) {
      const timeoutMs = isTime ? Math.max(0, deadline - this.finder.now()) : patienceMs
      const verbs = this.verbs.with({ ...this.options, timeoutMs })
      try {
        const reply = await verbs.call(this as Resolvable, method, ...args)
        return reply as MethodResult<T, M>
      } catch (error) {
        if (!(await this.mayRunElsewhere(error, deadline))) throw error
      }
    }
  }

  /** The process had ended before it got the call, and the child runs again or will. */
  private async mayRunElsewhere(error: unknown, deadline: number): Promise<boolean> {
    if (!(error instanceof CitadelError) || error.code !== 'noproc') return false
    await this.finder.pause()
    if (this.finder.now() >= deadline) return false
    return this.finder.reachable() !== undefined || (await this.finder.settle()) !== undefined
  }

  cast<M extends MethodName<T>>(method: M, ...args: MethodArgs<T, M>): boolean {
    return this.verbs.cast(this, method, ...args)
  }

  send(message: unknown): boolean {
    return this.verbs.send(this, message)
  }

  toString(): string {
    return `child ${showKey(this.id)}`
  }

  [resolvePid](): Pid<T> | undefined | Promise<Pid<T> | undefined> {
    return (this.finder.reachable() ?? this.finder.settle()) as Pid<T> | Promise<Pid<T> | undefined>
  }
}

giveLook(FollowingHandle, 'ChildHandle', ({ id, pid }) => ({ id, pid }))
