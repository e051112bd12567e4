/**
 * Faults of the network and of nodes, drawn by chance from all that the tests know, one after
 * another on the same five nodes. After each there has to be exactly one of each child and key.
 */
import { type FaultRound, faultRound } from '../../test/support/fault-round.js'
import { namespacesMissing } from '../../test/support/namespaces.js'
import { NetworkCluster, type NetworkClusterOptions } from '../../test/support/network-cluster.js'
import { longFaults, networkFaults } from '../../test/support/network-faults.js'
import { now } from '../../test/support/notes.js'
import { overlaps } from '../../test/support/stamps.js'
import { type Part, type PartContext, type PartResult, spread } from '../part.js'

const MINUTES = 8
const FAULTS = [...networkFaults, ...longFaults]

const QUORUM = { type: 'mesh', quorum: { size: 5 } } as const
/** How often an owner in quorum mode writes down that it is at work. */
const STAMP_MS = 100

export const network: Part = {
  name: 'network',
  description: 'cuts, pulled cables, frozen and killed nodes, by chance; 8 minutes',
  missing: () => namespacesMissing('what nodes do when their network is cut'),
  run: (context) => run(context, context.arbiter === undefined ? {} : { arbiter: context.arbiter }),
}

export const quorum: Part = {
  name: 'quorum',
  description: 'the same in quorum mode: never two owners at once; 8 minutes',
  missing: () => namespacesMissing('that quorum mode never has two owners at once'),
  run: (context) => run(context, { arbiter: QUORUM, children: 40, stampMs: STAMP_MS }),
}

async function run(context: PartContext, options: NetworkClusterOptions): Promise<PartResult> {
  const { minutes = MINUTES, chance, say } = context
  const world = await NetworkCluster.start(options)
  try {
    const until = now() + minutes * 60_000
    const rounds: FaultRound[] = []
    while (now() < until) {
      const fault = FAULTS[chance.below(FAULTS.length)]!
      const round = await faultRound(world, fault, chance)
      rounds.push(round)
      say(`${round.fault}: one of each ${Math.round(round.tookMs)} ms after the heal`)
    }
    const { figures, violations } = summary(rounds, (await world.inventory()).length)
    if (options.stampMs === undefined) return { figures, violations }
    const work = await owners(world)
    return {
      figures: [...figures, ...work.figures],
      violations: [...violations, ...work.violations],
    }
  } finally {
    await world.stop()
  }
}

/** What the owners themselves have written down. */
async function owners(world: NetworkCluster): Promise<PartResult> {
  const stamps = await world.stamps()
  const wrong = overlaps(stamps)
  return {
    figures: [
      ['messages that owners have stamped', String(stamps.length)],
      ['owners, of all keys', String(new Set(stamps.map(({ key, pid }) => `${key} ${pid}`)).size)],
      ['owners that were at work at once, or with an epoch that fell', String(wrong.length)],
    ],
    violations: wrong,
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
