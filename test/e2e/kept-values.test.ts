/**
 * Keys, ids, groups, metadata and arguments are kept on every node as they were when they were given,
 * whatever their giver, or one to whom they were shown, does with them afterwards.
 */
import { afterEach, expect, test } from 'vitest'
import { type Citadel, GenServer, Tuple } from '../../src/index.js'
import { eventually } from '../support/eventually.js'
import { LocalCluster } from '../support/local-cluster.js'

/** Takes apart what it is started with, as its own. */
class Emptying extends GenServer {
  #rooms: string[] = []

  init(settings: { rooms: string[]; self?: unknown }): void {
    settings.self = settings
    this.#rooms = settings.rooms.splice(0)
  }

  rooms(): string[] {
    return this.#rooms
  }

  fail(): void {
    throw new Error('as asked')
  }
}

let cluster: LocalCluster

afterEach(() => cluster.stop())

const started = (size: number): Promise<LocalCluster> =>
  LocalCluster.start(size, { modules: { Emptying }, backoffMs: 0 })

const fresh = (): { rooms: string[] } => ({ rooms: ['hall', 'attic'] })

test('two nodes: a key, a group and an id that are changed after they were given stay what they were, for all', async () => {
  cluster = await started(2)
  const [first, second] = [cluster.node(1), cluster.node(2)]
  const { registry, groups } = first.citadel
  const pid = await first.citadel.spawn(Emptying, [fresh()])
  const key: Record<string, unknown> = { room: 1 }
  const group: unknown[] = [1]
  const id: unknown[] = ['child']
  const all = [
    registry.register(key, pid),
    groups.join(group, pid),
    first.workers.startChild(Emptying, [fresh()], { id }),
  ]
  key.room = key
  group.push(group)
  id.push(() => 'no term at all')
  await Promise.all(all)
  for (const { citadel, workers } of [first, second]) {
    await eventually(() => citadel.registry.findByKey({ room: 1 })?.equals(pid))
    await eventually(() => citadel.groups.members([1]).length === 1)
    await eventually(() => workers.lookup(['child']))
    expect([...citadel.registry.keys()]).toEqual([{ room: 1 }])
    expect([...workers.members().keys()]).toEqual([['child']])
  }
  // Rows written afterwards come through, and so do all rows to one that joins.
  await registry.register('later', pid)
  const third = await cluster.add('n3')
  for (const { citadel } of [second, third]) {
    await eventually(() => citadel.registry.findByKey('later')?.equals(pid))
    expect(citadel.registry.findByKey({ room: 1 })).toEqual(pid)
    expect(citadel.groups.members([1])).toEqual([pid])
  }
})

test('one node: a child that changes what it is started with is started with the same again', async () => {
  cluster = await started(1)
  const { citadel, workers } = cluster.node(1)
  const given = fresh()
  const pid = await workers.startChild(Emptying, [given], { id: 1, restart: 'permanent' })
  expect(await citadel.call(pid, 'rooms')).toEqual(['hall', 'attic'])
  await expect(citadel.call(pid, 'fail')).rejects.toMatchObject({ code: 'exited' })
  const again = await eventually(() => {
    const next = workers.lookup(1)
    return next && !next.equals(pid) ? next : undefined
  })
  expect(await citadel.call(again!, 'rooms')).toEqual(['hall', 'attic'])
  expect(given).toEqual(fresh())
})

test('two nodes: a child that changes what it is started with starts with the same on another node', async () => {
  cluster = await started(2)
  const [first, second] = [cluster.node(1), cluster.node(2)]
  const ids = [1, 2, 3, 4, 5, 6]
  for (const id of ids) await first.workers.startChild(Emptying, [fresh()], { id })
  await cluster.leave(first, 0)
  for (const id of ids) {
    const pid = await eventually(() => {
      const here = second.workers.lookup(id)
      return here?.node === second.name ? here : undefined
    })
    expect(await second.citadel.call(pid!, 'rooms')).toEqual(['hall', 'attic'])
  }
})

test('two nodes: metadata and keys that are shown cannot be changed in place, on either node', async () => {
  cluster = await started(2)
  const [first, second] = [cluster.node(1), cluster.node(2)]
  const pid = await first.citadel.spawn(Emptying, [fresh()])
  const metaOf = ({ registry }: Citadel) => registry.lookup(['key'])!.meta as typeof meta
  const meta = { list: [1], tuple: new Tuple('a', [1]), map: new Map([[1, {}]]), set: new Set([1]) }
  await first.citadel.registry.register(['key'], pid, { meta })
  meta.list.push(2)
  for (const { citadel } of [first, second]) {
    const row = await eventually(() => citadel.registry.lookup(['key']))
    const shown = row!.meta as typeof meta
    expect(shown.list).toEqual([1])
    expect(() => shown.list.push(2)).toThrow(TypeError)
    expect(() => Object.assign(shown, { more: shown })).toThrow(TypeError)
    expect(() => (shown.tuple.at(1) as number[]).push(2)).toThrow(TypeError)
    expect(() => shown.map.set(2, shown)).toThrow('change a copy')
    expect(() => Object.assign(shown.map.get(1)!, { more: 1 })).toThrow(TypeError)
    expect(() => shown.set.clear()).toThrow('change a copy')
    expect(() => (row!.key as unknown[]).push(row!.key)).toThrow(TypeError)
    // A copy can be changed, and be given.
    const list = [...shown.list, 2]
    await citadel.registry.update(['key'], { ...shown, list })
    await eventually(() => metaOf(first.citadel).list[1])
    await citadel.registry.update(['key'], shown)
    const areBack = (): boolean =>
      [first, second].every((node) => metaOf(node.citadel).list.length === 1)
    await eventually(areBack)
  }
})
