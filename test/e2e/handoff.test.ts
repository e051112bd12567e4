/** Children move between nodes while they are called: with their state, their keys and their groups. */
import { afterEach, describe, expect, test } from 'vitest'
import type { ChildEvent, HandoffStep, Pid } from '../../src/index.js'
import { eventually } from '../support/eventually.js'
import { LocalCluster, type LocalNode } from '../support/local-cluster.js'
import { Settled, Tally } from '../support/tally.js'

let cluster: LocalCluster

afterEach(() => cluster?.stop())

const MANUAL = { modules: { Tally, Settled }, rebalance: 'manual' } as const

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

const start = (node: LocalNode, ids: readonly unknown[], options = {}): Promise<unknown> =>
  Promise.all(ids.map((id) => node.workers.startChild(Tally, [id, options], { id })))

const moves = (node: LocalNode): ChildEvent[] => node.events.filter(({ type }) => type === 'moved')

/** The node that the child does not run on, of two. */
const other = (id: unknown): LocalNode =>
  cluster.nodes.find(({ name }) => name !== cluster.place(id))!

describe('a child that moves', () => {
  test('three nodes: takes its state, and is found where it is by every node', async () => {
    cluster = await LocalCluster.start(3, MANUAL)
    const [first] = cluster.nodes as [LocalNode]
    const old = await first.workers.startChild(Tally, ['x', {}], { id: 'x' })
    expect(await first.citadel.call(old, 'add', 5)).toBe(5)
    const before = first.workers.epoch('x')
    const to = other('x')
    expect(await first.workers.moveChild('x', to.name)).toBe(true)
    await cluster.known('x', to)
    for (const { citadel, workers } of cluster.nodes) {
      expect(await workers.child<Tally>('x').call('where')).toBe(to.name)
      expect(await workers.child<Tally>('x').call('add', 1)).toBeGreaterThan(5)
      // The old pid means the new process.
      expect(await citadel.call(old as Pid<Tally>, 'where')).toBe(to.name)
      expect(workers.epoch('x')).toBeGreaterThan(before)
    }
    const story = await first.workers.child<Tally>('x').call('story')
    expect(story).toEqual({ cameFrom: old.node, aborted: 0 })
    await cluster.eachOnce(['x'])
    // Moving to where it is already is nothing to do.
    expect(await first.workers.moveChild('x', to.name)).toBe(true)
    await eventually(() => moves(first).length === 1)
  })

  test('three nodes: goes through its steps in order, each on its side', async () => {
    const steps: [HandoffStep, string][] = []
    cluster = await LocalCluster.start(1, {
      ...MANUAL,
      onStep: (step) => steps.push([step, 'n1']),
    })
    await start(cluster.node(1), ['x'])
    for (const name of ['n2', 'n3']) {
      await cluster.add(name, { onStep: (step) => steps.push([step, name]) })
    }
    await cluster.settled()
    await cluster.node(1).workers.moveChild('x', 'n2@127.0.0.1')
    await eventually(() => steps.length === 8)
    expect(steps.filter(([, node]) => node === 'n1').map(([step]) => step)).toEqual([
      'quiet',
      'state',
      'sent',
      'forwarding',
      'released',
    ])
    expect(steps.filter(([, node]) => node === 'n2').map(([step]) => step)).toEqual([
      'granted',
      'started',
      'committed',
    ])
  })

  test('two nodes: takes its key and its group along, and no call or broadcast is lost or doubled', async () => {
    cluster = await LocalCluster.start(2, MANUAL)
    const [first, second] = cluster.nodes as [LocalNode, LocalNode]
    const ids = numbers(12)
    await start(first, ids, { keyed: true, group: 'tallies' })
    for (const { citadel } of cluster.nodes) {
      await eventually(() => citadel.groups.members('tallies').length === ids.length)
      await eventually(() => citadel.registry.size === ids.length)
    }
    const callers = cluster.callers()
    for (const { citadel } of cluster.nodes) {
      callers.add(4, ids, (id) => citadel.call({ key: `key ${id}` }, 'add' as never, 1 as never))
    }
    let broadcasts = 0
    const wrong: number[] = []
    const broadcasting = setInterval(() => {
      const { groups } = cluster.nodes[broadcasts % 2]!.citadel
      const sent = groups.broadcast('tallies', broadcasts++)
      if (sent !== ids.length) wrong.push(sent)
    }, 2)
    for (let round = 0; round < 4 || broadcasts < 20 || callers.answered < 500; round++) {
      await Promise.all(ids.map((id) => first.workers.moveChild(id, other(id).name)))
    }
    clearInterval(broadcasting)
    const { answered, failures } = await callers.stop()
    expect(failures).toEqual([])
    expect(wrong).toEqual([])
    for (const id of ids) {
      const child = second.workers.child<Tally>(id)
      expect([id, await child.call('value')]).toEqual([id, answered.get(id) ?? 0])
      const heard = (await child.call('all')) as number[]
      expect([...heard].sort((a, b) => a - b)).toEqual(numbers(broadcasts))
    }
    for (const { citadel } of cluster.nodes) {
      await eventually(() => {
        const members = citadel.groups.members('tallies').map(String).sort()
        const running = [...first.workers.members().values()].map(String).sort()
        expect(members).toEqual(running)
        for (const id of ids) {
          const owner = citadel.registry.findByKey(`key ${id}`)
          expect(`${owner}`).toBe(`${first.workers.lookup(id)}`)
        }
        return true
      })
    }
  })

  test('two nodes: keeps the order of casts and messages from every node, by whatever pid', async () => {
    cluster = await LocalCluster.start(2, MANUAL)
    const [first] = cluster.nodes as [LocalNode]
    const old = await first.workers.startChild(Tally, ['x', {}], { id: 'x' })
    let sending = true
    const senders = cluster.nodes.map(async ({ name, citadel, workers }) => {
      let sent = 0
      while (sending) {
        const to = sent % 2 === 0 ? old : workers.lookup('x')!
        // By one pid only from the old node: there both ways are one when nothing waits.
        citadel.send(name === old.node ? workers.lookup('x')! : to, [name, sent++])
        if (sent % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      return sent
    })
    await first.workers.moveChild('x', other('x').name)
    await cluster.known('x')
    sending = false
    const counts = await Promise.all(senders)
    const child = first.workers.child<Tally>('x')
    const total = counts[0]! + counts[1]!
    await eventually(async () => ((await child.call('all')) as unknown[]).length === total)
    const heard = (await child.call('all')) as [string, number][]
    cluster.nodes.forEach(({ name }, index) => {
      const own = heard.filter(([who]) => who === name).map(([, n]) => n)
      expect(own).toEqual(numbers(counts[index]!))
    })
  })

  test('two nodes: finishes what it does first, and what waits meanwhile is done after the move', async () => {
    cluster = await LocalCluster.start(2, MANUAL)
    const [first] = cluster.nodes as [LocalNode]
    await start(first, ['x'])
    await cluster.known('x')
    const to = other('x')
    const from = cluster.nodes.find((node) => node !== to)!
    const busy = from.workers.child<Tally>('x').call('rest', 50, from.citadel.self as Pid)
    expect(await from.citadel.receive()).toBe('rests')
    const waiting = cluster.nodes.map(({ workers }) => workers.child<Tally>('x').call('where'))
    expect(await first.workers.moveChild('x', to.name)).toBe(true)
    expect(await busy).toBe(from.name)
    expect(await Promise.all(waiting)).toEqual([to.name, to.name])
  })

  test('three nodes: back and forth ten times under load, and every call counts once', async () => {
    cluster = await LocalCluster.start(3, MANUAL)
    const [first] = cluster.nodes as [LocalNode]
    const pid = (await first.workers.startChild(Tally, ['x', {}], { id: 'x' })) as Pid<Tally>
    const callers = cluster.callers()
    for (const { citadel, workers } of cluster.nodes) {
      callers.add(2, ['x'], (id) => workers.child<Tally>(id).call('add', 1))
      callers.add(2, ['x'], () => citadel.call(pid, 'add', 1))
    }
    for (let round = 0; round < 10; round++) {
      const to = cluster.nodes[(round + cluster.nodes.findIndex((n) => n.name === pid.node)) % 3]!
      expect(await first.workers.moveChild('x', to.name)).toBe(true)
    }
    const { answered, failures } = await callers.stop()
    expect(failures).toEqual([])
    expect(await first.workers.child<Tally>('x').call('value')).toBe(answered.get('x'))
    await cluster.eachOnce(['x'])
  })
})

describe('moveChild', () => {
  test('two nodes: says what is wrong: no such child, no such member, a class not offered there', async () => {
    cluster = await LocalCluster.start(1, { modules: { Tally, Settled }, rebalance: 'manual' })
    const [first] = cluster.nodes as [LocalNode]
    const second = await cluster.add('n2', { modules: { Settled } })
    await cluster.settled()
    await start(first, ['x'])
    const move = (id: unknown, to: string) => first.workers.moveChild(id, to)
    await expect(move('nobody', second.name)).rejects.toMatchObject({ code: 'not_found' })
    await expect(move('x', 'n9@127.0.0.1')).rejects.toMatchObject({ code: 'no_placement' })
    await expect(move('x', second.name)).rejects.toMatchObject({ code: 'no_placement' })
    expect(cluster.place('x')).toBe(first.name)
  })

  test('two nodes: asked twice at once moves once, and the other hears that it moves already', async () => {
    cluster = await LocalCluster.start(2, MANUAL)
    const [first] = cluster.nodes as [LocalNode]
    await start(first, ['x'])
    const to = other('x').name
    const outcomes = await Promise.all([1, 2].map(() => first.workers.moveChild('x', to)))
    expect(outcomes).toContain(true)
    await cluster.known('x')
    await eventually(() => moves(first).length === 1)
    await cluster.eachOnce(['x'])
  })

  test('two nodes: a child that is terminated while it moves runs nowhere', async () => {
    cluster = await LocalCluster.start(2, MANUAL)
    const [first, second] = cluster.nodes as [LocalNode, LocalNode]
    const ids = numbers(30)
    await start(first, ids)
    const moving = ids.map((id) => first.workers.moveChild(id, other(id).name))
    const ending = ids.map(async (id) => {
      if (id % 3 > 0) await new Promise((resolve) => setImmediate(resolve))
      if (id % 3 > 1) await new Promise((resolve) => setTimeout(resolve, 2))
      await (id % 2 === 0 ? first : second).workers.terminateChild(id)
    })
    await Promise.allSettled(moving)
    await Promise.all(ending)
    await cluster.eachOnce([])
    for (const { workers } of cluster.nodes) {
      await eventually(() => {
        expect(workers.counts()).toMatchObject({ specs: 0, running: 0, orphans: 0 })
        return true
      })
    }
    // Their ids are free.
    await start(second, ids)
    await cluster.eachOnce(ids)
  })

  test('two nodes: a child without handoff moves when it is asked to, and begins anew', async () => {
    cluster = await LocalCluster.start(2, MANUAL)
    const [first] = cluster.nodes as [LocalNode]
    await first.workers.startChild(Settled, [], { id: 'x' })
    expect(await first.workers.child<Settled>('x').call('add', 5)).toBe(5)
    const to = other('x')
    expect(await first.workers.moveChild('x', to.name)).toBe(true)
    expect(await first.workers.child<Settled>('x').call('where')).toBe(to.name)
    expect(await first.workers.child<Settled>('x').call('add', 1)).toBe(1)
    await eventually(() => moves(first).length === 1)
    expect(moves(first)).toMatchObject([{ type: 'moved', id: 'x', hasState: false }])
  })
})
