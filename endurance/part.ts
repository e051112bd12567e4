/** What a part of the endurance program is: real nodes, one kind of fault for long, what came of it. */
import type { SeededRandom } from '../src/testing/seeded-random.js'
import type { ArbiterOption } from '../test/support/network-cluster.js'

export interface PartContext {
  /** How long to go on; what the part does by itself unless given. */
  readonly minutes: number | undefined
  readonly chance: SeededRandom
  /** Who decides about keys; the default of Citadel unless given. */
  readonly arbiter?: ArbiterOption
  /** Progress, for whoever waits. */
  say(text: string): void
}

export interface PartResult {
  /** What was measured, in words: `deaths`, `30`. */
  readonly figures: readonly (readonly [name: string, value: string])[]
  /** What must not be; empty: all is well. */
  readonly violations: readonly string[]
}

export interface Part {
  readonly name: string
  readonly description: string
  /** Why it cannot run on this machine; undefined: it can. */
  missing(): string | undefined
  run(context: PartContext): Promise<PartResult>
}

/** The middle and the extremes of what was measured, in whole milliseconds. */
export function spread(values: readonly number[]): string {
  if (values.length === 0) return 'none'
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) => Math.round(sorted[Math.floor(share * (sorted.length - 1))]!)
  return `${at(0)} / ${at(0.5)} / ${at(1)} ms`
}
