/**
 * What a process does that runs on another node now: it passes on what is sent to its old pid, in
 * order, as long as somebody may need that. A call goes on as a call of this node's own, so that
 * its answer comes back here and its caller, of whatever kind, notices nothing. Who watches the old
 * pid hears when the new process ends.
 */
import { describe } from '../base/describe.js'
import { reasonToWire } from '../process/exit-reason.js'
import { castTerm } from '../process/gen-protocol.js'
import { Merge } from '../process/merge.js'
import type { Detour, Process } from '../process/process.js'
import { Call, Cast, PendingCall } from '../process/request.js'
import { Down, Exit, Marker } from '../process/system-messages.js'
import type { Pid } from '../term/pid.js'
import type { Ref } from '../term/ref.js'
import type { Answers } from './answers.js'
import type { Calls } from './calls.js'
import type { Core } from './core.js'
import type { Links } from './links.js'
import type { Monitors } from './monitors.js'
import { signalWithReason } from './remote-reason.js'

export interface ForwardingParts {
  readonly core: Core
  readonly calls: Calls
  readonly answers: Answers
  readonly links: Links
  readonly monitors: Monitors
  bury(process: Process, reason: unknown): void
  /** To the new process, past all queues that drop. False: its node is not connected. */
  pass(to: Pid, message: unknown): boolean
  passMarker(to: Pid, node: string): void
  /** A call that was passed on has been answered, or the process has ended. */
  settled(): void
}

/** A call that was passed on is given up after this long, should it never be answered. */
const CALL_MS = 600_000
/** How long the old pid is of use after the last message to it. */
const IDLE_MS = 60_000

export class Forwarding implements Detour {
  readonly #parts: ForwardingParts
  /** Calls that were passed on and are not answered. */
  #unanswered = 0
  #usedAt: number
  #watches = false
  /** The monitor of the new process. */
  #watch: Ref | undefined

  constructor(
    readonly process: Process,
    readonly to: Pid,
    parts: ForwardingParts,
  ) {
    this.#parts = parts
    this.#usedAt = parts.core.clock.now()
  }

  /** Calls that somebody still waits for: passed on, waiting to be, or taken before the move. */
  get unanswered(): number {
    const { mailbox, knownTies } = this.process
    return this.#unanswered + (knownTies?.deferred?.size ?? 0) + (mailbox?.size ?? 0)
  }

  /** Whether the end of the old pid would be noticed by nobody. */
  isIdle(now: number): boolean {
    if (this.unanswered > 0 || this.#isWatched) return false
    return now - this.#usedAt >= IDLE_MS
  }

  get #isWatched(): boolean {
    const ties = this.process.knownTies
    if (ties === undefined) return false
    const { watchers, links, remoteLinks } = ties
    return (watchers?.size ?? 0) + (links?.size ?? 0) + (remoteLinks?.size ?? 0) > 0
  }

  /** The old process's own timers and monitors end; who watches it is told of the new one's end. */
  begin(): void {
    const { process } = this
    for (const timer of process.knownTies?.timers ?? []) timer.cancel()
    this.#parts.monitors.releaseAll(process)
    if (this.#isWatched) this.watched()
  }

  /** Somebody watches the old pid. */
  watched(): void {
    if (this.#watches) return
    this.#watches = true
    this.#watch = this.#parts.monitors.monitor(this.process, this.to)
  }

  take(item: unknown, bytes: number): boolean {
    const { process } = this
    // What waits goes first.
    if (process.mailbox !== undefined) return this.#parts.core.admit(process, item, bytes)
    this.pass(item)
    return true
  }

  pass(item: unknown): void {
    this.#usedAt = this.#parts.core.clock.now()
    if (item instanceof Marker) this.#parts.passMarker(this.to, item.node)
    else if (item instanceof Merge) item.moved(this.process.pid)
    else if (item instanceof PendingCall) this.#passOwnCall(item)
    else if (item instanceof Call) this.#passCall(item)
    // Of monitors and links of the old instance: the new one makes its own, and hears by them.
    else if (item instanceof Down || item instanceof Exit) return
    else this.#passMessage(item instanceof Cast ? castTerm(item) : item)
  }

  #passOwnCall(call: PendingCall): void {
    if (call.answered) return
    this.#unanswered++
    const before = call.cleanUp
    call.cleanUp = () => {
      before?.()
      this.#answered()
    }
    this.#sendCall(call)
  }

  #passCall(call: Call): void {
    const { answers, calls } = this.#parts
    this.#unanswered++
    const made = calls.inStead(call, CALL_MS, {
      resolve: (value) => answers.answer(call, value),
      reject: (error) => answers.failed(call, error),
    })
    made.cleanUp = () => this.#answered()
    this.#sendCall(made)
  }

  #sendCall(call: PendingCall): void {
    this.#parts.calls.passOn(call, this.to, (term) => this.#parts.pass(this.to, term))
  }

  #answered(): void {
    this.#unanswered--
    this.#parts.settled()
  }

  /** What cannot cross a wire was sent to a process that was here: all that is left is to say so. */
  #passMessage(message: unknown): void {
    try {
      this.#parts.pass(this.to, message)
    } catch (error) {
      const sentence = `a message to ${this.process.pid}, which has moved, was lost`
      this.#parts.core.log.warn(`${sentence}: ${describe(error)}`)
    }
  }

  /** The new process has ended, or its node is lost. What else comes meant the old instance. */
  takeSystem(item: unknown): void {
    if (!(item instanceof Down) || !this.#watches) return
    // Not by its pid: the new process may have moved on, too. It may be gone before the monitor is made.
    if (this.#watch === undefined || item.ref.equals(this.#watch)) this.#end(item.reason)
  }

  exitSignal(_from: Pid, reason: unknown, linked: boolean): void {
    if (linked && reason === 'normal') return
    // In its own name: a node speaks for its own processes only.
    const { pid } = this.process
    const signal = { type: 'exit2', from: pid, to: this.to, reason: reasonToWire(reason) } as const
    signalWithReason(this.#parts.core.router, this.to.node, signal)
  }

  /** The old pid is not needed any more, or its node stops: who watches it is told where to look. */
  stop(): void {
    this.#parts.links.dissolve(this.process)
    this.#end({ moved: this.to })
  }

  #end(reason: unknown): void {
    this.#parts.bury(this.process, reason)
    this.#parts.settled()
  }
}
