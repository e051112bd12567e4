/**
 * The verbs of a node as one process uses them: what is called, linked, monitored or timed here is
 * that process's own, and ends with it. The composition root adds registry, groups and the rest by
 * declaration merging with `BoundNode` and the kernel's `bind` option.
 */
import { asCitadelError, attempt, checkFlag } from '../base/arguments.js'
import { CitadelError } from '../base/errors.js'
import type { Logger } from '../base/log.js'
import { readOptions } from '../base/options.js'
import type { Random } from '../base/random.js'
import type { Refusal } from '../base/refusal.js'
import { checkPid, type Pid } from '../term/pid.js'
import type { Ref } from '../term/ref.js'
import type { ChildIdentity } from './child-identity.js'
import type { Destination } from './destination.js'
import {
  FunctionProcess,
  type MessageFilter,
  RECEIVE_RULES,
  type ReceiveOptions,
} from './function-process.js'
import {
  CALL_RULES,
  type CallOptions,
  isThenable,
  type Process,
  SPAWN_RULES,
  type SpawnOptions,
} from './process.js'
import {
  cancelTimer,
  exitAfter,
  type ProcessTimer,
  sendAfter,
  sendInterval,
  sleep,
} from './process-timers.js'
import type { From } from './request.js'
import type {
  InitArgs,
  MethodArgs,
  MethodName,
  MethodResult,
  ServerClass,
  ServerShape,
} from './typed-call.js'

const NO_OPTIONS = {}
/** What the names of the runtime's own servers begin with. */
const RUNTIME_NAMES = 'citadel_'

export class ProcessVerbs {
  readonly #process: Process

  constructor(process: Process) {
    this.#process = process
  }

  /** The name of the node. */
  get name(): string {
    return this.#process.host.name
  }

  get pid(): Pid {
    return this.#process.pid
  }

  get self(): Pid {
    return this.#process.pid
  }

  /**
   * Which child of a distributed supervisor this process is, with the epoch that it has now, from the
   * first line of `init` on; undefined if it is none.
   */
  get child(): ChildIdentity | undefined {
    const child = this.#process.knownTies?.child
    return child && { id: child.id, supervisor: child.supervisor, epoch: child.epoch }
  }

  /** Aborted when the process must stop. */
  get signal(): AbortSignal {
    return this.#process.signal
  }

  get trapExit(): boolean {
    return this.#process.trapExit
  }

  set trapExit(trap: boolean) {
    checkFlag(trap, 'trapExit')
    this.#process.trapExit = trap
  }

  /** Chance as the node has it: seeded in the simulator. */
  get random(): Random {
    return this.#process.host.random
  }

  get log(): Logger {
    return this.#process.host.userLog
  }

  /** Monotonic milliseconds. */
  now(): number {
    return this.#process.host.clock.now()
  }

  /** Runs `body` as a process; it ends when its promise does. */
  spawn(body: (self: BoundNode) => unknown, options?: SpawnOptions): Promise<Pid>
  /** Resolves when `init` has returned, rejects with `init_failed` or `name_taken`. */
  spawn<T extends ServerShape>(
    server: ServerClass<T>,
    args?: Readonly<InitArgs<T>>,
    options?: SpawnOptions,
  ): Promise<Pid<T>>
  spawn(what: unknown, second?: unknown, third?: SpawnOptions): Promise<Pid> {
    try {
      const args = Array.isArray(second) ? second : []
      const isLast = second === undefined || Array.isArray(second)
      const given = (isLast ? third : second) as SpawnOptions | undefined
      const options = given === undefined ? NO_OPTIONS : readOptions('spawn', given, SPAWN_RULES)
      return this.#process.host.spawn(this.#process, what, args, options)
    } catch (error) {
      return Promise.reject(asCitadelError(error))
    }
  }

