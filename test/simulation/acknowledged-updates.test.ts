/** Metadata that was acknowledged on one node stays when another one takes the key over, in simulated time. */
import { expect, test } from 'vitest'
import { ClusterSimulation } from '../../simulator/cluster/cluster-simulation.js'
import { GenServer } from '../../src/index.js'

class Holder extends GenServer {}

test('three nodes: an update that is done is not undone by a replacement that began after it', async () => {
  const cluster = new ClusterSimulation({ seed: 1, nodes: 3, modules: {} })
  const { simulation } = cluster
  for (let index = 0; index < 3; index++) cluster.start(index)
  await simulation.runUntil(() => cluster.allReady && cluster.allMet, 60_000, 'the start')
  await simulation.runFor(2_000)
  const [a, b, c] = cluster.members.map((member) => member!.citadel)
  const kept: unknown[] = []
  await simulation.settle(
    async () => {
      const holders = [await a!.spawn(Holder), await b!.spawn(Holder)] as const
      for (let n = 0; n < 20; n++) {
        await a!.registry.register(n, holders[0], { meta: 'old', sync: true })
        // What the owner writes comes late to the node that is to take over.
        if (n === 0) cluster.slow(0, 1, [40, 60])
        await a!.registry.update(n, 'new')
        await c!.registry.replace(n, holders[0], holders[1])
        kept.push(b!.registry.lookup(n)?.meta)
      }
    },
    { what: 'updates and replacements' },
  )
  expect(new Set(kept)).toEqual(new Set(['new']))
})
