/**
 * Takes the figures of one benchmark: first each side once, unrecorded, so that code is compiled
 * and tables are warm; then rounds of ours, Erlang's, ours, Erlang's, so that what else the machine
 * does meanwhile meets both.
 */
import { type Benchmark, type Figure, higherIsBetter } from './benchmark.js'
import type { Cluster } from './cluster.js'
import { type Spread, spreadOf } from './statistics.js'

export interface Result {
  readonly figure: Figure
  readonly ours: Spread
  readonly erlang: Spread | undefined
  /** How many times better than Erlang, by the medians. */
  readonly ratio: number | undefined
  readonly rounds: { readonly ours: number[]; readonly erlang: number[] }
}

export interface Sides {
  ours(benchmark: Benchmark): Promise<Cluster>
  /** Undefined: no Erlang on this machine. */
  erlang: ((benchmark: Benchmark) => Promise<Cluster>) | undefined
}

export async function measure(
  benchmark: Benchmark,
  sides: Sides,
  rounds: number,
  progress: (text: string) => void,
): Promise<Result[]> {
  const { together, figures } = benchmark
  const startErlang = async (): Promise<Cluster | undefined> =>
    benchmark.erlang && (await sides.erlang?.(benchmark))
  const ours = isNew(together) ? undefined : await sides.ours(benchmark)
  const erlang = together === 'new-both' ? undefined : await startErlang()
  try {
    if (ours && !together) {
      const results: Result[] = []
      for (const figure of figures) {
        results.push(await measureFigure(figure, ours, erlang, rounds, progress))
      }
      return results
    }
    const start = async (): Promise<Pair> => {
      if (together === 'newcomer') {
        return { ours: await ours!.newcomer(), erlang: await erlang?.newcomer() }
      }
      return {
        ours: ours ?? (await sides.ours(benchmark)),
        erlang: erlang ?? (await startErlang()),
      }
    }
    const keep = [ours, erlang]
    return await measureTogether(benchmark, rounds, progress, start, keep)
  } finally {
    await ours?.close()
    await erlang?.close()
  }
}

const isNew = (together: Benchmark['together']): boolean =>
  together === 'new-ours' || together === 'new-both'

interface Pair {
  readonly ours: Cluster
  readonly erlang: Cluster | undefined
}

/** Each round takes all figures of one pair, and ends what is not to be kept. */
async function measureTogether(
  { figures, together }: Benchmark,
  rounds: number,
  progress: (text: string) => void,
  start: () => Promise<Pair>,
  keep: readonly (Cluster | undefined)[],
): Promise<Result[]> {
  const taken = figures.map(() => ({ ours: [] as number[], erlang: [] as number[] }))
  const count = Math.min(rounds, ...figures.map(({ roundsMax }) => roundsMax ?? rounds))
  // A cluster that is new each time has no warm-up: nobody fails over twice either.
  for (let round = together === 'same' ? 0 : 1; round <= count; round++) {
    const pair = await start()
    try {
      for (const [at, figure] of figures.entries()) {
        const [mine, theirs] = await ask(figure, pair.ours, pair.erlang)
        progress(`${figure.name}: ${label(round, count)}: ${told(figure, mine, theirs)}`)
        if (round === 0) continue
        taken[at]!.ours.push(mine)
        if (theirs !== undefined) taken[at]!.erlang.push(theirs)
      }
    } finally {
      for (const cluster of [pair.ours, pair.erlang]) {
        if (!keep.includes(cluster)) await cluster?.close()
      }
    }
  }
  return figures.map((figure, at) => result(figure, taken[at]!))
}

const label = (round: number, count: number): string =>
  round === 0 ? 'warm-up' : `round ${round} of ${count}`

async function measureFigure(
  figure: Figure,
  ours: Cluster,
  erlang: Cluster | undefined,
  rounds: number,
  progress: (text: string) => void,
): Promise<Result> {
  const taken = { ours: [] as number[], erlang: [] as number[] }
  const count = Math.min(rounds, figure.roundsMax ?? rounds)
  for (let round = 0; round <= count; round++) {
    const [mine, theirs] = await ask(figure, ours, erlang)
    progress(`${figure.name}: ${label(round, count)}: ${told(figure, mine, theirs)}`)
    if (round === 0) continue
    taken.ours.push(mine)
    if (theirs !== undefined) taken.erlang.push(theirs)
  }
  return result(figure, taken)
}

async function ask(
  figure: Figure,
  ours: Cluster,
  erlang: Cluster | undefined,
): Promise<[mine: number, theirs: number | undefined]> {
  const mine = await ours.ask(figure.ours)
  return [mine, figure.erlang && (await erlang?.ask(figure.erlang))]
}

const told = ({ unit }: Figure, mine: number, theirs: number | undefined): string =>
  `${Math.round(mine)} ${unit}${theirs === undefined ? '' : `, Erlang ${Math.round(theirs)}`}`

function result(figure: Figure, rounds: Result['rounds']): Result {
  const ours = spreadOf(rounds.ours)
  const erlang = rounds.erlang.length > 0 ? spreadOf(rounds.erlang) : undefined
  const quotient = erlang && ours.median / erlang.median
  const ratio = quotient && (higherIsBetter(figure.unit) ? quotient : 1 / quotient)
  return { figure, ours, erlang, ratio, rounds }
}

/** Whether the target or the goal is reached; undefined: there is none, or nothing to compare. */
export function reached({ figure, ours, ratio }: Result): boolean | undefined {
  const { target, goal, unit } = figure
  if (goal !== undefined) return higherIsBetter(unit) ? ours.median >= goal : ours.median <= goal
  return target === undefined || ratio === undefined ? undefined : ratio >= target
}
