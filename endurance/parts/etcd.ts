/**
 * Three nodes whose arbiter is a real etcd. An owner is frozen until another has taken over, in each
 * of three states; then etcd itself is frozen and killed while children are at work. No two
 * processes may ever be at work for one key, tokens only rise, and afterwards there is one of each.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { TestCluster } from '../../test/support/cluster.js'
import { type EtcdCluster, etcdMissing, startEtcd } from '../../test/support/etcd.js'
import { eventually } from '../../test/support/eventually.js'
import { FreezeRounds } from '../../test/support/freeze-rounds.js'
import { now } from '../../test/support/notes.js'
import { overlaps, readStamps } from '../../test/support/stamps.js'
import type { TalkerState } from '../../test/support/talker.js'
import { type Part, type PartContext, type PartResult, spread } from '../part.js'

const ROUNDS = 15
const STATES: readonly TalkerState[] = ['idle', 'in a handler', 'parked on an await']
const OUTAGE_MINUTES = 3
const OUTAGE_MS: readonly [number, number] = [200, 9_000]
const WHOLE_MS = 60_000
const IDS = Array.from({ length: 20 }, (_, at) => `child ${at}`)

export const etcd: Part = {
  name: 'etcd',
  description: 'etcd as the arbiter: 45 owners frozen, then etcd frozen and killed; 9 minutes',
  missing: () => (etcdMissing() ? 'etcd is not installed' : undefined),
  async run(context) {
    const frozen = await frozenOwners(context)
    const outages = await etcdOutages(context)
    return {
      figures: [...frozen.figures, ...outages.figures],
      violations: [...frozen.violations, ...outages.violations],
    }
  },
}

async function frozenOwners({ say, minutes }: PartContext): Promise<PartResult> {
  const rounds = await FreezeRounds.start()
  const until = minutes === undefined ? Number.POSITIVE_INFINITY : now() + (minutes / 2) * 60_000
  const violations: string[] = []
  const took: number[] = []
  try {
    for (let round = 0; round < ROUNDS; round++) {
      for (const state of STATES) {
        if (took.length >= STATES.length && now() > until) continue
        const played = await rounds.play(state)
        took.push(played.takeoverMs)
        violations.push(...played.violations)
        say(`frozen ${state}: another took over after ${Math.round(played.takeoverMs)} ms`)
      }
    }
  } finally {
    await rounds.stop()
  }
  const figures: PartResult['figures'] = [
    ['owners frozen: idle, in a handler, parked on an await', String(took.length)],
    ['from SIGSTOP to the first handler of the next, least / median / most', spread(took)],
  ]
  return { figures, violations: [...new Set(violations)] }
}

async function etcdOutages({ say, minutes, chance }: PartContext): Promise<PartResult> {
  const server = await startEtcd()
  const arbiter = { type: 'etcd', endpoints: server.endpoints, ttlSeconds: 3 } as const
  const cluster = await TestCluster.start(3, { arbiter }).catch(async (error: unknown) => {
    await server.stop()
    throw error
  })
  try {
    await startWorkers(cluster)
    const until = now() + (minutes === undefined ? OUTAGE_MINUTES : minutes / 2) * 60_000
    const whole: number[] = []
    const counts = { frozen: 0, killed: 0 }
    while (now() < until) {
      const kind = chance.below(2) === 0 ? 'frozen' : 'killed'
      await outage(server, kind, chance.between(OUTAGE_MS))
      counts[kind]++
      whole.push(await untilWhole(cluster))
      say(`etcd ${kind}: one of each ${Math.round(whole.at(-1)!)} ms after it is back`)
      await sleep(chance.between([200, 2_000]))
    }
    const stamps = readStamps(cluster.journalPath)
    const figures: PartResult['figures'] = [
      ['etcd frozen / killed', `${counts.frozen} / ${counts.killed}`],
      ['handlers stamped meanwhile', String(stamps.length)],
      ['from its return to one of each, least / median / most', spread(whole)],
    ]
    return { figures, violations: overlaps(stamps) }
  } finally {
    await cluster.stop()
    await server.stop()
  }
}

function startWorkers(cluster: TestCluster): Promise<void> {
  return cluster.node(1).run(async ({ workers, Keyed }, ids) => {
    for (const id of ids) await workers.startChild(Keyed, [id, { stampMs: 50 }], { id })
  }, IDS)
}

async function outage(server: EtcdCluster, kind: 'frozen' | 'killed', ms: number): Promise<void> {
  const [one] = server.servers
  if (kind === 'frozen') one!.freeze()
  else await one!.kill()
  await sleep(ms)
  if (kind === 'frozen') one!.thaw()
  else await one!.restart()
}

/** Until each child runs once. */
async function untilWhole(cluster: TestCluster): Promise<number> {
  const from = now()
  const wanted = JSON.stringify([...IDS].sort())
  const isWhole = async () => JSON.stringify((await cluster.running()).sort()) === wanted
  await eventually(isWhole, { timeoutMs: WHOLE_MS, everyMs: 50, what: 'one of each' })
  return now() - from
}
