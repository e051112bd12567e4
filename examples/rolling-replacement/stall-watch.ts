/**
 * How long the event loop was kept from its timers at the worst. On a busy machine most of that can
 * be time in which other programs had the processor, so beside it stands how much of the processor
 * this program itself used in its worst stretch.
 */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'

export interface Stall {
  /** The longest wait of a timer beyond its time, in milliseconds. */
  readonly longestMs: number
  /** The most processor time that was used between two timers in a row. */
  readonly ownMs: number
}

const RESOLUTION_MS = 1
const LOOK_EVERY_MS = 2

export class StallWatch {
  readonly #delays: IntervalHistogram
  #usedUs = 0
  #lookedAtMs = 0
  #ownMs = 0

  constructor() {
    this.#delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    this.#delays.enable()
    this.#lookedAtMs = performance.now()
    this.#usedUs = processorTimeUs()
    setInterval(() => this.#look(), LOOK_EVERY_MS).unref()
  }

  /** The worst since the last call. */
  take(): Stall {
    this.#look()
    const stall = {
      longestMs: Math.max(0, this.#delays.max / 1e6 - RESOLUTION_MS),
      ownMs: this.#ownMs,
    }
    this.#delays.reset()
    this.#ownMs = 0
    return stall
  }

  /** Threads that collect garbage count as well, but no stretch is longer than it took. */
  #look(): void {
    const now = performance.now()
    const used = processorTimeUs()
    const own = Math.min((used - this.#usedUs) / 1_000, now - this.#lookedAtMs)
    this.#ownMs = Math.max(this.#ownMs, own)
    this.#usedUs = used
    this.#lookedAtMs = now
  }
}

function processorTimeUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
