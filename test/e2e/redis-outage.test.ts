/** Redis is a hint: a cluster that runs goes on without it, and grows again when it is back. */
import { afterEach, describe, expect, test } from 'vitest'
import { numbers, TestCluster, type TestNode } from '../support/cluster.js'
import { eventually } from '../support/eventually.js'
import { type RedisServer, redisMissing, startRedis } from '../support/redis.js'

const OUTAGE_MS = 20_000

const connectedTo = (node: TestNode): Promise<string[]> =>
  node.run(({ citadel }) => citadel.nodes())
const membersOf = (node: TestNode): Promise<string[]> =>
  node.run(({ citadel }) => citadel.members())

describe.skipIf(redisMissing())('a cluster that finds itself through Redis', () => {
  let cluster: TestCluster
  let redis: RedisServer

  afterEach(async () => {
    await cluster.stop()
    await redis.stop()
  })

  async function startCluster(names: readonly string[]): Promise<void> {
    redis = await startRedis()
    cluster = await TestCluster.empty({ discovery: redis.url, domain: 'shop' })
    await Promise.all(names.map((name) => cluster.add(name)))
    await cluster.settled()
  }

  test('three nodes: Redis is down for twenty seconds and comes back empty; nothing dies, nothing is lost, and a new node joins', async () => {
    await startCluster(['n1', 'n2', 'n3'])
    const names = ['n1@127.0.0.1', 'n2@127.0.0.1', 'n3@127.0.0.1']
    const first = cluster.node(1)
    expect(await membersOf(first)).toEqual(names)
    expect(await first.run(({ citadel }) => citadel.joinCluster())).toEqual([true, true, true])
    const ids = numbers(60)
    await cluster.startChildren(ids)
    const starts = cluster.journal().length
    await first.run(async ({ citadel, Worker }) => {
      await citadel.registry.register('kept', await citadel.spawn(Worker, ['kept']))
    })

    await redis.kill()
    const downAt = performance.now()
    // Everything but finding new nodes works meanwhile, all the time.
    let rounds = 0
    while (performance.now() - downAt < OUTAGE_MS) {
      const node = cluster.nodes[rounds++ % 3]!
      const id = `during ${rounds}`
      await node.run(async ({ citadel, workers, Worker, sleep }, child) => {
        await workers.startChild(Worker, [child], { id: child })
        await citadel.registry.register(child, await citadel.spawn(Worker, [child]))
        const kept = citadel.registry.findByKey('kept')
        await citadel.call(kept as never, 'next' as never)
        await sleep(250)
      }, id)
    }
    expect(await membersOf(first)).toEqual(names)
    await redis.restart()

    for (const node of cluster.nodes) {
      expect(await node.run(({ events }) => events.map(({ type }) => type))).toEqual(['up', 'up'])
      expect(await node.run(({ citadel }) => citadel.registry.size)).toBe(rounds + 1)
      expect(node.log.filter((line) => /redis/i.test(line)).length).toBeLessThanOrEqual(2)
    }
    expect(
      await first.run(({ citadel }) => {
        return citadel.call(citadel.registry.findByKey('kept') as never, 'next' as never)
      }),
    ).toBe(rounds + 1)
    const inits = cluster
      .journal()
      .slice(starts)
      .filter(({ what }) => what === 'init')
    expect(inits).toHaveLength(1 + 2 * rounds)

    const added = await cluster.add('n4')
    await cluster.settled()
    await eventually(async () => (await membersOf(added)).length === 4)
    expect(await membersOf(first)).toEqual([...names, 'n4@127.0.0.1'])
    expect(await added.run(({ workers }) => workers.members().size)).toBe(60 + rounds)
    expect(await added.run(({ citadel }) => citadel.joinCluster())).toEqual([
      true,
      true,
      true,
      true,
    ])
  })

  test('two nodes: started while Redis is down, they say so and find each other when it is there', async () => {
    redis = await startRedis()
    await redis.kill()
    cluster = await TestCluster.empty({ discovery: redis.url, domain: 'shop' })
    await Promise.all([cluster.add('n1'), cluster.add('n2')])
    for (const node of cluster.nodes) {
      await eventually(() => node.log.some((line) => line.includes('Redis')))
      expect(node.log.find((line) => line.includes('Redis'))).toMatch(/^warn .*ECONNREFUSED/)
      expect(await connectedTo(node)).toEqual([])
      await expect(membersOf(node)).rejects.toMatchObject({ code: 'discovery_failed' })
      await cluster.startChildren([`alone on ${node.name}`], [node])
    }
    await redis.restart()
    await cluster.settled()
    await eventually(async () => (await membersOf(cluster.node(1))).length === 2)
    await eventually(
      async () => (await cluster.node(1).run(({ workers }) => workers.members().size)) === 2,
    )
  })

  test('two nodes: a frozen Redis holds nobody up', async () => {
    await startCluster(['n1', 'n2'])
    redis.freeze()
    const [first, second] = cluster.nodes as [TestNode, TestNode]
    await first.run(({ transport }) => transport.reset())
    await cluster.settled()
    await cluster.startChildren(numbers(10))
    await second.stop()
    await eventually(async () => (await cluster.running()).length === 10)
    expect(await first.deaths()).toEqual([second.name])
    redis.thaw()
  })
})
