/** A node that leaves in order: nobody who calls its children notices, and no state is lost. */
import { afterEach, describe, expect, test } from 'vitest'
import { Down, type Pid } from '../../src/index.js'
import { eventually } from '../support/eventually.js'
import { LocalCluster, type LocalNode } from '../support/local-cluster.js'
import { Settled, Tally } from '../support/tally.js'

let cluster: LocalCluster

afterEach(() => cluster?.stop())

class Slow extends Tally {
  override async handoff(): Promise<unknown> {
    await this.citadel.sleep(10)
    return super.handoff()
  }
}

class Stuck extends Tally {
  override handoff(): unknown {
    return new Promise(() => {})
  }
}

const modules = { Tally, Settled, Slow, Stuck }

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

const start = (
  { workers }: LocalNode,
  module: keyof typeof modules,
  ids: readonly unknown[],
  options = {},
): Promise<unknown> =>
  Promise.all(ids.map((id) => workers.startChild(module, [id, options], { id })))

/** The pids of all children, as they are now. */
const pidsOf = ({ workers }: LocalNode): Map<unknown, Pid<Tally>> =>
  workers.members() as Map<unknown, Pid<Tally>>

describe('a node that is stopped', () => {
  test('three nodes: callers by handle, by key and by old pid, on the other nodes: not one call fails', async () => {
    cluster = await LocalCluster.start(3, { modules })
    const [first, second, third] = cluster.nodes as [LocalNode, LocalNode, LocalNode]
    const ids = numbers(90)
    await start(first, 'Tally', ids, { keyed: true })
    for (const { workers, citadel } of cluster.nodes) {
      await eventually(() => workers.counts().running === 90 && citadel.registry.size === 90)
    }
    const pids = new Map(pidsOf(second))
    const callers = cluster.callers()
    for (const { citadel, workers } of [second, third]) {
      callers.add(5, ids, (id) => workers.child<Tally>(id).call('add', 1))
      callers.add(5, ids, (id) => citadel.call({ key: `key ${id}` }, 'add' as never, 1 as never))
      callers.add(5, ids, (id) => citadel.call(pids.get(id)!, 'add', 1))
    }
    await eventually(() => callers.answered > 200)
    const leaving = first.workers.localChildren().size
    expect(leaving).toBeGreaterThan(10)
    await cluster.leave(first)
    const before = callers.answered
    await eventually(() => callers.answered > before + 200)
    const { answered, failures } = await callers.stop()
    expect(failures).toEqual([])
    await cluster.eachOnce(ids)
    for (const id of ids) {
      const value = await third.workers.child<Tally>(id).call('value')
      expect([id, value]).toEqual([id, answered.get(id) ?? 0])
    }
    const moved = second.events.filter(({ type }) => type === 'moved')
    expect(moved).toHaveLength(leaving)
    const progress = second.events.filter((event) => event.type === 'progress').at(-1)
    const all = { moved: leaving, failed: 0, total: leaving }
    expect(progress).toMatchObject({ task: 'drain', node: first.name, ...all })
    expect(second.citadel.registry.size).toBe(ids.length)
  })

  test('three nodes: two stop at the same moment, and the third has all children with their state', async () => {
    cluster = await LocalCluster.start(3, { modules })
    const [first, second, third] = cluster.nodes as [LocalNode, LocalNode, LocalNode]
    const ids = numbers(90)
    await start(first, 'Tally', ids)
    const callers = cluster.callers()
    callers.add(8, ids, (id) => third.workers.child<Tally>(id).call('add', 1))
    await eventually(() => callers.answered > 200)
    await Promise.all([cluster.leave(first), cluster.leave(second)])
    await cluster.eachOnce(ids)
    const { answered, failures } = await callers.stop()
    expect(failures).toEqual([])
    for (const id of ids) {
      const value = await third.workers.child<Tally>(id).call('value')
      expect([id, value]).toEqual([id, answered.get(id) ?? 0])
    }
  })

  test('three nodes: stops while its share of a rebalance is still on its way to it', async () => {
    cluster = await LocalCluster.start(2, { modules, settleMs: 0, movesMax: 4 })
    const [first, second] = cluster.nodes as [LocalNode, LocalNode]
    const ids = numbers(80)
    await start(first, 'Slow', ids)
    const callers = cluster.callers()
    callers.add(8, ids, (id) => first.workers.child<Tally>(id).call('add', 1))
    const third = await cluster.add('n3')
    await eventually(() => third.workers.localChildren().size > 0)
    await cluster.leave(third)
    await cluster.settled()
    await eventually(async () => (await first.workers.plan()).length === 0)
    const { answered, failures } = await callers.stop()
    expect(failures).toEqual([])
    await cluster.eachOnce(ids)
    for (const id of ids) {
      const value = await second.workers.child<Tally>(id).call('value')
      expect([id, value]).toEqual([id, answered.get(id) ?? 0])
    }
  })

  test('two nodes: gets no new child while it drains, whoever starts it, and says where it belongs', async () => {
    cluster = await LocalCluster.start(2, { modules, movesMax: 2 })
    const [first, second] = cluster.nodes as [LocalNode, LocalNode]
    const ids = numbers(40)
    await start(first, 'Slow', ids)
    const here = new Set(first.workers.localChildren().keys())
    expect(here.size).toBeGreaterThan(10)
    const stopping = cluster.leave(first)
    await eventually(() => second.workers.nodeFor('any') === second.name)
    await eventually(() => second.workers.nodeFor('other') === second.name)
    const added = numbers(30).map((n) => `added ${n}`)
    await start(second, 'Tally', added)
    await start(first, 'Tally', ['from there']).catch(() => undefined)
    for (const id of first.workers.localChildren().keys()) expect(here).toContain(id)
    expect(first.workers.localChildren().size).toBeGreaterThan(0)
    const move = second.workers.moveChild(added[0], first.name)
    await expect(move).rejects.toMatchObject({ code: 'no_placement' })
    await stopping
    for (const id of added) expect(second.workers.lookup(id)?.node).toBe(second.name)
  })

  test('two nodes: a class without handoff stays when a node joins, and starts anew elsewhere on drain', async () => {
    cluster = await LocalCluster.start(1, { modules, settleMs: 0 })
    const [first] = cluster.nodes as [LocalNode]
    const ids = numbers(30)
    await start(first, 'Settled', ids)
    await Promise.all(ids.map((id) => first.workers.child<Settled>(id).call('add', 7)))
    const second = await cluster.add('n2')
    await cluster.settled()
    expect(await first.workers.plan()).toEqual([])
    await second.workers.rebalance()
    expect(first.workers.localChildren().size).toBe(ids.length)
    const pid = second.workers.lookup(0) as Pid<Settled>
    const root = first.citadel.self as Pid
    const busy = first.workers.child<Settled>(0).call('rest', 50, root)
    expect(await first.citadel.receive()).toBe('rests')
    const waiting = [
      second.workers.child<Settled>(0).call('where'),
      second.citadel.call(pid, 'where'),
    ]
    await cluster.leave(first)
    expect(await busy).toBe(first.name)
    expect(await Promise.all(waiting)).toEqual([second.name, second.name])
    await cluster.eachOnce(ids)
    const counts = await Promise.all(
      ids.map((id) => second.workers.child<Settled>(id).call('add', 1)),
    )
    expect(counts).toEqual(ids.map(() => 1))
  })

  test('two nodes: what cannot be handed over within the budget begins anew on the other one', async () => {
    cluster = await LocalCluster.start(1, { modules, rebalance: 'manual' })
    const [first] = cluster.nodes as [LocalNode]
    await start(first, 'Stuck', ['stuck'])
    const ids = numbers(10)
    await start(first, 'Tally', ids)
    for (const id of ['stuck', ...ids]) await first.workers.child<Tally>(id).call('add', 5)
    const second = await cluster.add('n2')
    await cluster.settled()
    await cluster.leave(first, 1_000)
    await cluster.eachOnce(['stuck', ...ids])
    expect(await second.workers.child<Tally>('stuck').call('value')).toBe(0)
    for (const id of ids) expect(await second.workers.child<Tally>(id).call('value')).toBe(5)
  })

  test('two nodes: one that is given all the time in the world hands everything over', async () => {
    cluster = await LocalCluster.start(1, { modules, rebalance: 'manual' })
    const [first] = cluster.nodes as [LocalNode]
    const ids = numbers(10)
    await start(first, 'Slow', ids)
    for (const id of ids) await first.workers.child<Tally>(id).call('add', 5)
    const second = await cluster.add('n2')
    await cluster.settled()
    await cluster.leave(first, Number.POSITIVE_INFINITY)
    await cluster.eachOnce(ids)
    for (const id of ids) expect(await second.workers.child<Tally>(id).call('value')).toBe(5)
  })

  test('two nodes: one that is given no time at all leaves its children to the other one, all the same', async () => {
    cluster = await LocalCluster.start(2, { modules })
    const [first, second] = cluster.nodes as [LocalNode, LocalNode]
    const ids = numbers(40)
    await start(first, 'Tally', ids)
    await start(first, 'Settled', ['settled'])
    await cluster.leave(first, 0)
    await cluster.eachOnce([...ids, 'settled'])
    expect(second.workers.counts()).toMatchObject({ specs: 41, running: 41, orphans: 0 })
  })

  test('one node: nobody is there to hand over to, and it stops at once', async () => {
    cluster = await LocalCluster.start(1, { modules })
    const [first] = cluster.nodes as [LocalNode]
    await start(first, 'Tally', numbers(20))
    const before = performance.now()
    await cluster.leave(first)
    expect(performance.now() - before).toBeLessThan(10_000)
  })

  test('two nodes: who monitors an old pid hears where the child runs, and who is linked lives on', async () => {
    cluster = await LocalCluster.start(1, { modules, rebalance: 'manual' })
    const [first] = cluster.nodes as [LocalNode]
    const pid = await first.workers.startChild(Tally, ['x', {}], { id: 'x' })
    const second = await cluster.add('n2')
    await cluster.settled()
    const heard: unknown[] = []
    await second.citadel.spawn(async (self) => {
      self.monitor(pid)
      for (;;) heard.push(await self.receive())
    })
    const linked = await second.citadel.spawn(async (self) => {
      self.link(pid as Pid)
      await self.receive(() => false)
    })
    expect(await second.citadel.call(pid, 'where')).toBe(first.name)
    await cluster.leave(first)
    await eventually(() => heard.length === 1)
    expect(heard[0]).toBeInstanceOf(Down)
    expect(heard[0]).toMatchObject({ pid, reason: { moved: second.workers.lookup('x') } })
    expect(second.citadel.isAlive(linked)).toBe(true)
    expect(await second.citadel.call(pid, 'where')).toBe(second.name)
  })
})

