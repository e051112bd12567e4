/**
 * A clock that only moves when told, for tests of deadlines and timers. `advance` fires what is due
 * in order, and lets promises settle after each, so that a test reads like a story.
 */
import type { Clock, Timer } from '../../src/base/clock.js'

interface Due {
  at: number
  task: () => void
}

export class ManualClock implements Clock {
  #now = 1_000
  #due: Due[] = []
  #soon: (() => void)[] = []

  now(): number {
    return this.#now
  }

  wallTime(): number {
    return 1_700_000_000_000 + this.#now
  }

  after(delayMs: number, task: () => void): Timer {
    const due = { at: this.#now + Math.max(0, delayMs), task }
    this.#due.push(due)
    return { cancel: () => this.#forget(due) }
  }

  #forget(due: Due): void {
    this.#due = this.#due.filter((other) => other !== due)
  }

  soon(task: () => void): void {
    this.#soon.push(task)
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#due.length
  }

  /** Time passes without anything being served: what a frozen program sees. */
  jump(ms: number): void {
    this.#now += ms
  }

  /** Runs everything that is due now. */
  async settle(): Promise<void> {
    for (let rounds = 0; rounds < 1_000; rounds++) {
      await new Promise((resolve) => setImmediate(resolve))
      if (this.#soon.length === 0) return
      for (const task of this.#soon.splice(0)) task()
    }
    throw new Error('the processes never come to rest')
  }

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await this.settle()
    for (;;) {
      const next = this.#due.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.#now = Math.max(this.#now, next.at)
      this.#forget(next)
      next.task()
      await this.settle()
    }
    this.#now = end
    await this.settle()
  }
}
