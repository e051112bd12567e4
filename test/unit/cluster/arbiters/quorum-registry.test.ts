/** The registry in quorum mode, where it takes another way than without. */
import { describe, expect, test } from 'vitest'
import { ScopeCluster } from '../../../support/scope-cluster.js'

async function three(seed = 7): Promise<ScopeCluster> {
  const cluster = new ScopeCluster(seed, 5, 100, { size: 3, leaseMs: 6_000 })
  cluster.start('a', 'b', 'c')
  cluster.connectAll()
  await cluster.run(2_000)
  return cluster
}

async function done(cluster: ScopeCluster, work: Promise<void>): Promise<string> {
  let end = 'nothing yet'
  work.then(
    () => {
      end = 'ok'
    },
    (error: { code: string }) => {
      end = error.code
    },
  )
  await cluster.run(1_000)
  return end
}

describe('the registry in quorum mode', () => {
  test('three nodes: a process that registers its own key again by force has other metadata, and no other epoch', async () => {
    const cluster = await three()
    const [a, b] = [cluster.node('a'), cluster.node('b')]
    const pid = a.processes.make()
    expect(await done(cluster, a.registry.register('key', pid, { meta: 1 }))).toBe('ok')
    const { epoch } = a.registry.lookup('key')!
    const again = a.registry.register('key', pid, { force: true, meta: 2 })
    expect(await done(cluster, again)).toBe('ok')
    expect(b.registry.lookup('key')).toMatchObject({ meta: 2, epoch })
    expect(a.processes.sent).toEqual([])
  })

  test('three nodes: by force the owner on another node is told, and the epoch rises', async () => {
    const cluster = await three()
    const [a, b] = [cluster.node('a'), cluster.node('b')]
    const [old, taker] = [a.processes.make(), b.processes.make()]
    expect(await done(cluster, a.registry.register('key', old))).toBe('ok')
    const { epoch } = a.registry.lookup('key')!
    const forced = b.registry.register('key', taker, { force: true })
    expect(await done(cluster, forced)).toBe('ok')
    expect(cluster.node('c').registry.lookup('key')!.epoch).toBeGreaterThan(epoch)
    expect(a.processes.sent).toMatchObject([{ to: old, message: { key: 'key' } }])
    expect(a.processes.isAlive(old)).toBe(true)
  })

  test('three nodes: a process that was robbed of its key a moment ago gets it back by force', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const cluster = await three(seed)
      const [a, b] = [cluster.node('a'), cluster.node('b')]
      const [old, taker] = [a.processes.make(), b.processes.make()]
      expect(await done(cluster, a.registry.register('key', old))).toBe('ok')
      // The row of the taker is still on its way to the old owner's node.
      const back = b.registry
        .register('key', taker, { force: true })
        .then(() => a.registry.register('key', old, { force: true }))
      expect(await done(cluster, back)).toBe('ok')
      for (const { registry } of cluster.nodes.values()) {
        expect(registry.findByKey('key')).toEqual(old)
      }
    }
  })
})
