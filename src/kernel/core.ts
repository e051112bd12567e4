/**
 * What the parts of a kernel share: identity, clock, table, queue and the one way into a mailbox.
 * Here is also the answer to "which process is meant": pid, name, key or handle.
 */
import type { Clock } from '../base/clock.js'
import { describe } from '../base/describe.js'
import { thrown } from '../base/error-text.js'
import { CitadelError } from '../base/errors.js'
import type { Logger } from '../base/log.js'
import type { Random } from '../base/random.js'
import { Contexts } from '../process/contexts.js'
import {
  type ByKey,
  type Destination,
  type Resolvable,
  resolvePid,
} from '../process/destination.js'
import { type Mailbox, MailboxPool } from '../process/mailbox.js'
import { Notices } from '../process/notices.js'
import type { NoticeKind, Process } from '../process/process.js'
import { type Runnable, Scheduler } from '../process/scheduler.js'
import type { Target } from '../process/signal.js'
import { TermCodec } from '../term/codec.js'
import { Pid } from '../term/pid.js'
import { Ref } from '../term/ref.js'
import type { Fence } from './fence.js'
import { ProcessTable } from './process-table.js'
import { Redirects } from './redirects.js'
import type { Router, Source } from './router.js'

export interface CoreOptions {
  name: string
  creation: () => number
  clock: Clock
  random: Random
  log: Logger
  router: Router
  strictMessages: boolean
  mailboxMax: number
  mailboxMaxBytes: number
  resolveKey: ((key: unknown) => Pid | undefined) | undefined
  beforeRun: ((now: number) => void) | undefined
  /** Never throws. */
  turnFailed(process: Runnable | undefined, error: unknown): void
  fence: Fence
}

/** A name handled by the node itself, synchronously, in the order of the stream. */
export type Endpoint = (message: unknown, from: Pid, source?: Source) => void

/** Where a destination leads, decided now. */
export type Route =
  | { process: Process }
  | { endpoint: Endpoint }
  | { node: string; target: Target }
  | { later: Promise<Pid | undefined> }
  | undefined

const WORD_0 = 2 ** 18
const WORD_1 = 2 ** 32

export class Core {
  readonly name: string
  readonly clock: Clock
  readonly log: Logger
  readonly router: Router
  readonly strict: boolean
  readonly mailboxMax: number
  readonly mailboxMaxBytes: number
  readonly table: ProcessTable
  readonly scheduler: Scheduler
  readonly notices: Notices<NoticeKind>
  readonly endpoints = new Map<string, Endpoint>()
  readonly fence: Fence
  readonly contexts = new Contexts()
  /** Where processes have moved to. */
  readonly redirects = new Redirects()
  /** For strictMessages: a value as another node would get it. Throws `unserializable`. */
  readonly codec = new TermCodec()
  /** Acts for the node itself; set once by the kernel. */
  root!: Process
  readonly #creation: () => number
  readonly #resolveKey: ((key: unknown) => Pid | undefined) | undefined
  readonly #mailboxes = new MailboxPool()
  /** What the next reference counts on from. */
  #refs: number

  constructor(options: CoreOptions) {
    this.name = options.name
    this.clock = options.clock
    this.log = options.log
    this.router = options.router
    this.strict = options.strictMessages
    this.mailboxMax = options.mailboxMax
    this.mailboxMaxBytes = options.mailboxMaxBytes
    this.fence = options.fence
    this.#creation = options.creation
    this.#refs = firstOf(options.random)
    this.#resolveKey = options.resolveKey
    this.table = new ProcessTable(options.name, options.creation)
    this.scheduler = new Scheduler({
      clock: options.clock,
      contexts: this.contexts,
      beforeRun: options.beforeRun,
      failed: options.turnFailed,
    })
    this.notices = new Notices(SENTENCES, options.clock, options.log)
  }

