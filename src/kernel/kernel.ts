/**
 * The kernel: the processes of one node, and nothing of the network but two seams. What it asks of
 * the mesh is `Router`; what the mesh brings comes in through `SignalSink`. Everything here is one
 * line or two: the work is in calls, answers, delivery, links, monitors and endings.
 */
import { attempt } from '../base/arguments.js'
import type { Clock } from '../base/clock.js'
import { describe } from '../base/describe.js'
import { CitadelError } from '../base/errors.js'
import { logFailure } from '../base/guard.js'
import { type Logger, silent } from '../base/log.js'
import type { Random } from '../base/random.js'
import type { Refusal } from '../base/refusal.js'
import { type BoundNode, ProcessVerbs } from '../process/bound-node.js'
import type { Contexts } from '../process/contexts.js'
import type { Destination } from '../process/destination.js'
import { reasonToWire } from '../process/exit-reason.js'
import { FunctionProcess, RootProcess } from '../process/function-process.js'
import { GenServer } from '../process/gen-server.js'
import { MethodTables, type ServerStatics } from '../process/method-table.js'
import type { Notices } from '../process/notices.js'
import {
  type CallOptions,
  type Destiny,
  type ExitListener,
  type Host,
  type NoticeKind,
  Process,
  type SpawnOptions,
} from '../process/process.js'
import type { Call, From } from '../process/request.js'
import type { Runnable } from '../process/scheduler.js'
import { type Birth, ServerProcess } from '../process/server-process.js'
import type { Signal } from '../process/signal.js'
import { SlowStarts } from '../process/slow-starts.js'
import type { Pid } from '../term/pid.js'
import type { Ref } from '../term/ref.js'
import { Answers } from './answers.js'
import { Calls } from './calls.js'
import { Core, type Endpoint } from './core.js'
import { Delivery } from './delivery.js'
import { Endings } from './endings.js'
import { Fence } from './fence.js'
import { Inbound } from './inbound.js'
import type { KernelOptions, ProcessInfo } from './kernel-options.js'
import { Links } from './links.js'
import { Monitors } from './monitors.js'
import { MOVES_ENDPOINT, Moves } from './moves.js'
import { signalWithReason } from './remote-reason.js'
import { noRouter, type SignalSink, type Source } from './router.js'
import { askToStop, stopProcesses } from './stop-processes.js'

const MAILBOX_MAX = 100_000
const MAILBOX_MAX_BYTES = 64 * 1024 * 1024

export type { KernelOptions, ProcessInfo }

export class Kernel implements Host, SignalSink {
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly userLog: Logger
  readonly slowStarts: SlowStarts
  /** The node as its root process sees it. */
  readonly root: BoundNode
  readonly #core: Core
  readonly #calls: Calls
  readonly #answers: Answers
  readonly #delivery: Delivery
  readonly #links: Links
  readonly #monitors: Monitors
  readonly #endings: Endings
  readonly #inbound: Inbound
  readonly #tables = new MethodTables(GenServer.prototype, (sentence) => this.log.warn(sentence))
  /** Processes that go to other nodes and come from them. */
  readonly moves: Moves
  readonly #bind: (process: Process) => BoundNode
  #spawned = 0
  #stopped = false

