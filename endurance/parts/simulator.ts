/**
 * The long searches of the simulator: every planted defect, every seed that ever found a fault, and fresh
 * seeds, each twice, with each of the arbiters.
 */

import { DefectSearch } from '../../simulator/defect-search.js'
import { DEFECTS } from '../../simulator/defects/defects.js'
import { HANDOFF_STEPS } from '../../simulator/faults/handoff-faults.js'
import { failureOf } from '../../simulator/report.js'
import {
  runSeed,
  SEED_DEFAULTS,
  type SeedOptions,
  type SeedResult,
} from '../../simulator/seed-run.js'
import { regressions } from '../../test/support/regressions.js'
import type { Part, PartContext, PartResult } from '../part.js'

const ARBITERS = [undefined, 'quorum', 'etcd'] as const
/** Fresh ones, without a time. */
const FRESH = 60
/** Either side of a handoff, at each of its steps. */
const STRIKES = HANDOFF_STEPS.flatMap((step) => [`${step}, old side`, `${step}, new side`])

export const simulator: Part = {
  name: 'simulator',
  description: 'all planted defects, all seeds that found a fault, and fresh seeds',
  missing: () => undefined,
  run,
}

async function run({ minutes, chance, say }: PartContext): Promise<PartResult> {
  const until = minutes === undefined ? Infinity : performance.now() + minutes * 60_000
  const violations: string[] = []
  const struck = new Set<string>()
  const counts = { defects: 0, regressions: 0, fresh: 0 }
  const note = (what: string, fault: string | undefined): void => {
    if (fault !== undefined) violations.push(fault)
    say(`${what}: ${fault ?? 'as it should be'}`)
  }
  const isOver = (): boolean => performance.now() >= until

  for (; counts.fresh < FRESH && !isOver(); counts.fresh++) {
    const seed = chance.below(10_000_000)
    const options = { ...SEED_DEFAULTS, arbiter: ARBITERS[counts.fresh % ARBITERS.length] }
    const result = await runSeed(seed, options, true)
    note(nameOf(seed, options), faultOf(result, options))
    for (const [what, count] of Object.entries(result.strikes)) if (count > 0) struck.add(what)
  }
  if (counts.fresh === FRESH) {
    const unstruck = STRIKES.filter((what) => !struck.has(what))
    violations.push(...unstruck.map((what) => `no handoff was struck at ${what}`))
  }
  const search = new DefectSearch()
  for (const defect of DEFECTS) {
    if (isOver()) break
    note(`defect ${defect.name}`, await search.fault(defect))
    counts.defects++
  }
  for (const { seed, minutes, arbiter } of regressions) {
    if (isOver()) break
    const options = { ...SEED_DEFAULTS, minutes, arbiter }
    note(nameOf(seed, options), faultOf(await runSeed(seed, options, false), options))
    counts.regressions++
  }
  return {
    figures: [
      ['fresh seeds, each twice', String(counts.fresh)],
      ['planted defects searched for', `${counts.defects} of ${DEFECTS.length}`],
      ['seeds that once found a fault', `${counts.regressions} of ${regressions.length}`],
    ],
    violations,
  }
}

const nameOf = (seed: number, { arbiter = 'mesh' }: SeedOptions): string => `${arbiter} ${seed}`

function faultOf(result: SeedResult, options: SeedOptions): string | undefined {
  const failure = failureOf(result, options)
  return failure && `${nameOf(result.seed, options)}: ${failure}`
}
