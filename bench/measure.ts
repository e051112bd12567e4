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
  const erlang = benchmark.erlang && (await sides.erlang?.(benchmark))
  try {
    if (benchmark.fresh) return await measureFresh(benchmark, sides, erlang, rounds, progress)
    const ours = await sides.ours(benchmark)
    try {
      const results: Result[] = []
      for (const figure of benchmark.figures) {
        results.push(await measureFigure(figure, ours, erlang, rounds, progress))
      }
      return results
    } finally {
      await ours.close()
    }
  } finally {
    await erlang?.close()
  }
}

/** Every round in a cluster of its own. There is no warm-up: nobody fails over twice either. */
async function measureFresh(
  { figures, ...benchmark }: Benchmark,
  sides: Sides,
  erlang: Cluster | undefined,
  rounds: number,
  progress: (text: string) => void,
): Promise<Result[]> {
  const taken = figures.map(() => ({ ours: [] as number[], erlang: [] as number[] }))
  const count = Math.min(rounds, ...figures.map(({ roundsMax }) => roundsMax ?? rounds))
  for (let round = 1; round <= count; round++) {
    const ours = await sides.ours({ figures, ...benchmark })
    try {
      for (const [at, figure] of figures.entries()) {
        const [mine, theirs] = await ask(figure, ours, erlang)
        progress(`${figure.name}: round ${round} of ${count}: ${told(figure, mine, theirs)}`)
        taken[at]!.ours.push(mine)
        if (theirs !== undefined) taken[at]!.erlang.push(theirs)
      }
    } finally {
      await ours.close()
    }
  }
  return figures.map((figure, at) => result(figure, taken[at]!))
}

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
    const label = round === 0 ? 'warm-up' : `round ${round} of ${count}`
    progress(`${figure.name}: ${label}: ${told(figure, mine, theirs)}`)
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
