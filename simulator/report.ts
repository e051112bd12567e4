/** What the simulator program prints: progress, totals, and the story of a seed that failed. */
import { INVARIANTS } from './checks/invariants.js'
import type { StoryLine } from './checks/oracle.js'
import type { SeedOptions, SeedResult } from './seed-run.js'

export class Totals {
  seeds = 0
  replays = 0
  private simulatedMs = 0
  private events = 0
  private cpuSeconds = 0
  private readonly faults = new Map<string, number>()
  private readonly strikes = new Map<string, number>()
  private readonly operations = new Map<string, number>()
  private readonly watched = new Map<string, number>()

  constructor(private readonly startedAt: number) {}

  add(result: SeedResult, cpuSeconds: number): void {
    this.seeds++
    const runs = result.replayed === undefined ? 1 : 2
    if (runs === 2) this.replays++
    this.simulatedMs += result.simulatedMs * runs
    this.events += result.events * runs
    this.cpuSeconds += cpuSeconds
    addAll(this.faults, result.faults)
    addAll(this.strikes, result.strikes)
    addAll(this.operations, result.operations)
    addAll(this.watched, result.watched)
  }

  progress(now: number): string {
    return `${this.seeds} seeds, ${this.replays} of them twice, ${this.figures(now)}`
  }

  print(now: number): string {
    return [
      table('faults', this.faults),
      table('strikes at handoffs', this.strikes),
      table('operations', this.operations),
      table('watched', this.watched),
      `${this.progress(now)}, ${this.events} events, ${sum(this.faults)} faults`,
    ].join('\n')
  }

  private figures(now: number): string {
    const seconds = Math.max(0.001, (now - this.startedAt) / 1_000)
    const hours = this.simulatedMs / 3_600_000
    const speed = Math.round(this.simulatedMs / 1_000 / seconds)
    const rate = ((this.seeds + this.replays) / seconds).toFixed(2)
    const perSeed = (this.cpuSeconds / Math.max(1, this.seeds)).toFixed(2)
    return (
      `${hours.toFixed(1)} simulated hours in ${seconds.toFixed(1)} s: ${speed} times real time, ` +
      `${rate} runs/s, ${this.cpuSeconds.toFixed(0)} CPU seconds (${perSeed} a seed)`
    )
  }
}

function addAll(totals: Map<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(more)) {
    totals.set(name, (totals.get(name) ?? 0) + count)
  }
}

function sum(totals: ReadonlyMap<string, number>): number {
  let total = 0
  for (const count of totals.values()) total += count
  return total
}

function table(title: string, totals: ReadonlyMap<string, number>): string {
  const rows = [...totals].sort(([a], [b]) => (a < b ? -1 : 1))
  return [
    `${title}:`,
    ...rows.map(([name, count]) => `${String(count).padStart(10)}  ${name}`),
  ].join('\n')
}

export const storyLine = ({ at, text }: StoryLine): string =>
  `${(at / 1_000).toFixed(4).padStart(10)} s  ${text}`

/** Why a seed did not pass; undefined: it did. */
export function failureOf(result: SeedResult, options: SeedOptions): string | undefined {
  const { seed, breach, phase, hash, replayed, story } = result
  const repeat = `repeat it with:  ${commandFor(`--seed ${seed}`, options)}`
  if (breach) {
    return [
      `seed ${seed} FAILED at ${(breach.at / 1_000).toFixed(4)} s, in its ${phase} phase: ${breach.invariant} is broken.`,
      `  ${breach.invariant}: ${INVARIANTS[breach.invariant]}`,
      `  ${breach.what}`,
      'What happened before:',
      ...story.map(storyLine),
      repeat,
    ].join('\n')
  }
  if (replayed === undefined || replayed === hash) return undefined
  const what = `seed ${seed} FAILED: its second run gave the trace ${replayed}, not ${hash}.`
  return `${what}\nSomething in it does not come from the seed.\n${repeat} --replay 1`
}

/** The line that runs one or more seeds with these options. */
export function commandFor(seeds: string, options: SeedOptions): string {
  const { nodes, minutes, defect, only, arbiter } = options
  const parts = [`npm run sim -- ${seeds} --nodes ${nodes} --minutes ${minutes}`]
  if (only !== undefined) parts.push(`--only ${only}`)
  if (arbiter !== undefined && arbiter !== 'mesh') parts.push(`--arbiter ${arbiter}`)
  if (defect !== undefined) parts.push(`--defect ${defect}`)
  return parts.join(' ')
}
