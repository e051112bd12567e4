import { describe, expect, it } from 'vitest'
import type { Pid } from '../../../../src/term/pid.js'
import { ScopeCluster } from '../../../support/scope-cluster.js'

const KEYS = Array.from({ length: 60 }, (_, n) => `key ${n}`)

describe('A node that joins', () => {
  it.each([1, 2, 3, 4, 5])(
    '2 nodes and a third: its claims wait until it knows what the others hold (seed %i)',
    async (seed) => {
      const cluster = new ScopeCluster(seed, 20)
      cluster.start('a', 'b')
      cluster.connectAll()
      await cluster.run(200)
      const owners = new Map<string, Pid>()
      for (const [at, key] of KEYS.entries()) {
        const { processes, registry } = cluster.node(at % 2 ? 'a' : 'b')
        owners.set(key, processes.make())
        void registry.register(key, owners.get(key)!)
      }
      await cluster.run(500)
      cluster.start('c')
      // It hears of one member first, of the other later, and claims at once and all the time.
      cluster.connect('a', 'c')
      while (!cluster.node('c').knows.has('a')) await cluster.run(0.1)
      cluster.at(cluster.now + 30, () => cluster.connect('b', 'c'))
      const ends: string[] = []
      for (const [at, key] of KEYS.entries()) {
        cluster.at(cluster.now + at, () => {
          const { processes, registry } = cluster.node('c')
          registry.register(key, processes.make()).then(
            () => ends.push('ok'),
            (error: { code: string }) => ends.push(error.code),
          )
        })
      }
      await cluster.run(3_000)
      expect(ends).toEqual(KEYS.map(() => 'already_registered'))
      for (const node of cluster.nodes.values()) {
        expect(node.processes.exits).toEqual([])
        for (const key of KEYS) expect(node.registry.findByKey(key)).toEqual(owners.get(key))
      }
    },
  )
})
