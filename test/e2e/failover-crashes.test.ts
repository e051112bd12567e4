/** Children that crash: how often and how soon they are started again, where, and when no more. */
import { afterEach, describe, expect, test } from 'vitest'
import type { ChildEvent } from '../../src/index.js'
import { eventually } from '../support/eventually.js'
import { LocalCluster, type LocalNode } from '../support/local-cluster.js'
import { Tally } from '../support/tally.js'

let cluster: LocalCluster

afterEach(() => cluster?.stop())

/** Nodes on which a `Picky` child cannot live. */
const bad = new Set<string>()

/** Crashes as soon as it runs, on a node that it does not like. */
class Picky extends Tally {
  override async init(): Promise<void> {
    if (bad.has(this.citadel.name)) this.citadel.send(this.self, 'crash')
  }
  override handleInfo(message: unknown): void {
    if (message === 'crash') throw new Error('not here')
    super.handleInfo(message)
  }
}

/** Its init fails, but for the first time. */
class Once extends Tally {
  static started = 0
  override async init(): Promise<void> {
    if (Once.started++ > 0) throw new Error('never again')
  }
}

const modules = { Tally, Picky, Once }

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

const of = <T extends ChildEvent['type']>({ events }: LocalNode, type: T) =>
  events.filter((event): event is ChildEvent & { type: T } => event.type === type)

/** Crashes it and waits until it runs again. */
async function crash(node: LocalNode, id: unknown): Promise<void> {
  const before = of(node, 'restarted').length
  node.workers.child<Tally>(id).cast('crash')
  await eventually(() => of(node, 'restarted').length > before)
}

