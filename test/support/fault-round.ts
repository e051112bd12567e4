/** One fault from beginning to end: what came of it, and what of that must not be. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { NetworkCluster } from './network-cluster.js'
import type { Chance, Fault } from './network-faults.js'
import { now } from './notes.js'

export interface FaultRound {
  readonly fault: string
  /** From the heal until there was exactly one of everything. */
  readonly tookMs: number
  /** The longest time that a node or this process stood still meanwhile. */
  readonly stalledMs: number
  /** `who`: whom it held for dead. */
  readonly deaths: readonly string[]
  readonly violations: readonly string[]
}

/** There is to be one of everything so soon after the heal, */
const WHOLE_MS = 5_000
/** unless the machine stood still for so long meanwhile. */
const STALL_MS = 500
/** What is right has to stay right; but children may be on the move to where they belong. */
const SETTLED_MS = 700
const MOVING_MS = 3_000

export async function faultRound(
  world: NetworkCluster,
  fault: Fault,
  chance: Chance,
): Promise<FaultRound> {
  const from = now()
  const healedAt = await fault.inject(world, chance)
  const { tookMs, stalledMs } = await world.converge(healedAt)
  await sleep(SETTLED_MS)
  const violations: string[] = []
  const again = await world.converge(now())
  if (again.tookMs > MOVING_MS && again.stalledMs < STALL_MS) {
    violations.push(`what was right was wrong again for ${Math.round(again.tookMs)} ms`)
  }
  const deaths = await deathsSince(world, from)
  if (fault.isHarmless) violations.push(...deaths.map((death) => `${death}, which lives`))
  if (tookMs > WHOLE_MS && stalledMs < STALL_MS) {
    violations.push(`there was one of each only ${Math.round(tookMs)} ms after the heal`)
  }
  const inventory = await world.inventory()
  for (const { key, epoch, count } of inventory) {
    if (!(epoch > 0) || !(count > 0)) violations.push(`${key}: epoch ${epoch}, counter ${count}`)
  }
  return { fault: fault.name, tookMs, stalledMs, deaths, violations }
}

async function deathsSince(world: NetworkCluster, from: number): Promise<string[]> {
  const perNode = await Promise.all(
    world.nodes.map(async (node) => {
      const notes = await world.notes(node)
      return notes.flatMap((note) =>
        note.type === 'dead' && note.at >= from ? [`${node.name} held ${note.node} for dead`] : [],
      )
    }),
  )
  return perNode.flat()
}
