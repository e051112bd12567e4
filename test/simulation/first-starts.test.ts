/** The first starts under a supervisor that not all nodes have joined yet, in simulated time. */
import { expect, test } from 'vitest'
import { ClusterSimulation } from '../../simulator/cluster/cluster-simulation.js'
import { GenServer } from '../../src/index.js'

class Child extends GenServer {}

/** Half of the time between two heads, which would repair what a start waits for. */
const AT_ONCE_MS = 500

test('three nodes: the first child of a supervisor that only one has joined starts at once', async () => {
  const cluster = new ClusterSimulation({ seed: 1, nodes: 3, modules: { Child } })
  const { simulation } = cluster
  for (let index = 0; index < 3; index++) cluster.start(index)
  await simulation.runUntil(() => cluster.allReady && cluster.allMet, 60_000, 'the start')
  const { citadel } = cluster.members[0]!
  const tookMs: number[] = []
  await simulation.settle(
    async () => {
      for (let n = 0; n < 20; n++) {
        const supervisor = await citadel.supervisor(`alone ${n}`, { modules: { Child } })
        const before = simulation.now
        await supervisor.startChild(Child as never, [] as never, { id: n })
        tookMs.push(simulation.now - before)
      }
    },
    { what: 'the first start under each' },
  )
  expect(Math.max(...tookMs)).toBeLessThan(AT_ONCE_MS)
})
