/**
 * A process as the node keeps it: status, mailbox and ties, and what an exit signal does to it.
 * What it does with messages is in its two kinds, gen-server.ts and function-process.ts. An idle
 * process is small: everything that most processes never need lies in `ProcessTies`, made on demand.
 */
import type { Clock, Timer } from '../base/clock.js'
import type { CitadelError } from '../base/errors.js'
import type { Logger } from '../base/log.js'
import { type Rules, rule } from '../base/options.js'
import type { Random } from '../base/random.js'
import type { Refusal } from '../base/refusal.js'
import type { Pid } from '../term/pid.js'
import type { Ref } from '../term/ref.js'
import type { ChildIdentity } from './child-identity.js'
import type { Contexts } from './contexts.js'
import type { Destination } from './destination.js'
import type { Mailbox } from './mailbox.js'
import type { Notices } from './notices.js'
import type { Call, CallHolder, CallOwner, From, PendingCall } from './request.js'
import type { Runnable } from './scheduler.js'
import type { Target } from './signal.js'
import type { SlowStarts } from './slow-starts.js'
import { Exit } from './system-messages.js'

export type ProcessStatus =
  /** `init` has not returned. */
  | 'starting'
  /** Takes the next message when there is one. */
  | 'ready'
  /** A handler is on the stack. */
  | 'running'
  /** Waits for a promise of a handler. */
  | 'parked'
  /** Takes no messages: it is about to move to another node, or has come from one. */
  | 'held'
  /** Runs on another node now; passes on what comes. */
  | 'moved'
  /** `terminate` is due or runs. */
  | 'stopping'
  | 'ended'

export type NoticeKind =
  | 'mailboxFull'
  | 'unknownCast'
  | 'unexpectedMessage'
  | 'lateFailure'
  | 'exitRefused'

/** Somebody of this node, or of another, who wants to hear of an end. */
export class Monitor {
  constructor(
    readonly ref: Ref,
    readonly key: number | string,
    /** Undefined: the owner lives on another node. */
    readonly owner: Process | undefined,
    readonly ownerPid: Pid,
    /** As the owner named it. */
    readonly subject: Target,
    /** Undefined: the subject lives on another node. */
    readonly target: Process | undefined,
  ) {}
}

/** Monitors, and links, that the processes of one other node may have here. */
export const TIES_PER_NODE_MAX = 100_000

/** A link to a process of another node, by the UNLINK_ID protocol. */
export class RemoteLink {
  /** False from our unlink until its acknowledgement. */
  active = true
  unlinkId = 0n
  readonly key: string

  constructor(
    readonly process: Process,
    readonly pid: Pid,
  ) {
    this.key = RemoteLink.keyOf(pid)
  }

  /** Tells apart the pids of all starts of a node. */
  static keyOf(pid: Pid): string {
    return `${pid}${pid.creation}`
  }
}

/**
 * What few processes have. Every collection belongs to one process, is made on first use, and is
 * undone at the end of the process.
 */
export class ProcessTies {
  name: string | undefined = undefined
  /** Who spawned it with a link: the end of the parent stops it even when it traps exits. */
  parent: Pid | undefined = undefined
  controller: AbortController | undefined = undefined
  links: Set<Process> | undefined = undefined
  /** By the `key` of the link. */
  remoteLinks: Map<string, RemoteLink> | undefined = undefined
  /** Monitors it made, by the key of their reference. */
  monitors: Map<number | string, Monitor> | undefined = undefined
  /** Monitors others made of it. */
  watchers: Set<Monitor> | undefined = undefined
  exitListeners: Set<ExitListener> | undefined = undefined
  /** As which child it was started; undefined for all but those of distributed supervisors. */
  child: ChildIdentity | undefined = undefined
  /** Calls it took and has not answered. */
  deferred: Set<Call> | undefined = undefined
  timers: Set<Timer> | undefined = undefined

  addLink(other: Process): void {
    this.links ??= new Set()
    this.links.add(other)
  }

  addRemoteLink(link: RemoteLink): void {
    this.remoteLinks ??= new Map()
    this.remoteLinks.set(link.key, link)
  }

  addMonitor(monitor: Monitor): void {
    this.monitors ??= new Map()
    this.monitors.set(monitor.key, monitor)
  }