  /** Erlang reads 18 bits of the first word and 32 of the others. */
  newRef(): Ref {
    const n = ++this.#refs
    const words = [n % WORD_0, Math.floor(n / WORD_0) % WORD_1, Math.floor(n / WORD_0 / WORD_1)]
    return new Ref(this.name, this.#creation(), words)
  }

  /** The number under which a reference of this start is kept; a text for any other. */
  keyOf(ref: Ref): number | string {
    const { words } = ref
    const isOurs = ref.node === this.name && ref.creation === this.#creation()
    if (!isOurs || words.length !== 3 || words[0]! >= WORD_0) return ref.toString()
    return words[0]! + WORD_0 * (words[1]! + WORD_1 * words[2]!)
  }

  /** It has ended, or ends now because the lease has. Asked before it does anything. */
  isOver(process: Process): boolean {
    return process.status === 'ended' || (process.isOwner && !this.fence.holds(process))
  }

  /**
   * Puts an item into a mailbox; `bytes`: what it took on its way from another node. False: ended
   * or full, and nothing was put.
   */
  post(process: Process, item: unknown, bytes = 0): boolean {
    const { detour } = process
    return detour === undefined ? this.admit(process, item, bytes) : detour.take(item, bytes)
  }

  /** The same past any detour. */
  admit(process: Process, item: unknown, bytes = 0): boolean {
    const { mailbox } = process
    if (mailbox !== undefined && this.#isFull(mailbox, bytes)) return false
    this.#put(process, item, bytes)
    return true
  }

  /** One message of any size has room where there is none of other nodes. */
  #isFull(mailbox: Mailbox, bytes: number): boolean {
    if (mailbox.size >= this.mailboxMax) return true
    return bytes > 0 && mailbox.bytes > 0 && mailbox.bytes + bytes > this.mailboxMaxBytes
  }

  /** Room for a message of another node of so many bytes. */
  hasRoom(process: Process, bytes: number): boolean {
    return process.mailbox === undefined || !this.#isFull(process.mailbox, bytes)
  }

  /** Exits, downs and replies always find room, but in the mailbox that perhaps nobody reads. */
  postSystem(process: Process, item: unknown): void {
    if (process.status === 'ended') return
    if (process.detour?.takeSystem !== undefined) process.detour.takeSystem(item)
    else if (process === this.root) {
      if (!this.post(process, item)) this.notices.note('mailboxFull', process)
    } else this.#put(process, item)
  }

  #put(process: Process, item: unknown, bytes = 0): void {
    let { mailbox } = process
    if (mailbox === undefined) {
      mailbox = this.#mailboxes.take()
      process.mailbox = mailbox
    }
    mailbox.push(item, bytes)
    if (process.queued) return
    if (process.status === 'ready' || process.status === 'moved') this.scheduler.enqueue(process)
  }

  releaseMailbox(process: Process): void {
    const { mailbox } = process
    if (mailbox === undefined) return
    process.mailbox = undefined
    this.#mailboxes.giveBack(mailbox)
  }

  /** Undefined: nobody there. Throws `bad_argument` for what is no destination. */
  route(to: Destination): Route {
    if (to instanceof Pid) return this.#routePid(to)
    if (typeof to === 'string') return this.routeName(to)
    if (to === null || typeof to !== 'object') throw notADestination(to)
    if (resolvePid in to) return this.#routeHandle(to)
    if ('node' in to && 'name' in to) {
      return to.node === this.name ? this.routeName(to.name) : { node: to.node, target: to }
    }
    if ('key' in to) return this.#routeKey(to)
    throw notADestination(to)
  }

  #routePid(pid: Pid): Route {
    const to = this.redirects.of(pid)
    if (to !== undefined && this.#isGoneHere(pid, to)) return this.#routePid(to)
    if (pid.node !== this.name) return { node: pid.node, target: pid }
    const process = this.table.find(pid)
    return process && { process }
  }

  /**
   * A process that has moved away from here is a forwarder, which keeps the order, until it ends, or
   * until its successor has moved on: then other addresses lead past it, and so must its pid.
   */
  #isGoneHere(pid: Pid, to: Pid): boolean {
    const process = pid.node === this.name ? this.table.find(pid) : undefined
    if (process === undefined) return true
    const isForwarding = process.status === 'moved' && process.mailbox === undefined
    return isForwarding && this.redirects.next(pid)?.equals(to) !== true
  }

  routeName(name: string): Route {
    const process = this.table.named(name)
    if (process !== undefined) return { process }
    const endpoint = this.endpoints.get(name)
    return endpoint && { endpoint }
  }

  #routeHandle(handle: Resolvable): Route {
    const found = handle[resolvePid]()
    if (found === undefined) return undefined
    return found instanceof Pid ? this.#routePid(found) : { later: found }
  }

  #routeKey(to: ByKey): Route {
    const pid = this.#resolveKey?.(to.key)
    return pid && this.#routePid(pid)
  }
}

/** 48 bits by chance, as in Erlang: nobody can guess a reference, and those of two starts differ. */
const firstOf = (random: Random): number => random.uint32() * 2 ** 16 + (random.uint32() >>> 16)

const SENTENCES = {
  mailboxFull: (process: unknown) =>
    `the mailbox of ${label(process)} is full: messages to it are dropped until it catches up`,
  unknownCast: (process: unknown, method: unknown) =>
    `${label(process)} was cast '${describe(method)}', which it does not have: ignored`,
  unexpectedMessage: (process: unknown) =>
    `${label(process)} got a message but has no handleInfo: ignored`,
  lateFailure: (process: unknown, error: unknown) =>
    `a handler of ${label(process)} ${thrown(error)}, after its process had ended`,
  exitRefused: (process: unknown, from: unknown) =>
    `${from} was to end ${label(process)}, which is part of the runtime: ignored`,
}

function label(process: unknown): string {
  const { pid, kind } = process as Process
  return `${pid} ${kind}`
}

function notADestination(to: unknown): CitadelError {
  const sentence = `a destination is a pid, a name, { name, node }, { key } or a handle, not ${typeof to}`
  return new CitadelError('bad_argument', sentence)
}