describe('a supervisor that is left', () => {
  test('two nodes: drain() hands all children over, and the node goes on as one that only calls', async () => {
    cluster = await LocalCluster.start(2, { modules })
    const [first, second] = cluster.nodes as [LocalNode, LocalNode]
    const ids = numbers(40)
    await start(first, 'Tally', ids, { group: 'all' })
    const pids = new Map(pidsOf(first))
    const callers = cluster.callers()
    callers.add(6, ids, (id) => second.workers.child<Tally>(id).call('add', 1))
    for (const { citadel } of cluster.nodes) {
      callers.add(6, ids, (id) => citadel.call(pids.get(id)!, 'add', 1))
    }
    await eventually(() => callers.answered > 200)
    await first.workers.drain()
    expect(first.workers.localChildren().size).toBe(0)
    expect(second.workers.localChildren().size).toBe(ids.length)
    expect(second.workers.nodes()).toEqual([second.name])
    const before = callers.answered
    await eventually(() => callers.answered > before + 200)
    const { answered, failures } = await callers.stop()
    expect(failures).toEqual([])
    for (const id of ids) {
      const value = await second.workers.child<Tally>(id).call('value')
      expect([id, value]).toEqual([id, answered.get(id) ?? 0])
    }
    expect(first.citadel.groups.members('all').map(({ node }) => node)).toEqual(
      ids.map(() => second.name),
    )
    // It can come back.
    const again = await first.citadel.supervisor('workers', { modules, settleMs: 0 })
    await eventually(() => again.localChildren().size > 5)
    await eventually(() => again.localChildren().size + second.workers.localChildren().size === 40)
  })
})
