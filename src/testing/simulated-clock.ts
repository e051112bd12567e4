/**
 * A program's own view of virtual time: it starts at a point of its own, may run a little fast or
 * slow, and its wall clock may be wrong. Nothing may compare `now()` of two programs.
 */
import type { Clock, Timer } from '../base/clock.js'
import type { EventOwner } from './event-queue.js'
import { TICK_MS, type Timeline } from './timeline.js'
import { label } from './trace.js'

/** An arbitrary moment for wall clocks to start from. */
const WALL_START_MS = 1_700_000_000_000

export interface SimulatedClockOptions {
  /** How fast it runs: 1.01 gains one percent. */
  rate?: number
  /** What `now()` answers at first. */
  startMs?: number
  /** How wrong the wall clock is. */
  skewMs?: number
}

export class SimulatedClock implements Clock {
  readonly #timeline: Timeline
  readonly #owner: EventOwner
  readonly #timerLabel
  readonly #soonLabel
  #rate: number
  #skewMs: number
  /** Where the present rate began: in virtual time, and on this clock. */
  #virtualBase: number
  #localBase: number

  constructor(
    timeline: Timeline,
    owner: EventOwner,
    name: string,
    options: SimulatedClockOptions = {},
  ) {
    this.#timeline = timeline
    this.#owner = owner
    this.#timerLabel = label(`${name} timer`)
    this.#soonLabel = label(`${name} soon`)
    this.#rate = options.rate ?? 1
    this.#skewMs = options.skewMs ?? 0
    this.#virtualBase = timeline.now
    this.#localBase = options.startMs ?? 0
  }

  now(): number {
    return this.#localAt(this.#timeline.now)
  }

  wallTime(): number {
    return Math.floor(WALL_START_MS + this.#skewMs + this.#timeline.now)
  }

  after(delayMs: number, task: () => void): Timer {
    const wait = Math.max(delayMs, TICK_MS)
    const due = this.now() + wait
    let delay = wait / this.#rate
    // Rounding must not make a timer early by this clock's own reading.
    while (this.#localAt(this.#timeline.now + delay) < due) delay += TICK_MS
    const event = this.#timeline.schedule(delay, task, this.#timerLabel, this.#owner, true)
    return { cancel: () => this.#timeline.cancel(event) }
  }

  /** Takes one tick, so that a program that never rests still lets time pass. */
  soon(task: () => void): void {
    this.#timeline.schedule(TICK_MS, task, this.#soonLabel, this.#owner)
  }

  /** From now on runs at `rate`. Timers already set keep their moment. */
  setRate(rate: number): void {
    this.#localBase = this.now()
    this.#virtualBase = this.#timeline.now
    this.#rate = rate
  }

  /** The wall clock jumps; `now()` does not. */
  setSkew(skewMs: number): void {
    this.#skewMs = skewMs
  }

  #localAt(virtual: number): number {
    return this.#localBase + (virtual - this.#virtualBase) * this.#rate
  }
}
