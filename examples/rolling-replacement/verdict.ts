/** The end of `npm run rolling`: all figures, and whether nothing was lost. */
import type { Audit, Told } from './driver.js'
import type { Latency } from './load.js'
import type { Places } from './survey.js'

export interface Ending {
  readonly children: number
  readonly audit: Audit
  readonly found: Places
  readonly latency: Latency
  readonly reasons: readonly (readonly [reason: string, count: number])[]
  readonly told: Told
  readonly replacingMs: number
  readonly stalls: readonly (readonly [what: string, stalls: string])[]
  readonly complaints: readonly string[]
}

const SHOWN_MAX = 10

/** Prints it. True: nothing was lost. */
export function verdict(ending: Ending, totalMs: number): boolean {
  const { children, audit, found, latency, told, replacingMs, complaints } = ending
  const { lost, doubled } = found
  print('')
  print(`children   ${children}: ${lost.length} lost, ${doubled.length} doubled`)
  print(
    `counters   ${audit.equal} equal what was acknowledged, ${audit.unequal + audit.silent} do not`,
  )
  print(`calls      ${latency.calls} answered, ${latency.failed} failed`)
  print(`latency    p50 ${ms(latency.p50)}, p99 ${ms(latency.p99)}, max ${ms(latency.max)}`)
  print(
    `moves      ${told.moved}, ${told.withState} with their state; ${told.stayed} stayed, ` +
      `${told.adopted} adopted, ${told.crashed} crashed`,
  )
  print(`duration   ${seconds(replacingMs)} of replacing, ${seconds(totalMs)} in all`)
  print('event loops, the worst of all nodes in each part:')
  for (const [what, stalls] of ending.stalls) print(`  ${what.padEnd(12)} ${stalls}`)
  list(
    'calls failed',
    ending.reasons.map(([reason, count]) => `${count} x ${reason}`),
  )
  list('counters differ', audit.wrong)
  list('lost', lost.map(String))
  list('doubled', doubled.map(String))
  list('not as promised', complaints)
  const wrong = [latency.failed, audit.unequal, audit.silent, lost.length, doubled.length]
  const isGood = wrong.every((count) => count === 0) && complaints.length === 0
  print(isGood ? 'Nothing was lost.' : 'SOMETHING WAS LOST.')
  return isGood
}

function list(what: string, lines: readonly string[]): void {
  if (lines.length === 0) return
  print(`${what}:`)
  for (const line of lines.slice(0, SHOWN_MAX)) print(`  ${line}`)
  if (lines.length > SHOWN_MAX) print(`  and ${lines.length - SHOWN_MAX} more`)
}

const print = (line: string): void => void process.stdout.write(`${line}\n`)
const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`
const seconds = (value: number): string => `${(value / 1_000).toFixed(1)} s`
