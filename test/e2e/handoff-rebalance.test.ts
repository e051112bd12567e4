/** When children move by themselves, when they are told to, and what is told about it. */
import { afterEach, describe, expect, test } from 'vitest'
import { type ChildEvent, type HandoffStep, leastChildren } from '../../src/index.js'
import { eventually } from '../support/eventually.js'
import { LocalCluster, type LocalNode } from '../support/local-cluster.js'
import { Settled, Tally } from '../support/tally.js'

let cluster: LocalCluster

afterEach(() => cluster?.stop())

const modules = { Tally, Settled }

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

/** Starts children that count from their id. */
async function start({ workers }: LocalNode, ids: readonly number[]): Promise<void> {
  await Promise.all(ids.map((id) => workers.startChild(Tally, [id, {}], { id })))
  await Promise.all(ids.map((id) => workers.child<Tally>(id).call('add', id)))
}

const of = <T extends ChildEvent['type']>({ events }: LocalNode, type: T) =>
  events.filter((event): event is ChildEvent & { type: T } => event.type === type)

/** Every child has the state that it was started with. */
async function haveState({ workers }: LocalNode, ids: readonly number[]): Promise<void> {
  const values = await Promise.all(ids.map((id) => workers.child<Tally>(id).call('value')))
  expect(values).toEqual(ids)
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('two nodes, the second joins later', () => {
  test('two nodes: auto: its share comes to it by itself, with state, and nothing else', async () => {
    cluster = await LocalCluster.start(1, { modules, settleMs: 20 })
    const [first] = cluster.nodes as [LocalNode]
    const ids = numbers(80)
    await start(first, ids)
    await first.workers.startChild(Settled, [], { id: 'settled' })
    const callers = cluster
      .callers()
      .add(4, ids, (id) => first.workers.child<Tally>(id).call('value'))
    const second = await cluster.add('n2')
    await cluster.settled()
    const share = ids.filter((id) => first.workers.nodeFor(id) === second.name)
    expect(share.length).toBeGreaterThan(10)
    await eventually(() => second.workers.localChildren().size === share.length)
    await cluster.eachOnce([...ids, 'settled'])
    expect(new Set(second.workers.localChildren().keys())).toEqual(new Set(share))
    await haveState(second, ids)
    expect((await callers.stop()).failures).toEqual([])
    await eventually(() => of(first, 'moved').length === share.length)
    expect(new Set(of(first, 'moved').map(({ id }) => id))).toEqual(new Set(share))
    expect(of(first, 'stayed')).toEqual([])
  })

  test('two nodes: plan() names a child until it has come', async () => {
    const taking: (() => void)[] = []
    class Slow extends Tally {
      override takeover(): Promise<void> {
        return new Promise((resolve) => taking.push(resolve))
      }
    }
    cluster = await LocalCluster.start(2, { modules: { Slow }, rebalance: 'manual' })
    const [first, second] = cluster.nodes as [LocalNode, LocalNode]
    await first.workers.startChild(Slow, ['x', {}], { id: 'x' })
    await cluster.known('x')
    const from = cluster.place('x')
    const to = [first, second].find(({ name }) => name !== from)!.name
    const move = first.workers.moveChild('x', to)
    await eventually(() => taking.length === 1)
    for (const { workers } of cluster.nodes)
      expect(await workers.plan()).toEqual([{ id: 'x', from, to }])
    taking[0]!()
    expect(await move).toBe(true)
    const back = { id: 'x', from: to, to: from }
    for (const { workers } of cluster.nodes) expect(await workers.plan()).toEqual([back])
  })

  test('two nodes: manual: nothing moves by itself, plan() says what would, and rebalance() does it', async () => {
    cluster = await LocalCluster.start(1, { modules, rebalance: 'manual', settleMs: 0 })
    const [first] = cluster.nodes as [LocalNode]
    const ids = numbers(60)
    await start(first, ids)
    const second = await cluster.add('n2')
    await cluster.settled()
    await pause(100)
    expect(second.workers.localChildren().size).toBe(0)
    const share = ids.filter((id) => first.workers.nodeFor(id) === second.name)
    for (const { workers } of cluster.nodes) {
      const plan = await workers.plan()
      expect(plan.map(({ id }) => id).sort()).toEqual([...share].sort())
      expect(new Set(plan.map(({ from, to }) => `${from} ${to}`))).toEqual(
        new Set([`${first.name} ${second.name}`]),
      )
    }
    // Asked for on the node that has nothing to give.
    expect(await second.workers.rebalance()).toEqual({ moved: share.length, failed: 0 })
    expect(await first.workers.plan()).toEqual([])
    await cluster.eachOnce(ids)
    await haveState(first, ids)
    for (const node of cluster.nodes) {
      await eventually(() => of(node, 'moved').length === share.length)
      const { moved, failed, total } = of(node, 'progress').at(-1)!
      expect({ moved, failed, total }).toEqual({
        moved: share.length,
        failed: 0,
        total: share.length,
      })
      expect(of(node, 'progress').every(({ task }) => task === 'rebalance')).toBe(true)
    }
    for (const { from, node, hasState } of of(second, 'moved')) {
      expect([from, node, hasState]).toEqual([first.name, second.name, true])
    }
    expect(await first.workers.rebalance()).toEqual({ moved: 0, failed: 0 })
  })

  test('two nodes: one that comes and goes before the members have settled moves nothing', async () => {
    const settleMs = 1_000
    cluster = await LocalCluster.start(1, { modules, settleMs })
    const [first] = cluster.nodes as [LocalNode]
    const ids = numbers(30)
    await start(first, ids)
    const pids = ids.map((id) => String(first.workers.lookup(id)))
    const flap = async (name: string): Promise<number> => {
      const before = performance.now()
      const flapping = await cluster.add(name)
      await cluster.settled()
      await cluster.leave(flapping)
      await cluster.settled()
      return performance.now() - before
    }
    let quick = 0
    for (const name of ['n2', 'n2', 'n3']) if ((await flap(name)) < settleMs) quick++
    // On a machine so slow that none was in time there is nothing to see.
    if (quick < 3) return
    await pause(settleMs * 1.5)
    expect(of(first, 'moved')).toEqual([])
    expect(ids.map((id) => String(first.workers.lookup(id)))).toEqual(pids)
    await haveState(first, ids)
  })

  test('two nodes: movesMax: so many are on the move at one time, and no more', async () => {
    class Slow extends Tally {
      override async handoff(): Promise<unknown> {
        await this.citadel.sleep(5)
        return super.handoff()
      }
    }
    let moving = 0
    let most = 0
    const onStep = (step: HandoffStep): void => {
      if (step === 'quiet') most = Math.max(most, ++moving)
      if (step === 'forwarding') moving--
    }
    const options = { modules: { Slow }, rebalance: 'manual', movesMax: 3, onStep } as const
    cluster = await LocalCluster.start(1, options)
    const [first] = cluster.nodes as [LocalNode]
    const ids = numbers(60)
    await Promise.all(ids.map((id) => first.workers.startChild(Slow, [id, {}], { id })))
    await cluster.add('n2')
    await cluster.settled()
    const { moved } = await first.workers.rebalance()
    expect(moved).toBeGreaterThan(10)
    expect(most).toBe(3)
    expect(moving).toBe(0)
    await cluster.eachOnce(ids)
  })

  test('two nodes: those that fail to move are counted, and tried again by nobody when it is manual', async () => {
    class Stubborn extends Tally {
      override handoff(): unknown {
        throw new Error('not I')
      }
    }
    const options = { modules: { Tally, Stubborn }, rebalance: 'manual' } as const
    cluster = await LocalCluster.start(1, options)
    const [first] = cluster.nodes as [LocalNode]
    const ids = numbers(40)
    await start(first, ids)
    const stubborn = ids.map((id) => `stubborn ${id}`)
    await Promise.all(stubborn.map((id) => first.workers.startChild(Stubborn, [id], { id })))
    const second = await cluster.add('n2')
    await cluster.settled()
    const there = (id: unknown): boolean => first.workers.nodeFor(id) === second.name
    const [willing, unwilling] = [ids.filter(there), stubborn.filter(there)]
    expect(await second.workers.rebalance()).toEqual({
      moved: willing.length,
      failed: unwilling.length,
    })
    await cluster.eachOnce([...ids, ...stubborn])
    await eventually(() => of(second, 'stayed').length === unwilling.length)
    expect(new Set(of(second, 'stayed').map(({ id }) => id))).toEqual(new Set(unwilling))
    const isOver = (): boolean => {
      const { moved = 0, failed = 0, total } = of(second, 'progress').at(-1) ?? {}
      return moved === willing.length && failed === unwilling.length && total === moved + failed
    }
    await eventually(isOver, { what: 'it is told how many have moved and how many have not' })
  })
})

describe('three nodes', () => {
  test('three nodes: auto: two join together under load, and every call is answered once', async () => {
    cluster = await LocalCluster.start(1, { modules, settleMs: 20, movesMax: 8 })
    const [first] = cluster.nodes as [LocalNode]
    const ids = numbers(120)
    await Promise.all(ids.map((id) => first.workers.startChild(Tally, [id, {}], { id })))
    const pids = new Map(ids.map((id) => [id as unknown, first.workers.lookup(id)!]))
    const callers = cluster.callers()
    callers.add(6, ids, (id) => first.workers.child<Tally>(id).call('add', 1))
    callers.add(6, ids, (id) =>
      first.citadel.call(pids.get(id) as never, 'add' as never, 1 as never),
    )
    const others = [await cluster.add('n2'), await cluster.add('n3')]
    await cluster.settled()
    for (const { workers } of others) {
      callers.add(4, ids, (id) => workers.child<Tally>(id).call('add', 1))
    }
    await eventually(async () => (await first.workers.plan()).length === 0)
    for (const { workers } of others) {
      await eventually(() => workers.localChildren().size > 20)
    }
    const { answered, failures } = await callers.stop()
    expect(failures).toEqual([])
    await cluster.eachOnce(ids)
    for (const id of ids) {
      const value = await first.workers.child<Tally>(id).call('value')
      expect([id, value]).toEqual([id, answered.get(id) ?? 0])
    }
  })

  test('three nodes: a sticky placement leaves what runs where it is, and moveChild moves it for good', async () => {
    const placement = leastChildren.with({ maxSkew: Number.POSITIVE_INFINITY })
    const options = { modules, placement, settleMs: 0 }
    cluster = await LocalCluster.start(2, options)
    const [first, second] = cluster.nodes as [LocalNode, LocalNode]
    const ids = numbers(20)
    await start(first, ids)
    const third = await cluster.add('n3')
    await cluster.settled()
    await pause(100)
    expect(await first.workers.plan()).toEqual([])
    expect(third.workers.localChildren().size).toBe(0)
    expect(await second.workers.moveChild(7, third.name)).toBe(true)
    await cluster.known(7, third)
    await cluster.add('n4')
    await cluster.settled()
    await pause(100)
    expect(cluster.place(7)).toBe(third.name)
    await cluster.eachOnce(ids)
    await haveState(third, ids)
  })

  test('three nodes: roles: children go only to nodes that have the role, by starts, moves and drains', async () => {
    const role = 'rooms'
    const options = { modules, role, rebalance: 'manual' } as const
    cluster = await LocalCluster.start(1, { ...options, node: { roles: [role] } })
    const [first] = cluster.nodes as [LocalNode]
    const bare = await cluster.add('n2', { node: { roles: [] } })
    const third = await cluster.add('n3')
    await cluster.settled()
    const ids = numbers(40)
    await start(bare, ids)
    expect(bare.workers.localChildren().size).toBe(0)
    expect(third.workers.localChildren().size).toBeGreaterThan(5)
    const move = bare.workers.moveChild(1, bare.name)
    await expect(move).rejects.toMatchObject({ code: 'no_placement' })
    expect(await bare.workers.plan()).toEqual([])
    await cluster.leave(first)
    await cluster.settled()
    await eventually(() => third.workers.localChildren().size === ids.length)
    await haveState(bare, ids)
    // Nobody is left that has the role: they wait for one.
    await cluster.leave(third)
    await eventually(() => bare.workers.counts().orphans === ids.length)
    expect(bare.workers.localChildren().size).toBe(0)
    await cluster.add('n4', { node: { roles: [role] } })
    await cluster.eachOnce(ids)
    expect(bare.workers.localChildren().size).toBe(0)
  })
})