  constructor(options: KernelOptions) {
    const { name, creation, clock, random, log = silent } = options
    this.name = name
    this.clock = clock
    this.random = random
    this.log = log
    this.userLog = options.userLog ?? log
    this.slowStarts = new SlowStarts(clock, log)
    this.#bind = options.bind ?? ((process) => new ProcessVerbs(process) as BoundNode)
    this.#core = new Core({
      name,
      creation: typeof creation === 'function' ? creation : () => creation,
      clock,
      random,
      log,
      router: options.router ?? noRouter,
      strictMessages: options.strictMessages ?? false,
      mailboxMax: options.mailboxMax ?? MAILBOX_MAX,
      mailboxMaxBytes: options.mailboxMaxBytes ?? MAILBOX_MAX_BYTES,
      resolveKey: options.resolveKey,
      beforeRun: options.beforeRun,
      turnFailed: (process, error) => this.#turnFailed(process, error),
      fence: new Fence(options.lease, clock, (process, reason) =>
        this.#endings.bury(process, reason),
      ),
    })
    this.#calls = new Calls(this.#core)
    this.#monitors = new Monitors(this.#core)
    this.#links = new Links(this.#core)
    this.#answers = new Answers(this.#core, this.#calls, this.#monitors)
    this.#delivery = new Delivery(this.#core)
    this.#endings = new Endings(this.#core, this.#answers, this.#links, this.#monitors)
    this.moves = new Moves({
      core: this.#core,
      calls: this.#calls,
      answers: this.#answers,
      links: this.#links,
      monitors: this.#monitors,
      bury: (process, reason) => this.bury(process, reason),
      arrived: (process, message, source) => this.#inbound.arrived(process, message, source),
    })
    this.#inbound = new Inbound({
      core: this.#core,
      calls: this.#calls,
      answers: this.#answers,
      delivery: this.#delivery,
      links: this.#links,
      monitors: this.#monitors,
      moves: this.moves,
    })
    this.registerEndpoint(MOVES_ENDPOINT, (message, from, source) =>
      this.moves.receive(message, from, source),
    )
    this.#core.root = new RootProcess(this, this.#core.table.newPid())
    this.#core.table.add(this.#core.root)
    this.root = this.#core.root.bound as BoundNode
  }

  get contexts(): Contexts {
    return this.#core.contexts
  }

  get notices(): Notices<NoticeKind> {
    return this.#core.notices
  }

  // Starting and stopping

  spawn(
    parent: Process,
    what: unknown,
    args: readonly unknown[],
    options: SpawnOptions & Destiny & Pick<Birth, 'arrival'>,
  ): Promise<Pid> {
    try {
      this.#maySpawn(parent, options)
      const process = this.#newProcess(what, args, options.arrival)
      this.#adopt(parent, process, options)
      return new Promise((resolve, reject) => {
        process.starting = { resolve, reject }
        if (options.child) process.ties.child = options.child
        if (options.isOwner === true) this.#core.fence.own(process, true)
        this.#core.scheduler.enqueue(process)
      })
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** For the layers above: a process that the root starts, with what only the runtime may say. */
  spawnByRoot(
    what: unknown,
    args: readonly unknown[],
    options: Destiny & Pick<Birth, 'arrival'>,
  ): Promise<Pid> {
    return this.spawn(this.#core.root, what, args, options)
  }

  #maySpawn(parent: Process, { name }: SpawnOptions): void {
    if (this.#stopped) throw new CitadelError('stopped', 'the node has stopped')
    if (this.isOver(parent)) throw new CitadelError('noproc', 'this process has ended')
    if (name !== undefined) this.#mustBeFree(name)
  }

  #mustBeFree(name: string): void {
    // What has moved to another node only passes on: it gives its name up to who is here.
    if (this.#core.table.named(name)?.status === 'moved') this.#core.table.removeName(name)
    const owner = this.#core.table.named(name)
    if (owner === undefined && !this.#core.endpoints.has(name)) return
    const sentence = `the name '${describe(name)}' is taken on this node: choose another`
    throw new CitadelError('name_taken', sentence, { pid: owner?.pid })
  }

  #newProcess(what: unknown, args: readonly unknown[], arrival: Birth['arrival']): Process {
    if (typeof what !== 'function') {
      throw new CitadelError('bad_argument', 'spawn takes a GenServer class or a function')
    }
    if (what.prototype instanceof GenServer) {
      const table = this.#tables.of(what as unknown as ServerStatics)
      const birth = { module: what as new () => GenServer, args, arrival }
      return new ServerProcess(this, this.#core.table.newPid(), table, birth)
    }
    if (isClass(what)) {
      throw new CitadelError('bad_argument', `${what.name} does not extend GenServer: let it`)
    }
    const body = what as (self: object) => unknown
    return new FunctionProcess(this, this.#core.table.newPid(), body)
  }

  #adopt(parent: Process, process: Process, { name, link }: SpawnOptions): void {
    this.#core.table.add(process)
    this.#spawned++
    if (name !== undefined) this.#core.table.addName(name, process)
    if (link !== true) return
    process.ties.parent = parent.pid
    this.#links.link(parent, process.pid)
  }

  /** Warns of what is wrong with a class before it is first started. */
  noteClass(what: unknown): void {
    attempt(() => {
      if (typeof what !== 'function' || !(what.prototype instanceof GenServer)) return
      this.#tables.of(what as unknown as ServerStatics)
    })
  }

  bind(process: Process): object {
    return this.#bind(process)
  }

  /** From the moment when it begins to. */
  get isStopped(): boolean {
    return this.#stopped
  }

  /** Ends every process: with `shutdown` first, and by `kill` what has not ended within the time. */
  async stop(timeoutMs = 5_000): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    await stopProcesses(this.#core, this, timeoutMs)
    this.#calls.stop()
    this.moves.stop()
    this.bury(this.#core.root, 'shutdown')
    this.#core.notices.stop()
  }

  /** As a parent would: a server ends, its `terminate` run, also when it traps exits. */
  stopProcess(pid: Pid, reason: unknown): void {
    const process = this.#core.table.find(pid)
    if (process === undefined || process.ended) return
    if (reason === 'kill') this.bury(process, 'killed')
    else askToStop(process, this.#core, reason)
  }

  /** A fault of ours, or a value that no code of ours has foreseen: it costs the process, not the node. */
  #turnFailed(process: Runnable | undefined, error: unknown): void {
    if (process instanceof Process && process !== this.#core.root) {
      logFailure(this.#core.log, `${process.pid} ${process.kind}: a turn of it`, error)
      this.bury(process, { error })
    } else logFailure(this.#core.log, 'a run of the scheduler', error)
  }

  /** An owner that ends after its lease has ended by that, whatever else there is. */
  bury(process: Process, reason: unknown): void {
    if (!this.isOver(process)) this.#endings.bury(process, reason)
  }

  // The fence

  isOver(process: Process): boolean {
    return this.#core.isOver(process)
  }

  /** A process of this node owns something from now on, or does not any more. */
  own(pid: Pid, isOwner: boolean): void {
    const process = this.#core.table.find(pid)
    if (process === undefined || process.status === 'moved') return
    if (isOwner) this.#core.fence.own(process, false)
    else this.#core.fence.disown(process)
  }

  /** The root process cannot be ended when the lease has, so where there is one it owns nothing. */
  mayOwn(pid: Pid): boolean {
    return this.#core.fence.isOpen || !pid.equals(this.#core.root.pid)
  }

  // Messages

  enqueue(process: Process): void {
    this.#core.scheduler.enqueue(process)
  }

  releaseMailbox(process: Process): void {
    this.#core.releaseMailbox(process)
  }

  postSystem(process: Process, message: unknown): void {
    this.#core.postSystem(process, message)
  }

  /** A message of the node to one of its processes, such as `KeyLost`: never refused, never copied. */
  notify(pid: Pid, message: unknown): void {
    const process = this.#core.table.find(pid)
    if (process !== undefined) this.#core.postSystem(process, message)
  }

  send(owner: Process, to: Destination, message: unknown): boolean {
    return this.#delivery.send(owner, to, message)
  }

  cast(owner: Process, to: Destination, method: unknown, args: readonly unknown[]): boolean {
    return this.#delivery.cast(owner, to, method, args)
  }

  call(
    owner: Process,
    to: Destination,
    method: unknown,
    args: readonly unknown[],
    options: CallOptions,
  ): Promise<unknown> {
    return this.#calls.call(owner, to, method, args, options)
  }

  answer(call: Call, value: unknown, by: Process): void {
    this.#answers.answer(call, value, by)
  }

  refuse(call: Call, error: CitadelError): void {
    this.#answers.refuse(call, error)
  }

  reply(owner: Process, from: From, value: unknown): void {
    if (!this.isOver(owner)) this.#answers.reply(from, value, owner)
  }

  sayNo(call: Call, refusal: Refusal, by: Process): void {
    this.#answers.sayNo(call, refusal, by)
  }

  reject(owner: Process, from: From, error: CitadelError | Refusal): void {
    if (!this.isOver(owner)) this.#answers.reject(from, error, owner)
  }

  // Ties

  monitor(owner: Process, to: Destination): Ref {
    return this.#monitors.monitor(owner, to)
  }

  demonitor(owner: Process, ref: Ref): boolean {
    return !this.isOver(owner) && this.#monitors.demonitor(owner, ref)
  }

  link(owner: Process, pid: Pid): void {
    this.#links.link(owner, pid)
  }

  unlink(owner: Process, pid: Pid): void {
    if (!this.isOver(owner)) this.#links.unlink(owner, pid)
  }

  exit(from: Process, pid: Pid, reason: unknown): void {
    if (this.isOver(from)) return
    const route = this.#core.route(pid)
    if (route === undefined) return
    if ('process' in route) route.process.exitSignal(from.pid, reason, false)
    else if ('node' in route) {
      const to = route.target as Pid
      const signal = { type: 'exit2', from: from.pid, to, reason: reasonToWire(reason) } as const
      signalWithReason(this.#core.router, route.node, signal)
    }
  }

  /** Calls `listener` once, before anyone else hears of the end. Undefined: not alive on this node. */
  watchExit(pid: Pid, listener: ExitListener): (() => void) | undefined {
    const process = this.#core.table.find(pid)
    if (process === undefined || process.ended) return undefined
    process.ties.addExitListener(listener)
    return () => void process.knownTies?.exitListeners?.delete(listener)
  }

  // Names and questions

  isAlive(pid: Pid): boolean {
    if (pid.node !== this.name) {
      const sentence = `isAlive is for processes of this node, and ${pid} is not: monitor it instead`
      throw new CitadelError('bad_argument', sentence)
    }
    const process = this.#core.table.find(pid)
    return process !== undefined && !this.isOver(process)
  }

  whereis(name: string): Pid | undefined {
    return this.#core.table.named(name)?.pid
  }

  registerName(name: string, pid: Pid): void {
    const process = this.#core.table.find(pid)
    if (process === undefined) {
      throw new CitadelError('noproc', `${pid} is no living process of this node: it takes no name`)
    }
    if (process.name === name) return
    this.#mustBeFree(name)
    if (process.name !== undefined) {
      throw new CitadelError(
        'bad_argument',
        `${pid} is named '${process.name}': unregister it first`,
      )
    }
    this.#core.table.addName(name, process)
  }

  unregisterName(name: string): boolean {
    return this.#core.table.removeName(name)
  }

  /** A name that the node handles itself, synchronously, in the order in which messages arrive. */
  registerEndpoint(name: string, handler: Endpoint): () => void {
    this.#mustBeFree(name)
    this.#core.endpoints.set(name, handler)
    return () => void this.#core.endpoints.delete(name)
  }

  *processes(): Generator<ProcessInfo> {
    for (const process of this.#core.table) {
      const { pid, name, kind, status, mailbox } = process
      yield { pid, name, kind, status, mailboxLength: mailbox?.size ?? 0 }
    }
  }

  /** Totals since the start, but for `processes` and `pendingCalls`, which are there now. */
  counters(): Record<string, number> {
    return {
      processes: this.#core.table.size,
      spawned: this.#spawned,
      ended: this.#endings.count,
      messages: this.#core.scheduler.messages,
      pendingCalls: this.#calls.pending,
      ...this.#core.notices.counts,
    }
  }

  // What the mesh brings

  deliver(to: Pid, message: unknown, source: Source): void {
    this.#inbound.deliver(to, message, source)
  }

  deliverNamed(name: string, message: unknown, from: Pid, source: Source): void {
    this.#inbound.deliverNamed(name, message, from, source)
  }

  deliverToAlias(ref: Ref, message: unknown, source: Source): void {
    this.#inbound.deliverToAlias(ref, message, source)
  }

  receiveSignal(signal: Signal, source: Source): void {
    this.#inbound.receiveSignal(signal, source)
  }

  disconnected(node: string): void {
    this.#inbound.disconnected(node)
  }
}

/** A class, as against a function: the prototype of a class cannot be replaced. */
function isClass(what: object): boolean {
  return Object.getOwnPropertyDescriptor(what, 'prototype')?.writable === false
}
