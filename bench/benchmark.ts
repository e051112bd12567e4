/**
 * What a benchmark is: two clusters, ours and Erlang's, and figures that both are asked for. A
 * command goes to the first node of its side and answers with a number.
 */
export type Command = readonly [name: string, ...args: (number | string)[]]

/** One side: so many OS processes on loopback, prepared by these commands. */
export interface Side {
  readonly nodes: number
  /** On every node, before `setup` on the first. */
  readonly setupEach?: readonly Command[]
  readonly setup?: readonly Command[]
}

export interface Figure {
  readonly name: string
  readonly unit: '/s' | 'ms' | 'us' | 'ns' | 'bytes'
  readonly ours: Command
  readonly erlang?: Command
  /** What Erlang was asked for, in its own words. */
  readonly yardstick?: string
  /** How many times better than Erlang this must be. */
  readonly target?: number
  /** What this must reach where Erlang has nothing like it. */
  readonly goal?: number
  /** At most so many rounds, where a figure hardly varies or takes long. */
  readonly roundsMax?: number
}

export interface Benchmark {
  readonly name: string
  readonly ours: Side
  readonly erlang?: Side
  /** Each round breaks our cluster, so each gets a new one; all figures are asked of it, in order. */
  readonly fresh?: boolean
  readonly figures: readonly Figure[]
}

/** Rates are better when higher, times and sizes when lower. */
export const higherIsBetter = (unit: Figure['unit']): boolean => unit === '/s'
