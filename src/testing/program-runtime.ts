/**
 * What runs the code of one simulated program: its clock, and whether it is alive, stalled (as by
 * SIGSTOP or a long garbage collection) or gone. Nothing of a stalled program runs before it wakes,
 * and then its timers come first, as in Node.js.
 */
import type { EventOwner, SimulatedEvent } from './event-queue.js'
import { SimulatedClock, type SimulatedClockOptions } from './simulated-clock.js'
import type { Timeline } from './timeline.js'
import { type Label, label } from './trace.js'

export class ProgramRuntime implements EventOwner {
  readonly name: string
  readonly clock: SimulatedClock
  readonly #timeline: Timeline
  readonly #wakeLabel: Label
  #alive = true
  #stalledUntil = 0
  #deferred: SimulatedEvent[] = []

  constructor(timeline: Timeline, name: string, options: SimulatedClockOptions = {}) {
    this.name = name
    this.#timeline = timeline
    this.#wakeLabel = label(`${name} wakes`)
    this.clock = new SimulatedClock(timeline, this, name, options)
  }

  get alive(): boolean {
    return this.#alive
  }

  get stalledUntil(): number {
    return this.#stalledUntil
  }

  get stalled(): boolean {
    return this.#stalledUntil > this.#timeline.now
  }

  /** Runs nothing of this program for `ms`. The kernel below it goes on taking in bytes. */
  stall(ms: number): void {
    const until = this.#timeline.now + ms
    if (until <= this.#stalledUntil) return
    const wake = this.#timeline.schedule(ms, () => this.#wake(), this.#wakeLabel)
    this.#stalledUntil = wake.at
  }

  /** Nothing of it runs ever again. */
  end(): void {
    this.#alive = false
    this.#deferred = []
  }

  defer(event: SimulatedEvent): void {
    this.#deferred.push(event)
  }

  /** Runs `task` in this program: at once, or when it wakes. */
  run(task: () => void, what: Label): void {
    if (!this.#alive) return
    if (this.stalled || this.#deferred.length > 0) this.later(task, what)
    else task()
  }

  /** Runs `task` in this program as an event of its own. */
  later(task: () => void, what: Label): void {
    this.#timeline.schedule(0, task, what, this)
  }

  #wake(): void {
    if (this.stalled) return
    const waiting = this.#deferred
    this.#deferred = []
    for (const event of waiting) if (event.isTimer) this.#timeline.resume(event)
    for (const event of waiting) if (!event.isTimer) this.#timeline.resume(event)
  }
}
