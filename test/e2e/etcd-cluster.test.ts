/** Whole nodes with the arbiter etcd: children that move, keys that change hands, etcd that is away. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TestCluster } from '../support/cluster.js'
import { type EtcdCluster, etcdMissing, startEtcd } from '../support/etcd.js'
import { eventually } from '../support/eventually.js'

const IDS = Array.from({ length: 12 }, (_, at) => at)

describe.skipIf(etcdMissing())('with the arbiter etcd', () => {
  let etcd: EtcdCluster
  let cluster: TestCluster

  beforeEach(async () => {
    etcd = await startEtcd()
    const arbiter = { type: 'etcd', endpoints: etcd.endpoints, ttlSeconds: 3 } as const
    cluster = await TestCluster.start(3, { arbiter })
  })

  afterEach(async () => {
    await cluster?.stop()
    await etcd?.stop()
  })

  const isWhole = async () => JSON.stringify(await cluster.running()) === JSON.stringify(IDS)

  const tokens = (index: number) =>
    cluster
      .node(index)
      .run(
        ({ citadel }, ids) =>
          ids.map((id) => citadel.registry.lookup(`key of ${id}`)?.epoch ?? Number.NaN),
        IDS,
      )

  async function startKeyed(): Promise<void> {
    await cluster.node(1).run(async ({ workers, Keyed }, ids) => {
      for (const id of ids) await workers.startChild(Keyed, [id], { id })
    }, IDS)
    const areAll = async () => (await tokens(1)).every((token) => token > 0)
    await eventually(areAll, { what: 'every key has a token' })
  }

  test('three nodes: children of a node that stops move with their state and keys, and tokens rise', async () => {
    await startKeyed()
    const before = await tokens(1)
    const count = () =>
      cluster
        .node(1)
        .run(
          ({ citadel }, ids) =>
            Promise.all(ids.map((id) => citadel.call({ key: `key of ${id}` }, 'next'))),
          IDS,
        )
    await count()
    const there = await cluster.node(3).run((it) => it.running().length)
    await cluster.node(3).stop()
    await eventually(isWhole, { timeoutMs: 30_000, what: 'one of each' })
    expect(await count()).toEqual(IDS.map(() => 2))
    const after = await tokens(1)
    expect(there).toBeGreaterThan(0)
    expect(after.filter((token, at) => token > before[at]!)).toHaveLength(there)
    expect(after.filter((token, at) => token < before[at]!)).toEqual([])
  })

  test('three nodes: a killed node keeps its keys for the time to live, then others have its children', async () => {
    await startKeyed()
    const before = await tokens(1)
    await cluster.node(2).kill()
    await eventually(isWhole, { timeoutMs: 30_000, what: 'one of each' })
    const after = await tokens(1)
    expect(after.filter((token, at) => token < before[at]!)).toEqual([])
  })

  test('three nodes: a key changes hands by replace and by force, with later tokens', async () => {
    const result = await cluster.node(1).run(async ({ citadel }) => {
      const { registry } = citadel
      const make = () => citadel.spawn(async (self) => void (await self.receive()))
      const pids = [await make(), await make(), await make()]
      const seen: (number | undefined)[] = []
      await registry.register('k', pids[0]!)
      seen.push(registry.lookup('k')?.epoch)
      await registry.replace('k', pids[0]!, pids[1]!)
      seen.push(registry.lookup('k')?.epoch)
      await registry.register('k', pids[2]!, { force: true })
      seen.push(registry.lookup('k')?.epoch)
      return { seen, isLast: registry.findByKey('k')?.equals(pids[2]!) }
    })
    expect(result.isLast).toBe(true)
    expect(result.seen).toEqual([...new Set(result.seen)].sort((a, b) => a! - b!))
    const forced = await cluster.node(2).run(async ({ citadel }) => {
      const pid = await citadel.spawn(async (self) => void (await self.receive()))
      // On a busy machine the owner's lease may end meanwhile: then etcd frees the key a little later.
      await citadel.registry.register('k', pid, { force: true, timeoutMs: 20_000 })
      return citadel.registry.lookup('k')?.epoch
    })
    expect(forced).toBeGreaterThan(result.seen.at(-1)!)
  })

  test('three nodes: while etcd is away for longer than a lease owners end, others go on, and all is back afterwards', async () => {
    await startKeyed()
    const before = await tokens(1)
    await cluster.node(1).run(async ({ citadel, kept }) => {
      const owner = await citadel.spawn(async (self) => void (await self.receive()))
      const other = await citadel.spawn(async (self) => void (await self.receive()))
      await citadel.registry.register('owned', owner)
      kept.set('reason', citadel.whenEnded(owner))
      kept.set('other', other)
    })
    await etcd.servers[0]!.kill()
    const reason = await cluster.node(1).run(({ kept }) => kept.get('reason') as Promise<unknown>)
    expect(reason).toBe('lease_lost')
    await eventually(async () => (await cluster.running()).length === 0, { what: 'no owner left' })
    const isAlive = await cluster
      .node(1)
      .run(({ citadel, kept }) => citadel.isAlive(kept.get('other') as never))
    expect(isAlive).toBe(true)
    expect(cluster.alive).toHaveLength(3)
    const code = await cluster.node(2).run(async ({ citadel }) => {
      const pid = await citadel.spawn(async (self) => void (await self.receive()))
      return citadel.registry.register('new', pid).then(String, (error) => error.code)
    })
    expect(code).toBe('unavailable')
    await etcd.servers[0]!.restart()
    await eventually(isWhole, { timeoutMs: 60_000, everyMs: 50, what: 'one of each' })
    const isLater = async () => (await tokens(1)).every((token, at) => token > before[at]!)
    await eventually(isLater, { timeoutMs: 30_000, what: 'later tokens' })
  })

  test('a node with another prefix is not taken into the cluster', async () => {
    const arbiter = { type: 'etcd', endpoints: etcd.endpoints, prefix: 'other/' } as const
    const stranger = await cluster.prepare('n9', { arbiter, supervise: false })
    await stranger.run(({ citadel }, to) => citadel.connect(to), cluster.node(1).name)
    const isSaid = () => stranger.log.some((line) => /has another arbiter/.test(line))
    await eventually(isSaid, { what: 'it is said' })
    await eventually(
      async () => (await stranger.run(({ citadel }) => citadel.nodes())).length === 0,
    )
  })
})
