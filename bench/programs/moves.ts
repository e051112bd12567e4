/** Commands on children that move, given to the first of three nodes; the third comes and goes. */
import type { Citadel } from '../../src/citadel.js'
import type { DistributedSupervisor } from '../../src/cluster/supervisor/distributed-supervisor.js'
import { inParallel, perSecond, runOn, until } from './nodes.js'
import { Child } from './servers.js'

const NAME = 'moves'
const PARALLEL = 100
const TICK_MS = 1

const moves = (citadel: Citadel): Promise<DistributedSupervisor> =>
  citadel.supervisor(NAME, { rebalance: 'manual' })

export const moveCommands = {
  async join_moves(citadel: Citadel): Promise<number> {
    await moves(citadel)
    return 1
  },

  async leave_moves(citadel: Citadel): Promise<number> {
    const startedAt = performance.now()
    await (await moves(citadel)).leave({ budgetMs: 60_000 })
    return performance.now() - startedAt
  },

  async see_members(citadel: Citadel, count: number): Promise<number> {
    const supervisor = await moves(citadel)
    await until(() => supervisor.nodes().length === count, `not ${count} members`)
    return count
  },

  /** Children for two nodes; a third of them belongs on the third node once that is there. */
  async fill_moves(citadel: Citadel, total: number): Promise<number> {
    const [second] = citadel.nodes() as [string]
    await moves(citadel)
    await runOn(citadel, second, 'join_moves')
    await allSee(citadel, [second], 2)
    const supervisor = await moves(citadel)
    await inParallel(PARALLEL, total, (id) => supervisor.startChild(Child, [id], { id }))
    return total
  },

  /** Children that move to a node that joins, per second, while so many calls a second are made. */
  async handoffs(citadel: Citadel, total: number, callsPerSecond: number): Promise<number> {
    const [second, third] = citadel.nodes() as [string, string]
    const supervisor = await moves(citadel)
    await runOn(citadel, third, 'join_moves')
    await allSee(citadel, [second, third], 3)
    const load = startLoad(supervisor, total, callsPerSecond)
    const startedAt = performance.now()
    const { moved, failed } = await supervisor.rebalance()
    const rate = perSecond(moved, startedAt)
    await load.stop()
    await runOn(citadel, third, 'leave_moves')
    await allSee(citadel, [second], 2)
    if (failed > 0) throw new Error(`${failed} children did not move`)
    return rate
  },

  /** How long the third node takes to hand over so many children and to be no member any more. */
  async drain_moves(citadel: Citadel, count: number): Promise<number> {
    const [second, third] = citadel.nodes() as [string, string]
    await runOn(citadel, third, 'join_moves')
    await allSee(citadel, [second, third], 3)
    const supervisor = await moves(citadel)
    const ids: number[] = []
    for (let id = 0; ids.length < count; id++) {
      if (supervisor.nodeFor(id, 'Child') === third) ids.push(id)
    }
    await inParallel(PARALLEL, count, (i) => supervisor.startChild(Child, [i], { id: ids[i]! }))
    const tookMs = await runOn(citadel, third, 'leave_moves')
    await allSee(citadel, [second], 2)
    if (supervisor.members().size !== count) throw new Error('a child is missing')
    await inParallel(PARALLEL, count, (i) => supervisor.terminateChild(ids[i]!))
    return tookMs
  },
}

async function allSee(citadel: Citadel, others: readonly string[], count: number): Promise<void> {
  await moveCommands.see_members(citadel, count)
  for (const node of others) await runOn(citadel, node, 'see_members', count)
}

/** Calls to children picked at random, due at even times. A call that fails ends the benchmark. */
function startLoad(
  supervisor: DistributedSupervisor,
  children: number,
  perSecond: number,
): { stop(): Promise<void> } {
  const handles = Array.from({ length: children }, (_, id) => supervisor.child<Child>(id))
  const underway = new Set<Promise<unknown>>()
  let failure: unknown
  const startedAt = performance.now()
  let made = 0
  const call = (): void => {
    const child = handles[Math.floor(Math.random() * children)]!
    const answer: Promise<unknown> = child
      .call('count')
      .catch((error: unknown) => (failure ??= error))
      .finally(() => underway.delete(answer))
    underway.add(answer)
  }
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) / 1_000) * perSecond
    for (; made < due; made++) call()
  }, TICK_MS)
  return {
    async stop() {
      clearInterval(timer)
      await Promise.all(underway)
      if (failure !== undefined) throw failure
    },
  }
}