  call<T, M extends MethodName<T>>(
    to: Destination<T>,
    method: M,
    ...args: MethodArgs<NoInfer<T>, M>
  ): Promise<MethodResult<NoInfer<T>, M>>
  /** A request that is no method: the term goes as it is, as with `gen_server:call`. */
  call(to: Destination, request: object): Promise<unknown>
  call(to: unknown, method: unknown, ...args: unknown[]): Promise<unknown> {
    const { host } = this.#process
    try {
      return host.call(this.#process, to as Destination, method, args, NO_OPTIONS)
    } catch (error) {
      return Promise.reject(asCitadelError(error))
    }
  }

  /** Asks for no answer. False: not sent. */
  cast<T, M extends MethodName<T>>(
    to: Destination<T>,
    method: M,
    ...args: MethodArgs<NoInfer<T>, M>
  ): boolean
  cast(to: Destination, request: object): boolean
  cast(to: unknown, method: unknown, ...args: unknown[]): boolean {
    try {
      return this.#process.host.cast(this.#process, to as Destination, method, args)
    } catch (error) {
      throw asCitadelError(error)
    }
  }

  /** Puts a message into a mailbox: `handleInfo` or `receive` gets it. False: not sent. */
  send<T>(to: Destination<T>, message: unknown): boolean {
    try {
      return this.#process.host.send(this.#process, to as Destination, message)
    } catch (error) {
      throw asCitadelError(error)
    }
  }

  /**
   * The same calls with a time-out of their own, or to be given up by an AbortSignal. With options that
   * are not valid each call rejects `bad_argument`.
   */
  with(options: CallOptions): Caller {
    return new Caller(this.#process, options)
  }

  /** Answers a call whose method returned `noReply`. Only the first answer counts. */
  reply(from: From, value?: unknown): void {
    attempt(() => {
      if (isThenable(value)) throw new CitadelError('bad_argument', 'await a promise, then reply')
      this.#process.host.reply(this.#process, from, value)
    })
  }

  /** Answers a call with an error: the caller's promise rejects and this process lives on. */
  reject(from: From, error: Refusal | CitadelError): void {
    attempt(() => this.#process.host.reject(this.#process, from, error))
  }

  /** A `Down` will come, once, when the process ends, or at once when there is none. */
  monitor<T>(subject: Destination<T>): Ref {
    this.#mustLive()
    return attempt(() => this.#process.host.monitor(this.#process, subject as Destination))
  }

  /** False: no such monitor, or its `Down` is on its way. */
  demonitor(ref: Ref): boolean {
    return attempt(() => this.#process.host.demonitor(this.#process, ref))
  }

  /** Whichever of the two ends, the other gets its reason as an exit signal. */
  link<T>(pid: Pid<T>): void {
    this.#mustLive()
    checkPid(pid, 'link(pid)')
    this.#process.host.link(this.#process, pid as Pid)
  }

  unlink<T>(pid: Pid<T>): void {
    checkPid(pid, 'unlink(pid)')
    this.#process.host.unlink(this.#process, pid as Pid)
  }

  /** Sends an exit signal; to oneself: ends this process once its handler is done. */
  exit<T>(pid: Pid<T>, reason: unknown): void {
    checkPid(pid, 'exit(pid, reason)')
    attempt(() => this.#process.host.exit(this.#process, pid as Pid, reason))
  }

  /** The same, later; `cancelTimer` takes it back. */
  exitAfter<T>(pid: Pid<T>, reason: unknown, delayMs: number): ProcessTimer {
    this.#mustLive()
    checkPid(pid, 'exitAfter(pid, reason, delayMs)')
    return exitAfter(this.#process, pid as Pid, reason, delayMs)
  }

  /** The exit reason of a process of this node, once it has ended; `noproc` when it has already. */
  whenEnded<T>(pid: Pid<T>): Promise<unknown> {
    const { host } = this.#process
    return new Promise((resolve) => {
      checkPid(pid, 'whenEnded(pid)')
      const ended = (_pid: Pid, reason: unknown) => resolve(reason)
      if (host.watchExit(pid as Pid, ended) === undefined) resolve('noproc')
    })
  }

  /** Only for pids of this node. */
  isAlive<T>(pid: Pid<T>): boolean {
    checkPid(pid, 'isAlive(pid)')
    return this.#process.host.isAlive(pid as Pid)
  }

  whereis(name: string): Pid | undefined {
    return this.#process.host.whereis(name)
  }

  /** Gives a process of this node a local name. */
  registerName<T>(name: string, pid: Pid<T>): void {
    checkPid(pid, 'registerName(name, pid)')
    if (typeof name !== 'string') throw new CitadelError('bad_argument', 'a name is a text')
    this.#process.host.registerName(name, pid as Pid)
  }

  /** @throws CitadelError `bad_argument` for a name of the runtime, which others depend on. */
  unregisterName(name: string): boolean {
    if (typeof name === 'string' && name.startsWith(RUNTIME_NAMES)) {
      throw new CitadelError('bad_argument', `names that begin with ${RUNTIME_NAMES} stay`)
    }
    return this.#process.host.unregisterName(name)
  }

  sendAfter<T>(to: Destination<T>, message: unknown, delayMs: number): ProcessTimer {
    this.#mustLive()
    return sendAfter(this.#process, to as Destination, message, delayMs)
  }

  sendInterval<T>(to: Destination<T>, message: unknown, periodMs: number): ProcessTimer {
    this.#mustLive()
    return sendInterval(this.#process, to as Destination, message, periodMs)
  }

  /** False: it has fired, or was cancelled before. */
  cancelTimer(timer: ProcessTimer): boolean {
    return cancelTimer(this.#process, timer)
  }

  sleep(delayMs: number): Promise<void> {
    return sleep(this.#process, delayMs)
  }

  /** The next message, or the next that `filter` accepts. Only in function processes and the root. */
  receive(options?: ReceiveOptions): Promise<unknown>
  receive(filter: MessageFilter, options?: ReceiveOptions): Promise<unknown>
  receive(first?: MessageFilter | ReceiveOptions, second?: ReceiveOptions): Promise<unknown> {
    const process = this.#process
    if (!(process instanceof FunctionProcess)) {
      const sentence = 'the messages of a GenServer arrive at handleInfo: receive is for functions'
      return Promise.reject(new CitadelError('bad_argument', sentence))
    }
    const given = typeof first === 'function' ? second : first
    const filter = typeof first === 'function' ? first : undefined
    if (given === undefined) return process.receive(filter, NO_OPTIONS)
    try {
      return process.receive(filter, readOptions('receive', given, RECEIVE_RULES))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #mustLive(): void {
    const process = this.#process
    if (process.host.isOver(process)) throw new CitadelError('noproc', 'this process has ended')
  }
}

/** What a process knows of its node. Other layers add to it by declaration merging. */
export interface BoundNode extends ProcessVerbs {}

/** `citadel.with({ timeoutMs, signal })`. */
export class Caller {
  readonly #process: Process
  readonly #options: CallOptions
  readonly #refusal: unknown

  constructor(process: Process, options: CallOptions) {
    this.#process = process
    this.#options = NO_OPTIONS
    try {
      this.#options = readOptions('with', options, CALL_RULES)
    } catch (error) {
      this.#refusal = error
    }
  }

  call<T, M extends MethodName<T>>(
    to: Destination<T>,
    method: M,
    ...args: MethodArgs<NoInfer<T>, M>
  ): Promise<MethodResult<NoInfer<T>, M>>
  call(to: Destination, request: object): Promise<unknown>
  call(to: unknown, method: unknown, ...args: unknown[]): Promise<unknown> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal)
    const { host } = this.#process
    try {
      return host.call(this.#process, to as Destination, method, args, this.#options)
    } catch (error) {
      return Promise.reject(asCitadelError(error))
    }
  }
}
