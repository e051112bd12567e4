/** A million calls of public functions with hostile values, alone and in a cluster of two. */
import { faultsOf, runAbuse } from '../../test/support/abuse/run-abuse.js'
import type { Part, PartContext, PartResult } from '../part.js'

const CALLS = 1_000_000
/** Each by a process of its own, so that what one leaves behind is not the next one's. */
const CALLS_PER_RUN = 50_000
/** Some choices are not carried out: those that would begin another node are rare. */
const SPARE = 1.05

export const abuse: Part = {
  name: 'abuse',
  description: 'every public function with hostile values; a million calls, or as long as told',
  missing: () => undefined,
  run,
}

async function run({ minutes, chance, say }: PartContext): Promise<PartResult> {
  const until = minutes === undefined ? Infinity : performance.now() + minutes * 60_000
  const seed = chance.below(1_000_000)
  const violations: string[] = []
  let calls = 0
  let members = 0
  let rssMaxMiB = 0
  for (let n = 0; calls < CALLS && performance.now() < until; n++) {
    const count = minutes === undefined ? CALLS_PER_RUN * SPARE : 5_000
    const report = await runAbuse({ seed, nodes: 1 + (n % 2), from: n * CALLS_PER_RUN * 2, count })
    calls += report.calls
    members = Math.max(members, report.members)
    rssMaxMiB = Math.max(rssMaxMiB, report.rssMiB)
    for (const fault of faultsOf(report)) {
      violations.push(fault)
      say(`VIOLATED: ${fault}`)
    }
    say(`${calls} calls, ${violations.length} faults`)
  }
  return {
    figures: [
      ['calls, half of them in a cluster of two', String(calls)],
      ['different functions and properties', String(members)],
      ['uncaught exceptions, unhandled rejections, wrong or late ends', String(violations.length)],
      ['memory at the end of a run, most', `${rssMaxMiB} MiB`],
    ],
    violations,
  }
}
