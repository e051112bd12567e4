/**
 * So many calls a second, each to a child picked at random, and a log of what was acknowledged. A
 * call is due at its time whether or not those before it were answered, and its latency counts from
 * then: a cluster that stands still for a second shows it in a thousand latencies, not in one.
 */
import { createHistogram } from 'node:perf_hooks'

export interface Latency {
  readonly calls: number
  readonly failed: number
  /** In milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** Answers how often the child has been called, this time included. */
export type CallChild = (id: number) => Promise<number>

const TICK_MS = 1
const REASONS_MAX = 20

export class Load {
  /** Per child: answered calls, the sum of the answers, the greatest answer. */
  readonly #acknowledged: Uint32Array
  readonly #sums: Float64Array
  readonly #tops: Uint32Array
  readonly #all = createHistogram()
  #recent = createHistogram()
  #recentFailed = 0
  #failed = 0
  #underway = 0
  readonly #reasons = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #idle: (() => void) | undefined

  constructor(
    private readonly children: number,
    private readonly call: CallChild,
  ) {
    this.#acknowledged = new Uint32Array(children)
    this.#sums = new Float64Array(children)
    this.#tops = new Uint32Array(children)
  }

  start(rate: number): void {
    const startedAt = performance.now()
    let made = 0
    this.#timer = setInterval(() => {
      const due = ((performance.now() - startedAt) / 1_000) * rate
      for (; made < due; made++) void this.#one(startedAt + (made / rate) * 1_000)
    }, TICK_MS)
  }

  /** Resolves when every call has been answered or has failed. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    if (this.#underway > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
  }

  /** Since the last time it was asked. */
  recent(): Latency {
    const latency = toLatency(this.#recent, this.#recentFailed)
    this.#recent = createHistogram()
    this.#recentFailed = 0
    return latency
  }

  all(): Latency {
    return toLatency(this.#all, this.#failed)
  }

  /** Why calls failed, and how often. */
  reasons(): [reason: string, count: number][] {
    return [...this.#reasons]
  }

  acknowledged(id: number): number {
    return this.#acknowledged[id]!
  }

  /** Whether the child has answered 1, 2, 3 and so on, each of them once: none twice, none left out. */
  isSequence(id: number): boolean {
    const count = this.#acknowledged[id]!
    return this.#tops[id] === count && this.#sums[id] === (count * (count + 1)) / 2
  }

  async #one(dueAt: number): Promise<void> {
    const id = Math.floor(Math.random() * this.children)
    this.#underway++
    try {
      const answer = await this.call(id)
      this.#acknowledged[id]!++
      this.#sums[id]! += answer
      this.#tops[id] = Math.max(this.#tops[id]!, answer)
      const us = Math.max(1, Math.round((performance.now() - dueAt) * 1_000))
      this.#all.record(us)
      this.#recent.record(us)
    } catch (error) {
      this.#failure(id, error)
    }
    if (--this.#underway === 0) this.#idle?.()
  }

  #failure(id: number, error: unknown): void {
    this.#failed++
    this.#recentFailed++
    const code = (error as { code?: string }).code ?? 'error'
    const reason = `child ${id}: ${code}: ${error instanceof Error ? error.message : String(error)}`
    const known = this.#reasons.get(reason)
    if (known !== undefined || this.#reasons.size < REASONS_MAX) {
      this.#reasons.set(reason, (known ?? 0) + 1)
    }
  }
}

function toLatency(histogram: ReturnType<typeof createHistogram>, failed: number): Latency {
  const { count } = histogram
  const ms = (us: number): number => (count === 0 ? 0 : us / 1_000)
  return {
    calls: count,
    failed,
    p50: ms(histogram.percentile(50)),
    p99: ms(histogram.percentile(99)),
    max: ms(histogram.max),
  }
}
