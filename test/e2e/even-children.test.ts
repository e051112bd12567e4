/** A placement that counts keeps its children even when nodes come and go. */
import { afterEach, describe, expect, test } from 'vitest'
import { leastChildren, pinned } from '../../src/index.js'
import { eventually } from '../support/eventually.js'
import { LocalCluster, type LocalNode } from '../support/local-cluster.js'
import { Settled, Tally } from '../support/tally.js'

let cluster: LocalCluster

afterEach(() => cluster?.stop())

const modules = { Tally, Settled }
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
const ids = numbers(64)

const counts = (): number[] => cluster.nodes.map(({ workers }) => workers.localChildren().size)

const apart = (): number => Math.max(...counts()) - Math.min(...counts())

/** Starts children that count from their id, one after another. */
async function start({ workers }: LocalNode, list: readonly number[] = ids): Promise<void> {
  for (const id of list) await workers.startChild(Tally, [id, {}], { id })
  await Promise.all(list.map((id) => workers.child<Tally>(id).call('add', id)))
}

async function haveState({ workers }: LocalNode, list: readonly number[] = ids): Promise<void> {
  const values = await Promise.all(list.map((id) => workers.child<Tally>(id).call('value')))
  expect(values).toEqual(list)
}

/** How often each child has moved, as all nodes have been told. */
async function moves(count: number): Promise<Map<unknown, number>> {
  const times = new Map<unknown, number>()
  const { events } = cluster.nodes[0]!
  const moved = () => events.filter((event) => event.type === 'moved')
  await eventually(() => moved().length >= count, { what: `${count} moves are told` })
  for (const { id } of moved()) times.set(id, (times.get(id) ?? 0) + 1)
  return times
}

const even = (): Promise<boolean> =>
  eventually(() => apart() <= 1 && counts().reduce((sum, one) => sum + one, 0) === ids.length, {
    what: 'the nodes are even',
  })

describe('64 children on two nodes, and two more nodes', () => {
  test('four nodes: manual: plan() shows the moves, and rebalance() makes all even by these alone', async () => {
    const options = { modules, placement: leastChildren, rebalance: 'manual' } as const
    cluster = await LocalCluster.start(2, options)
    const [first, second] = cluster.nodes as [LocalNode, LocalNode]
    await start(first)
    expect(counts()).toEqual([32, 32])
    const [third, fourth] = [await cluster.add('n3'), await cluster.add('n4')]
    await cluster.settled()
    for (const { workers } of cluster.nodes) {
      const plan = await workers.plan()
      expect(new Set(plan.map(({ id }) => id)).size).toBe(32)
      for (const { name } of [first, second]) {
        expect(plan.filter(({ from }) => from === name).length).toBe(16)
      }
      for (const { name } of [third, fourth]) {
        expect(plan.filter(({ to }) => to === name).length).toBe(16)
      }
    }
    const plan = new Set((await third.workers.plan()).map(({ id }) => id))
    expect(await fourth.workers.rebalance()).toEqual({ moved: 32, failed: 0 })
    expect(counts()).toEqual([16, 16, 16, 16])
    expect(await first.workers.plan()).toEqual([])
    expect(await first.workers.rebalance()).toEqual({ moved: 0, failed: 0 })
    const moved = await moves(32)
    expect(new Set(moved.keys())).toEqual(plan)
    expect(new Set(moved.values())).toEqual(new Set([1]))
    await cluster.eachOnce(ids)
    await haveState(first)
  })

  test('four nodes: auto: they become even by themselves, by no more moves than it takes', async () => {
    const options = { modules, placement: leastChildren, settleMs: 20, movesMax: 3 }
    cluster = await LocalCluster.start(2, options)
    const [first] = cluster.nodes as [LocalNode]
    await start(first)
    await even()
    const before = first.events.filter(({ type }) => type === 'moved').length
    await Promise.all([cluster.add('n3'), cluster.add('n4')])
    await cluster.settled()
    await even()
    await eventually(async () => (await first.workers.plan()).length === 0)
    expect(apart()).toBeLessThanOrEqual(1)
    await cluster.eachOnce(ids)
    await haveState(first)
    const moved = await moves(before + 32)
    const times = [...moved.values()].reduce((sum, one) => sum + one, 0)
    // 32, or 38 if the third was filled before the fourth came.
    expect(times).toBeLessThanOrEqual(before + 40)
    const [, , third] = cluster.nodes as [LocalNode, LocalNode, LocalNode]
    await cluster.leave(third)
    await cluster.settled()
    await even()
    await haveState(first)
  })

  test('four nodes: with a maxSkew of 8 they come to be eight apart, and no nearer', async () => {
    const placement = leastChildren.with({ maxSkew: 8 })
    cluster = await LocalCluster.start(2, { modules, placement, rebalance: 'manual' })
    const [first] = cluster.nodes as [LocalNode]
    await start(first)
    await cluster.add('n3')
    await cluster.add('n4')
    await cluster.settled()
    await first.workers.rebalance()
    expect(counts().sort()).toEqual([12, 12, 20, 20])
  })
})

