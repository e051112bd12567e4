/**
 * Lets so many pieces of work begin in one turn of the event loop and the rest in later turns, a few
 * milliseconds at a time, in order: a hundred thousand registrations made in one loop must not keep
 * sockets and timers waiting until all of them are through.
 */
import type { Clock } from '../../base/clock.js'

const STARTS_PER_TURN = 200
const SLICE_MS = 4
/** How often the clock is looked at. */
const CHECK_EVERY = 16

export class PacedStarts {
  private begun = 0
  /** When this turn's share of time is used up. */
  private until = 0
  /** Those from `next` on wait. */
  private queue: (() => void)[] = []
  private next = 0
  private armed = false

  constructor(private readonly clock: Clock) {}

  /** Runs `start` now, or after all that wait already. */
  run(start: () => void): void {
    this.arm()
    if (this.next < this.queue.length || this.isUsedUp) {
      this.queue.push(start)
      return
    }
    this.begun++
    start()
  }

  private get isUsedUp(): boolean {
    if (this.begun >= STARTS_PER_TURN) return true
    return this.begun % CHECK_EVERY === CHECK_EVERY - 1 && this.clock.now() >= this.until
  }

  private arm(): void {
    if (this.armed) return
    this.armed = true
    this.until = this.clock.now() + SLICE_MS
    this.clock.soon(() => this.nextTurn())
  }

  private nextTurn(): void {
    this.armed = false
    this.begun = 0
    if (this.queue.length === 0) return
    const until = this.clock.now() + SLICE_MS
    for (let done = 1; this.next < this.queue.length; done++) {
      this.queue[this.next++]!()
      if (done % CHECK_EVERY === 0 && this.clock.now() >= until) break
    }
    if (this.next < this.queue.length) return this.arm()
    this.queue = []
    this.next = 0
  }
}