  addWatcher(monitor: Monitor): void {
    this.watchers ??= new Set()
    this.watchers.add(monitor)
  }

  addExitListener(listener: ExitListener): void {
    this.exitListeners ??= new Set()
    this.exitListeners.add(listener)
  }

  addDeferred(call: Call): void {
    this.deferred ??= new Set()
    this.deferred.add(call)
  }

  addTimer(timer: Timer): void {
    this.timers ??= new Set()
    this.timers.add(timer)
  }
}

export type ExitListener = (pid: Pid, reason: unknown) => void

/** What stands between senders and the mailbox of a process; most have none. */
export interface Detour {
  /** Takes an item that was to be put into the mailbox. False: not taken, and nothing was kept. */
  take(item: unknown, bytes: number): boolean
  /** Takes what waited in the mailbox when the detour was made. */
  pass?(item: unknown): void
  /** Takes what the runtime itself has to say. Without it that goes into the mailbox. */
  takeSystem?(item: unknown): void
  /** Takes exit signals. Without it the process gets them. */
  exitSignal?(from: Pid, reason: unknown, linked: boolean): void
  /** The process is to stop. Without it, it does. */
  stop?(): void
  /** Somebody monitors the process, or is linked to it, from now on. */
  watched?(): void
}

export interface SpawnOptions {
  /** A local name. Taken: `name_taken`. */
  name?: string | undefined
  /** Link to the spawning process, which becomes the parent. */
  link?: boolean | undefined
}

export const SPAWN_RULES: Rules<SpawnOptions> = { name: rule.name, link: rule.flag }

/** What only the runtime says about a process that it starts. */
export interface Destiny {
  /** It owns something from before its `init` on: it lives no longer than the lease of its node. */
  readonly isOwner?: boolean
  /** It is a child of a distributed supervisor. The epoch grows in place. */
  readonly child?: ChildIdentity | undefined
}

export interface CallOptions {
  /** 5,000 unless set. `Infinity`: as long as it takes. */
  timeoutMs?: number | undefined
  signal?: AbortSignal | undefined
}

export const CALL_RULES: Rules<CallOptions> = {
  timeoutMs: rule.milliseconds,
  signal: rule.abortSignal,
}

/** What the processes of a node ask of it. The kernel is the one that answers. */
export interface Host {
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  readonly contexts: Contexts
  readonly slowStarts: SlowStarts
  readonly log: Logger
  /** For the words of users, which may have many lines. */
  readonly userLog: Logger
  readonly notices: Notices<NoticeKind>
  enqueue(process: Process): void
  /** Gives an emptied mailbox back. */
  releaseMailbox(process: Process): void
  /** Never refused for want of room, except by the root process. */
  postSystem(process: Process, message: unknown): void
  bury(process: Process, reason: unknown): void
  /** It has ended, or ends now because the lease of its node has. Asked before it does anything. */
  isOver(process: Process): boolean
  bind(process: Process): object
  answer(call: Call, value: unknown, by: Process): void
  refuse(call: Call, error: CitadelError): void
  sayNo(call: Call, refusal: Refusal, by: Process): void

  spawn(
    parent: Process,
    what: unknown,
    args: readonly unknown[],
    options: SpawnOptions,
  ): Promise<Pid>
  call(
    owner: Process,
    to: Destination,
    method: unknown,
    args: readonly unknown[],
    options: CallOptions,
  ): Promise<unknown>
  cast(owner: Process, to: Destination, method: unknown, args: readonly unknown[]): boolean
  send(owner: Process, to: Destination, message: unknown): boolean
  reply(owner: Process, from: From, value: unknown): void
  reject(owner: Process, from: From, error: CitadelError | Refusal): void
  monitor(owner: Process, to: Destination): Ref
  demonitor(owner: Process, ref: Ref): boolean
  link(owner: Process, pid: Pid): void
  unlink(owner: Process, pid: Pid): void
  exit(from: Process, pid: Pid, reason: unknown): void
  isAlive(pid: Pid): boolean
  whereis(name: string): Pid | undefined
  registerName(name: string, pid: Pid): void
  unregisterName(name: string): boolean
  watchExit(pid: Pid, listener: ExitListener): (() => void) | undefined
}