describe('who gets what', () => {
  test('three nodes: by weight, with the role, not what is pinned, not what has no handoff', async () => {
    const placement = pinned(new Map(numbers(4).map((id) => [id, 'n1@127.0.0.1'])), leastChildren)
    const options = { modules, placement, role: 'rooms', rebalance: 'manual' } as const
    cluster = await LocalCluster.start(1, { ...options, node: { roles: ['rooms'] } })
    const [first] = cluster.nodes as [LocalNode]
    const list = numbers(10)
    await start(first, list)
    await first.workers.startChild(Settled, [], { id: 'stays' })
    await first.workers.startChild(Settled, [], { id: 'stays too' })
    const second = await cluster.add('n2', { node: { roles: ['rooms'] }, weight: 3 })
    const third = await cluster.add('n3', { node: { roles: [] } })
    await cluster.settled()
    const { moved, failed } = await third.workers.rebalance()
    expect({ moved, failed }).toEqual({ moved: 6, failed: 0 })
    expect(counts()).toEqual([6, 6, 0])
    expect([...second.workers.localChildren().keys()].sort()).toEqual([4, 5, 6, 7, 8, 9])
    await haveState(third, list)
  })

  test('two nodes: in the place of those that fail to move others go', async () => {
    class Stubborn extends Tally {
      override handoff(): unknown {
        if (this.count < 6) throw new Error('not I')
        return super.handoff()
      }
    }
    const options = {
      modules: { Stubborn },
      placement: leastChildren,
      rebalance: 'manual',
    } as const
    cluster = await LocalCluster.start(1, options)
    const [first] = cluster.nodes as [LocalNode]
    const list = numbers(12)
    for (const id of list) await first.workers.startChild(Stubborn, [id], { id })
    await Promise.all(list.map((id) => first.workers.child<Tally>(id).call('add', id)))
    const second = await cluster.add('n2')
    await cluster.settled()
    expect(await second.workers.rebalance()).toEqual({ moved: 6, failed: 0 })
    expect([...second.workers.localChildren().keys()].sort()).toEqual([10, 11, 6, 7, 8, 9])
  })
})

describe('children that are always there', () => {
  test.each([
    ['one node after the other', false],
    ['both at once', true],
  ])('two nodes, %s: static children come out even', async (_, together) => {
    const children = ids.map((id) => ({ module: Tally, args: [id, {}], id }))
    const options = { modules, children, placement: leastChildren, settleMs: 20 }
    cluster = await LocalCluster.start(together ? 2 : 1, options)
    if (!together) {
      await cluster.eachOnce(ids)
      await cluster.add('n2')
    }
    await cluster.settled()
    await even()
    await cluster.eachOnce(ids)
    const [first] = cluster.nodes as [LocalNode]
    await eventually(async () => (await first.workers.plan()).length === 0)
    expect(counts()).toEqual([32, 32])
  })
})
