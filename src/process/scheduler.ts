/**
 * The run queue of a node: processes with something to do, first come first served. A process takes
 * at most 64 messages per turn; a run of the queue lasts about 5 ms, then sockets and timers get
 * their chance. The first arming is a microtask, for the sake of a single call's latency, but
 * microtasks that keep arming each other are bounded in the same way.
 */
import type { Clock } from '../base/clock.js'
import type { Contexts } from './contexts.js'

export const MESSAGES_PER_TURN = 64
const RUN_MS = 5
/** Also a bound in messages, since under a virtual clock no time passes during a run. */
const MESSAGES_PER_RUN = 65_536
const MESSAGES_PER_CLOCK_LOOK = 32
const MICROTASK_RUNS_MAX = 4_096

export interface Runnable {
  /** True while it waits in the run queue; owned by the scheduler. */
  queued: boolean
  /** Takes some messages and answers how many. */
  turn(): number
  /** Asked after a turn: is there more to do? */
  readonly runnable: boolean
}

/** What a scheduler calls that is not its own, and who hears when that fails. */
export interface SchedulerParts {
  clock: Clock
  contexts: Contexts
  /** Called before mailboxes are served, with the time. */
  beforeRun?: ((now: number) => void) | undefined
  /** A turn has thrown, which is a fault of ours; without a process it was `beforeRun`. Never throws. */
  failed(process: Runnable | undefined, error: unknown): void
}

export class Scheduler {
  /** Messages taken since the node started. */
  messages = 0
  readonly #parts: SchedulerParts
  readonly #clock: Clock
  /** A ring, as in mailbox.ts, but typed and never shrunk. */
  #queue: (Runnable | undefined)[] = new Array(64).fill(undefined)
  #head = 0
  #size = 0
  #armed = false
  /** Whose turn it is, or was. */
  #current: Runnable | undefined
  /** When the present burst of microtask runs began, and how many there were. */
  #burstStart = 0
  #burstRuns = MICROTASK_RUNS_MAX
  readonly #settled = Promise.resolve()
  readonly #run = () => {
    if (this.#parts.contexts.inUse) this.#drainAtStart()
    else this.#drain()
  }
  readonly #serve = () => this.#drain()

  constructor(parts: SchedulerParts) {
    this.#parts = parts
    this.#clock = parts.clock
    this.#burstRuns = 0
  }

  enqueue(process: Runnable): void {
    if (process.queued) return
    process.queued = true
    if (this.#size === this.#queue.length) this.#grow()
    this.#queue[(this.#head + this.#size) & (this.#queue.length - 1)] = process
    this.#size++
    if (!this.#armed) this.#arm()
  }

  #arm(): void {
    this.#armed = true
    if (this.#burstRuns >= MICROTASK_RUNS_MAX) this.#clock.soon(this.#startBurst)
    else this.#parts.contexts.look(this.#settled.then(this.#run))
  }

  readonly #startBurst = () => {
    this.#burstRuns = 0
    if (this.#parts.contexts.inUse) this.#drainAtStart()
    else this.#drain()
  }

  /** Not in the context of whoever happened to arm the run. */
  #drainAtStart(): void {
    this.#parts.contexts.ofStart().runInAsyncScope(this.#serve)
  }

  #drain(): void {
    const start = this.#clock.now()
    if (this.#burstRuns++ === 0) this.#burstStart = start
    let exhausted = true
    try {
      this.#parts.beforeRun?.(start)
      exhausted = this.#takeTurns(start)
    } catch (error) {
      this.#failed(error)
    }
    if (this.#size > 0) {
      this.#clock.soon(this.#startBurst)
      return
    }
    this.#armed = false
    if (exhausted) this.#burstRuns = MICROTASK_RUNS_MAX
  }

  /** The others in the queue are served in a run of their own. */
  #failed(error: unknown): void {
    const process = this.#current
    this.#current = undefined
    this.#parts.failed(process, error)
  }

  /** True when the time of this burst is used up. */
  #takeTurns(start: number): boolean {
    let taken = 0
    let untilLook = MESSAGES_PER_CLOCK_LOOK
    // A burst that began long ago was most likely interrupted by idle time: one look decides.
    let exhausted = start - this.#burstStart >= RUN_MS
    while (this.#size > 0) {
      const count = this.#turnOfNext()
      taken += count
      untilLook -= count + 1
      if (untilLook > 0) continue
      untilLook = MESSAGES_PER_CLOCK_LOOK
      if (this.#clock.now() - start >= RUN_MS || taken >= MESSAGES_PER_RUN) {
        exhausted = true
        break
      }
    }
    this.#current = undefined
    this.messages += taken
    return exhausted
  }

  #turnOfNext(): number {
    const process = this.#queue[this.#head]!
    this.#queue[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#queue.length - 1)
    this.#size--
    process.queued = false
    this.#current = process
    const count = process.turn()
    if (process.runnable) this.enqueue(process)
    return count
  }

  #grow(): void {
    const old = this.#queue
    const queue = new Array(old.length * 2).fill(undefined)
    for (let i = 0; i < this.#size; i++) queue[i] = old[(this.#head + i) & (old.length - 1)]
    this.#queue = queue
    this.#head = 0
  }
}