/** Who waits for `spawn`, until `init` has returned. */
export interface Starting {
  resolve(pid: Pid): void
  reject(error: unknown): void
}

interface Leaving {
  reason: unknown
  /** Asked by the process itself: its present handler may finish, even when it is asynchronous. */
  byItself: boolean
}

export abstract class Process implements Runnable, CallOwner, CallHolder {
  queued = false
  trapExit = false
  /** It may act only while the node has its lease. Set by the fence, and only where there is a lease. */
  isOwner = false
  status: ProcessStatus = 'starting'
  /** Undefined whenever it is empty, except during a turn. */
  mailbox: Mailbox | undefined = undefined
  detour: Detour | undefined = undefined
  /** The call whose handler runs or is parked. */
  current: Call | undefined = undefined
  starting: Starting | undefined = undefined
  /** Its calls that are under way, and the last one of the present handler. */
  outstanding = 0
  outgoing: PendingCall | undefined = undefined
  /** A stop that waits for the handler on the stack. */
  leaving: Leaving | undefined = undefined
  #ties: ProcessTies | undefined = undefined
  #bound: object | undefined = undefined

  constructor(
    readonly host: Host,
    readonly pid: Pid,
  ) {}

  /** The name of its class, or what else it is. */
  abstract readonly kind: string
  abstract turn(): number

  get runnable(): boolean {
    return this.mailbox !== undefined && (this.status === 'ready' || this.status === 'moved')
  }

  get ended(): boolean {
    return this.status === 'ended'
  }

  get name(): string | undefined {
    return this.#ties?.name
  }

  get parent(): Pid | undefined {
    return this.#ties?.parent
  }

  /** The ties it has, or undefined if it never had any. */
  get knownTies(): ProcessTies | undefined {
    return this.#ties
  }

  get ties(): ProcessTies {
    this.#ties ??= new ProcessTies()
    return this.#ties
  }

  get bound(): object {
    this.#bound ??= this.host.bind(this)
    return this.#bound
  }

  get signal(): AbortSignal {
    const { ties } = this
    ties.controller ??= new AbortController()
    if (this.host.isOver(this)) ties.controller.abort()
    return ties.controller.signal
  }

  abort(): void {
    this.#ties?.controller?.abort()
  }

  hold(call: Call): void {
    call.holder = this
    this.ties.addDeferred(call)
  }

  forget(call: Call): void {
    this.#ties?.deferred?.delete(call)
  }

  /** An exit signal from `from`, by a broken link or by `exit(pid, reason)`. */
  exitSignal(from: Pid, reason: unknown, linked: boolean): void {
    if (this.ended) return
    if (this.detour?.exitSignal !== undefined) {
      this.detour.exitSignal(from, reason, linked)
      return
    }
    const byItself = !linked && from.equals(this.pid)
    if (!linked && reason === 'kill') this.host.bury(this, 'killed')
    else if (byItself) this.leave(reason, true)
    else if (this.trapExit) this.#trapped(from, reason)
    else if (reason !== 'normal') this.leave(reason, false)
  }

  #trapped(from: Pid, reason: unknown): void {
    if (this.status === 'stopping') return
    if (this.parent?.equals(from) === true) this.abort()
    this.host.postSystem(this, new Exit(from, reason))
  }

  /** Ends it as soon as its handler allows: a handler on the stack returns first. */
  leave(reason: unknown, byItself: boolean): void {
    if (this.status === 'stopping') return
    if (this.detour?.stop !== undefined) {
      this.detour.stop()
      return
    }
    const ownWish = byItself && this.status === 'parked' && this.finishesHandler
    if (this.status !== 'running' && !ownWish) {
      this.stop(reason)
      return
    }
    this.leaving ??= { reason, byItself }
    this.abort()
  }

  /** Whether a process that stops itself finishes the handler that said so. */
  protected get finishesHandler(): boolean {
    return false
  }

  /** No handler is on the stack. */
  protected stop(reason: unknown): void {
    this.host.bury(this, reason)
  }
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    value !== null &&
    typeof value === 'object' &&
    typeof (value as { then?: unknown }).then === 'function'
  )
}
