/** A node that starts looks for others before it decides anything: real Redis, real processes. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Citadel, type DistributedSupervisor, GenServer } from '../../src/index.js'
import { TestCluster, type TestNode } from '../support/cluster.js'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { LogRecorder } from '../support/log-recorder.js'
import { type RedisServer, redisMissing, startRedis } from '../support/redis.js'

const STARTS = 20
const AT_ONCE = 4
const IDS = ['plain 1', 'plain 2', 'carried 1', 'carried 2']
const children = IDS.map((id) => ({
  module: id.startsWith('plain') ? 'Worker' : 'Carried',
  args: [id],
  id,
}))

class Counter extends GenServer {
  count = 0

  next(): number {
    return ++this.count
  }
}

const counts = (node: TestNode): Promise<unknown[]> =>
  node.run(
    ({ workers }, ids) => Promise.all(ids.map((id) => workers.child<never>(id).call('next'))),
    IDS,
  )

describe.skipIf(redisMissing())('the first look around', () => {
  let redis: RedisServer
  let cluster: TestCluster | undefined
  const open: Citadel[] = []

  beforeEach(async () => {
    redis = await startRedis()
  })

  afterEach(async () => {
    await Promise.all(open.splice(0).map((node) => node.stop({ budgetMs: 0 })))
    await cluster?.stop()
    await redis.stop()
  })

  test(`two nodes and more: of ${STARTS} that start with the same static children none ends the running ones`, async () => {
    const supervisor = { children: children as never }
    cluster = await TestCluster.empty({ discovery: redis.url, supervisor })
    const first = await cluster.add('n1')
    const hasAll = () => first.run(({ workers }) => workers.counts().running)
    await eventually(async () => (await hasAll()) === IDS.length)
    let expected = 0
    for (let started = 0; started < STARTS; started += AT_ONCE) {
      const names = Array.from({ length: AT_ONCE }, (_, n) => `s${started + n}`)
      const added = await Promise.all(names.map((name) => cluster!.add(name)))
      for (const node of added) {
        // Its own list is dealt with when it sees the others' children.
        await eventually(() => node.run(({ workers }) => workers.nodes().length > 1))
        expected++
        expect(await counts(node)).toEqual(IDS.map(() => expected))
      }
      await cluster.settled()
      await Promise.all(added.map((node) => node.stop()))
      cluster.forgetDead()
    }
    expect(await counts(first)).toEqual(IDS.map(() => expected + 1))
    expect(first.log.filter((line) => line.includes('two nodes'))).toEqual([])
    const begun = cluster
      .journal()
      .filter(({ what, id }) => what === 'init' && id.startsWith('plain'))
    expect(begun.length).toBe(2)
  }, 600_000)

  test('two nodes: one that has just started finds the children and keys of the other', async () => {
    const start = async (name: string) => {
      const node = await Citadel.start({ ...options, name: `${name}@127.0.0.1` })
      open.push(node)
      return node
    }
    const options = { cookie: 'look', epmdPort: await freePort(), discovery: redis.url }
    const modules = { Counter }
    const n1 = await start('n1')
    const there = await n1.supervisor('counters', { modules })
    for (const id of ['kept', 'ended', 'moved']) await there.startChild(Counter, [], { id })
    const counter = await n1.spawn(Counter)
    for (const key of ['kept', 'freed', 'replaced']) await n1.registry.register(key, counter)

    const requests = [
      (_: Citadel, counters: DistributedSupervisor) => counters.child<Counter>('kept').call('next'),
      (node: Citadel, counters: DistributedSupervisor) =>
        node.call(counters.child<Counter>('kept'), 'next'),
      (_: Citadel, counters: DistributedSupervisor) => counters.terminateChild('ended'),
      (node: Citadel, counters: DistributedSupervisor) => counters.moveChild('moved', node.name),
      (node: Citadel) => node.registry.unregister('freed'),
      (node: Citadel) => node.registry.update('kept', { known: true }),
      (node: Citadel) => node.registry.replace('replaced', counter, counter),
    ]
    const outcomes: unknown[] = []
    for (const [index, request] of requests.entries()) {
      const node = await start(`s${index}`)
      const counters = await node.supervisor('counters', { modules, rebalance: 'manual' })
      outcomes.push(await request(node, counters))
    }
    expect(outcomes).toEqual([1, 2, undefined, true, undefined, undefined, undefined])
    expect(n1.registry.lookup('kept')?.meta).toEqual({ known: true })
    expect(n1.registry.findByKey('freed')).toBeUndefined()
    expect(there.lookup('ended')).toBeUndefined()
  })

  test('one node: a discovery that is down holds its static children up for a few seconds only', async () => {
    await redis.kill()
    const log = new LogRecorder()
    const node = await Citadel.start({
      name: 'n1@127.0.0.1',
      cookie: 'look',
      epmdPort: await freePort(),
      discovery: redis.url,
      logger: log,
    })
    open.push(node)
    const workers = await node.supervisor('workers', {
      modules: { Counter },
      children: [{ module: Counter, id: 1 }],
    })
    expect(workers.lookup(1)).toBeUndefined()
    await eventually(() => workers.lookup(1) !== undefined, { timeoutMs: 10_000 })
    expect(log.lines.join()).toContain('the first look around took longer than')
  })
})
