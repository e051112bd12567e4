/** Children whose nodes die soon after they have got them, as seen by a node that was away meanwhile. */
import { expect, test } from 'vitest'
import type { ClusterMember } from '../../simulator/cluster/cluster-member.js'
import { ClusterSimulation } from '../../simulator/cluster/cluster-simulation.js'
import { GenServer } from '../../src/index.js'

class Child extends GenServer {}

/** Longer than a node takes to be held for dead, and than `deathWindowMs`. */
const LONG_MS = 15_000
const SOON_MS = 1_000
/** Shorter than that a node is held for dead. */
const SHORT_MS = 3_500
/** With the one before longer than `deathWindowMs`, alone shorter. */
const MIDDLE_MS = 3_000

test('three nodes: a child that has run for long where a node could not look is not given up when it hears of it and that node dies', async () => {
  const cluster = new ClusterSimulation({
    seed: 1,
    nodes: 3,
    modules: { Child },
    supervisor: { rebalance: 'manual' },
  })
  const { simulation } = cluster
  for (let index = 0; index < 3; index++) cluster.start(index)
  await simulation.runUntil(() => cluster.allReady && cluster.allMet, 60_000, 'the start')
  const [away, first, second] = cluster.members as ClusterMember[]
  cluster.partition([[0], [1, 2]])
  await simulation.runFor(LONG_MS)
  const id = [...Array(100).keys()].find((id) => first!.supervisor.nodeFor(id) === first!.name)!
  const start = () => first!.supervisor.startChild(Child as never, [] as never, { id })
  await simulation.settle(start, { what: 'the start of the child' })
  const home = () => second!.supervisor.lookup(id)?.node
  expect(home()).toBe(first!.name)
  cluster.crash(1)
  await simulation.runFor(LONG_MS)
  expect(home()).toBe(second!.name)
  cluster.healAll()
  const hears = () => away!.supervisor.lookup(id)?.node === second!.name
  await simulation.runUntil(hears, LONG_MS, 'the news of the child')
  await simulation.runFor(SOON_MS)
  cluster.crash(2)
  await simulation.runFor(LONG_MS)
  expect(away!.supervisor.lookup(id)?.node).toBe(away!.name)
})

test('two nodes: a child whose node dies soon after the other one has heard of it late is not given up', async () => {
  const cluster = new ClusterSimulation({
    seed: 1,
    nodes: 2,
    modules: { Child },
    supervisor: { rebalance: 'manual', deathsMax: 1 },
  })
  const { simulation } = cluster
  for (let index = 0; index < 2; index++) cluster.start(index)
  await simulation.runUntil(() => cluster.allReady && cluster.allMet, 60_000, 'the start')
  await simulation.runFor(SOON_MS)
  const [away, first] = cluster.members as ClusterMember[]
  const id = [...Array(100).keys()].find((id) => first!.supervisor.nodeFor(id) === first!.name)!
  cluster.partition([[0], [1]])
  const started = first!.supervisor.startChild(Child as never, [] as never, { id })
  await simulation.runFor(SHORT_MS)
  cluster.healAll()
  await simulation.settle(() => started, { what: 'the start of the child' })
  const home = () => away!.supervisor.lookup(id)?.node
  await simulation.runUntil(() => home() === first!.name, SHORT_MS, 'the news of the child')
  expect(cluster.allMet).toBe(true)
  await simulation.runFor(MIDDLE_MS)
  cluster.crash(1)
  await simulation.runFor(LONG_MS)
  expect(home()).toBe(away!.name)
})
