/**
 * What a benchmark is: two clusters, ours and Erlang's, and figures that both are asked for. A
 * command goes to the first node of its side and answers with a number.
 */
export type Command = readonly [name: string, ...args: (number | string)[]]

/** One side: so many OS processes on loopback, prepared by these commands. */
export interface Side {
  readonly nodes: number
  /** On every node before it knows of the others. */
  readonly alone?: readonly Command[]
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
  /**
   * All figures are asked in order in each round, as the first does the work and the others tell of it.
   * What breaks a cluster gets a new one for each round, of our side or of both; with `newcomer`
   * each round starts a further node on each side, which knows of nobody, and asks that.
   */
  readonly together?: 'same' | 'new-ours' | 'new-both' | 'newcomer'
  readonly figures: readonly Figure[]
}

/** Rates are better when higher, times and sizes when lower. */
export const higherIsBetter = (unit: Figure['unit']): boolean => unit === '/s'
