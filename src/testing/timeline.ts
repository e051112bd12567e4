/**
 * Virtual time and what happens in it. Time only moves from one event to the next, and an event
 * takes no time of its own. Events of a stalled program wait with it; events of a dead one vanish.
 */
import { type EventOwner, EventQueue, type SimulatedEvent } from './event-queue.js'
import { type Label, TICKS_PER_MS, type Trace } from './trace.js'

/** Rounds up to the grid of the timeline. */
const onGrid = (ms: number): number => Math.ceil(ms * TICKS_PER_MS) / TICKS_PER_MS

/** The shortest time there is. */
export const TICK_MS = 1 / TICKS_PER_MS

/** So many events at one moment are a loop: something is due again as soon as it was done. */
const STILL_MAX = 1_000_000

export class Timeline {
  readonly trace: Trace
  readonly #queue = new EventQueue()
  #now = 0
  #order = 0
  /** Events since time has moved. */
  #still = 0

  constructor(trace: Trace) {
    this.trace = trace
  }

  /** Virtual milliseconds since the world began. */
  get now(): number {
    return this.#now
  }

  /** Events that wait. */
  get size(): number {
    return this.#queue.size
  }

  schedule(
    delayMs: number,
    task: () => void,
    label: Label,
    owner?: EventOwner,
    isTimer = false,
  ): SimulatedEvent {
    const at = onGrid(this.#now + Math.max(0, delayMs))
    const event = { at, order: this.#order++, task, label, owner, isTimer, queued: true }
    this.#queue.push(event)
    return event
  }

  /** Puts back an event that waited with its stalled owner: due now, after what is due already. */
  resume(event: SimulatedEvent): void {
    if (event.task === undefined) return
    event.at = this.#now
    event.order = this.#order++
    this.#queue.push(event)
  }

  cancel(event: SimulatedEvent): void {
    this.#queue.cancel(event)
  }

  /** When the next event is due. */
  nextAt(): number | undefined {
    return this.#queue.peek()?.at
  }

  /** Lets time pass without an event. */
  advanceTo(at: number): void {
    if (at > this.#now) this.#now = at
  }

  /** Carries out the next event. False: there is none. */
  step(): boolean {
    const event = this.#queue.pop()
    if (event === undefined) return false
    this.#still = event.at > this.#now ? 0 : this.#still + 1
    if (this.#still > STILL_MAX) throw new Error(`time stands still at ${this.#now} ms`)
    this.advanceTo(event.at)
    this.#carryOut(event)
    return true
  }

  #carryOut(event: SimulatedEvent): void {
    const { owner, task } = event
    if (owner !== undefined && !owner.alive) return
    if (owner !== undefined && owner.stalledUntil > this.#now) {
      owner.defer(event)
      return
    }
    event.task = undefined
    this.trace.event(this.#now, event.label)
    task?.()
  }
}
