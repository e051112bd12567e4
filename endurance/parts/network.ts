/**
 * Faults of the network and of nodes, drawn by chance from all that the tests know, one after
 * another on the same five nodes. After each there has to be exactly one of each child and key.
 */
import { type FaultRound, faultRound } from '../../test/support/fault-round.js'
import { namespacesMissing } from '../../test/support/namespaces.js'
import { NetworkCluster } from '../../test/support/network-cluster.js'
import { longFaults, networkFaults } from '../../test/support/network-faults.js'
import { now } from '../../test/support/notes.js'
import { type Part, type PartContext, type PartResult, spread } from '../part.js'

const MINUTES = 8
const FAULTS = [...networkFaults, ...longFaults]

export const network: Part = {
  name: 'network',
  description: 'cuts, pulled cables, frozen and killed nodes, by chance; 8 minutes',
  missing: () => namespacesMissing('what nodes do when their network is cut'),
  run,
}

async function run(context: PartContext): Promise<PartResult> {
  const { minutes = MINUTES, chance, say, arbiter } = context
  const world = await NetworkCluster.start({ ...(arbiter === undefined ? {} : { arbiter }) })
  try {
    const until = now() + minutes * 60_000
    const rounds: FaultRound[] = []
    while (now() < until) {
      const fault = FAULTS[chance.below(FAULTS.length)]!
      const round = await faultRound(world, fault, chance)
      rounds.push(round)
      say(`${round.fault}: one of each ${Math.round(round.tookMs)} ms after the heal`)
    }
    return summary(rounds, (await world.inventory()).length)
  } finally {
    await world.stop()
  }
}

function summary(rounds: readonly FaultRound[], keys: number): PartResult {
  const kinds = [...new Set(rounds.map(({ fault }) => fault))].sort()
  const of = (kind: string) => rounds.filter(({ fault }) => fault === kind)
  return {
    figures: [
      ['faults', String(rounds.length)],
      ['keys in the end', String(keys)],
      ['from heal to one of each, least / median / most', spread(rounds.map((one) => one.tookMs))],
      ...kinds.map((kind): [string, string] => [
        `after ${kind} (${of(kind).length})`,
        spread(of(kind).map(({ tookMs }) => tookMs)),
      ]),
    ],
    violations: rounds.flatMap(({ fault, violations }) =>
      violations.map((violation) => `${fault}: ${violation}`),
    ),
  }
}