describe('a child that crashes', () => {
  test('one node: the first restart is at once, the next ones wait longer each time', async () => {
    const backoffMs = 60
    cluster = await LocalCluster.start(1, { modules, backoffMs, backoffMaxMs: 130 })
    const [first] = cluster.nodes as [LocalNode]
    await first.workers.startChild(Tally, ['x'], { id: 'x' })
    const waits: number[] = []
    for (let round = 0; round < 5; round++) {
      const before = performance.now()
      await crash(first, 'x')
      waits.push(performance.now() - before)
    }
    // Each may last longer on a busy machine, and is up to a quarter shorter by chance.
    ;[0, 60, 120, 130, 130].forEach((least, round) => {
      expect(waits[round]).toBeGreaterThanOrEqual(least * 0.75 - 2)
    })
    expect(await first.workers.child<Tally>('x').call('value')).toBe(0)
    expect(of(first, 'crashed')).toHaveLength(5)
    expect(of(first, 'crashed')[0]).toMatchObject({ id: 'x', node: first.name })
    expect(of(first, 'crashed')[0]?.reason).toMatchObject({
      error: { message: 'crashed as asked' },
    })
  })

  test('two nodes: a call waits for it to run again', async () => {
    cluster = await LocalCluster.start(2, { modules, backoffMs: 200 })
    const [first, second] = cluster.nodes as [LocalNode, LocalNode]
    await first.workers.startChild(Tally, ['x'], { id: 'x' })
    await crash(first, 'x')
    first.workers.child<Tally>('x').cast('crash')
    await eventually(() => of(first, 'crashed').length === 2)
    await eventually(() => second.workers.lookup('x') === undefined)
    const calls = cluster.nodes.map(({ workers }) => workers.child<Tally>('x').call('add', 1))
    expect((await Promise.all(calls)).sort()).toEqual([1, 2])
  })

  test('two nodes: too often is given up, which is told on both; its id is free, and its neighbours notice nothing', async () => {
    const options = { maxRestarts: 4, maxSeconds: 60, backoffMs: 1, backoffMaxMs: 2 }
    cluster = await LocalCluster.start(2, { modules, ...options })
    const [first, second] = cluster.nodes as [LocalNode, LocalNode]
    const ids = numbers(30)
    await Promise.all(ids.map((id) => first.workers.startChild(Tally, [id], { id })))
    const pids = ids.map((id) => String(first.workers.lookup(id)))
    const callers = cluster.callers()
    callers.add(4, ids, (id) => second.workers.child<Tally>(id).call('add', 1))
    for (const { name } of cluster.nodes) bad.add(name)
    await first.workers.startChild(Picky, [], { id: 'picky' })
    for (const node of cluster.nodes) await eventually(() => of(node, 'gave_up').length === 1)
    expect(of(second, 'gave_up')).toMatchObject([
      { id: 'picky', reason: { error: { message: 'not here' } } },
    ])
    expect(of(first, 'crashed').map(({ id }) => id)).toEqual(Array(5).fill('picky'))
    expect(of(first, 'restarted')).toHaveLength(4)
    await cluster.eachOnce(ids)
    const { answered, failures } = await callers.stop()
    expect(failures).toEqual([])
    expect(ids.map((id) => String(first.workers.lookup(id)))).toEqual(pids)
    for (const id of ids) {
      const value = await first.workers.child<Tally>(id).call('value')
      expect([id, value]).toEqual([id, answered.get(id) ?? 0])
    }
    const errors = cluster.nodes
      .flatMap(({ log }) => log.lines)
      .filter((line) => line.includes('given up'))
    expect(errors).toHaveLength(1)
    const lost = second.workers.child<Tally>('picky').call('value')
    await expect(lost).rejects.toMatchObject({ code: 'noproc' })
    bad.clear()
    await second.workers.startChild(Picky, [], { id: 'picky' })
    await cluster.eachOnce([...ids, 'picky'])
  })

  test('one node: one whose init fails when it is started again is given up like any other', async () => {
    const options = { maxRestarts: 3, maxSeconds: 60, backoffMs: 1, backoffMaxMs: 2 }
    cluster = await LocalCluster.start(1, { modules, ...options })
    const [first] = cluster.nodes as [LocalNode]
    Once.started = 0
    await first.workers.startChild(Once, [], { id: 'once' })
    first.workers.child<Tally>('once').cast('crash')
    await eventually(() => of(first, 'gave_up').length === 1)
    expect(Once.started).toBe(4)
    expect(first.workers.counts()).toMatchObject({ specs: 0, running: 0, local: 0, orphans: 0 })
  })

  test('three nodes: elsewhereAfter: so many crashes on one node, and it runs on another', async () => {
    const options = { elsewhereAfter: 3, maxRestarts: 20, backoffMs: 1, backoffMaxMs: 2 }
    cluster = await LocalCluster.start(3, { modules, ...options })
    const [first] = cluster.nodes as [LocalNode]
    bad.clear()
    const id = 'picky'
    const home = first.workers.nodeFor(id)!
    const next = cluster.nodes.map(({ name }) => name).filter((name) => name !== home)
    bad.add(home)
    await first.workers.startChild(Picky, [], { id })
    await eventually(() => of(first, 'adopted').length === 1)
    expect(next).toContain(of(first, 'adopted')[0]?.node)
    expect(of(first, 'crashed').map(({ node }) => node)).toEqual([home, home, home])
    expect(of(first, 'restarted')).toHaveLength(2)
    await cluster.known(id)
    expect(await first.workers.child<Picky>(id).call('where')).toBe(of(first, 'adopted')[0]?.node)
    // It belongs there from now on.
    expect(first.workers.nodeFor(id)).toBe(of(first, 'adopted')[0]?.node)
    expect(await first.workers.plan()).toEqual([])
    // And from there to the third one.
    bad.add(first.workers.lookup(id)!.node)
    first.workers.child<Picky>(id).send('crash')
    await eventually(() => of(first, 'adopted').length === 2)
    const last = of(first, 'adopted')[1]?.node
    expect(bad).not.toContain(last)
    await cluster.eachOnce([id])
    expect(of(first, 'gave_up')).toEqual([])
    bad.clear()
  })

  test('two nodes: elsewhereAfter where no other node may run it: it is started again where it is', async () => {
    const options = { elsewhereAfter: 1, maxRestarts: 3, backoffMs: 1, backoffMaxMs: 2 }
    cluster = await LocalCluster.start(1, { modules, ...options })
    const [first] = cluster.nodes as [LocalNode]
    await cluster.add('n2', { modules: {} })
    await cluster.settled()
    await first.workers.startChild(Tally, ['x'], { id: 'x' })
    await crash(first, 'x')
    await crash(first, 'x')
    expect(cluster.place('x')).toBe(first.name)
    expect(of(first, 'adopted')).toEqual([])
  })

  test('three nodes: one that has moved is started again where it is now, again and again', async () => {
    const options = { rebalance: 'manual', backoffMs: 1, backoffMaxMs: 2 } as const
    cluster = await LocalCluster.start(3, { modules, ...options })
    const [first] = cluster.nodes as [LocalNode]
    await first.workers.startChild(Tally, ['x'], { id: 'x' })
    for (const node of cluster.nodes) {
      await first.workers.moveChild('x', node.name)
      await cluster.known('x', node)
      for (let round = 0; round < 3; round++) await crash(first, 'x')
      expect(await first.workers.child<Tally>('x').call('where')).toBe(node.name)
    }
    await cluster.eachOnce(['x'])
  })
})
