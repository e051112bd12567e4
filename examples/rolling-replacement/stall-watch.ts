/**
 * How long the event loop was kept from its timers at the worst. On a busy machine most of that can
 * be time in which other programs had the processor, or in which threads that collect garbage waited
 * for it, so beside it stands how long the program itself ran without a pause.
 */
import { openSync, readSync } from 'node:fs'
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'

export interface Stall {
  /** The longest wait of a timer beyond its time, in milliseconds. */
  readonly longestMs: number
  /** The most processor time that JavaScript's thread used between two timers in a row. */
  readonly ownMs: number
}

const RESOLUTION_MS = 1
const LOOK_EVERY_MS = 3
/** What Linux says of the thread that opens it: first, how many nanoseconds it has run. */
const THREAD = '/proc/thread-self/schedstat'

export class StallWatch {
  readonly #delays: IntervalHistogram
  readonly #thread = openThread()
  readonly #buffer = Buffer.alloc(64)
  #usedUs = 0
  #lookedAtMs = 0
  #ownMs = 0

  constructor() {
    this.#delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    this.#delays.enable()
    this.#lookedAtMs = performance.now()
    this.#usedUs = this.#processorTimeUs()
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

  #look(): void {
    const now = performance.now()
    const used = this.#processorTimeUs()
    const own = Math.min((used - this.#usedUs) / 1_000, now - this.#lookedAtMs)
    this.#ownMs = Math.max(this.#ownMs, own)
    this.#usedUs = used
    this.#lookedAtMs = now
  }

  /** Elsewhere than on Linux that of all threads. */
  #processorTimeUs(): number {
    if (this.#thread !== undefined) {
      const length = readSync(this.#thread, this.#buffer, 0, this.#buffer.length, 0)
      return Number.parseInt(this.#buffer.toString('latin1', 0, length), 10) / 1_000
    }
    const { user, system } = process.cpuUsage()
    return user + system
  }
}

function openThread(): number | undefined {
  try {
    return openSync(THREAD, 'r')
  } catch {
    return undefined
  }
}
