/** The registry as its users have it: several real nodes, and events that say why, on each of them. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  Citadel,
  CitadelError,
  GenServer,
  type GroupEvent,
  KeyLost,
  type RegistryEvent,
  type RegistrySelector,
} from '../../src/index.js'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { LogRecorder } from '../support/log-recorder.js'

class Player extends GenServer {
  lost: unknown[] = []

  handleInfo(message: unknown): void {
    if (message instanceof KeyLost) this.lost.push(message.key)
  }
  all(): unknown[] {
    return this.lost
  }
  fall(): void {
    throw new Error('fell')
  }
  handoff(): unknown[] {
    return this.lost
  }
  takeover(lost: unknown[]): void {
    this.lost = lost
  }
}

let nodes: Citadel[]
let log: LogRecorder
const ended = new WeakMap<unknown[], unknown>()

beforeEach(async () => {
  const epmdPort = await freePort()
  log = new LogRecorder()
  const options = { cookie: 'events', epmdPort, logger: log, discovery: false as const }
  nodes = []
  for (let n = 0; n < 3; n++) nodes.push(await Citadel.start(options))
  for (const other of nodes.slice(1)) expect(await nodes[0]!.connect(other.name)).toBe(true)
  await eventually(() => nodes.every((node) => node.nodes().length === 2))
})

afterEach(async () => {
  await Promise.all(nodes.map((node) => node.stop({ budgetMs: 0 })))
})

/** All that the iterable gives, as it comes. */
function collect<E>(iterable: AsyncIterable<E>): E[] {
  const events: E[] = []
  const read = async (): Promise<void> => {
    for await (const event of iterable) events.push(event)
  }
  read().then(
    () => ended.set(events, 'closed'),
    (error) => ended.set(events, error),
  )
  return events
}

const watchAll = (selector?: RegistrySelector): RegistryEvent[][] =>
  nodes.map(({ registry }) => collect(registry.watch(selector)))

const line = ({ type, key, reason }: RegistryEvent): string => `${type} ${key} ${reason}`
const leave = ({ type, reason }: GroupEvent): string => `${type} ${reason}`

async function heardByAll<E>(
  heard: E[][],
  show: (event: E) => string,
  wanted: string[],
): Promise<void> {
  await eventually(() => heard.every((events) => events.length >= wanted.length), {
    what: `all hear of ${wanted.at(-1)}`,
  })
  for (const events of heard) expect(events.map(show)).toEqual(wanted)
}

test('three nodes: why a key and a member went is told alike on each, also where it did not happen', async () => {
  const [one, two] = nodes as [Citadel, Citadel, Citadel]
  const keys = watchAll({ prefix: 'p' })
  const members = nodes.map(({ groups }) => collect(groups.subscribe('team')))
  const pid = await two.spawn(Player)
  await one.registry.register('p1', pid, { meta: { level: 1 }, sync: true })
  expect(nodes.every(({ registry }) => registry.findByKey('p1'))).toBe(true)
  await one.registry.register('other', pid)
  await one.registry.register('p2', pid)
  await two.groups.join('team', pid)
  await one.registry.update('p1', { level: 2 })
  await one.registry.unregister('p2')
  await eventually(() => members.every(({ length }) => length === 1))
  two.exit(pid, 'kill')
  await heardByAll(keys, line, [
    'registered p1 registered',
    'registered p2 registered',
    'updated p1 updated',
    'unregistered p2 unregistered',
    'unregistered p1 process_down',
  ])
  await heardByAll(members, leave, ['join normal', 'leave process_down'])
  expect(keys[2]![4]).toMatchObject({ pid, meta: { level: 2 } })
})

test('three nodes: a key whose process moves is told once, as moved, with its metadata; the old pid leaves', async () => {
  const [one, two] = nodes as [Citadel, Citadel, Citadel]
  const modules = { Player }
  const here = await one.supervisor('players', { modules, rebalance: 'manual' })
  await two.supervisor('players', { modules, rebalance: 'manual' })
  await eventually(() => here.nodes().length === 2)
  const id = Array.from({ length: 100 }, (_, n) => n).find((n) => here.nodeFor(n) === one.name)!
  const pid = await here.startChild(Player, [], { id })
  await one.registry.register('ana', pid, { meta: 'm', sync: true })
  await one.groups.join('team', pid)
  await eventually(() => nodes.every(({ groups }) => groups.members('team').length === 1))
  const keys = watchAll({ key: 'ana' })
  const members = nodes.map(({ groups }) => collect(groups.subscribe('team')))
  expect(await here.moveChild(id, two.name)).toBe(true)
  await heardByAll(keys, line, ['registered ana present', 'registered ana moved'])
  for (const [, moved] of keys) {
    expect(moved).toMatchObject({ previousPid: pid, previousMeta: 'm', meta: 'm' })
    expect(moved!.pid.node).toBe(two.name)
    expect(moved!.epoch).toBeGreaterThan(keys[0]![0]!.epoch)
  }
  await heardByAll(members, leave, ['join normal', 'leave moved'])
  // By the pid from before the move it is the same process.
  await one.registry.update('ana', 'n')
  const heir = await nodes[2]!.spawn(Player)
  await one.registry.replace('ana', pid, heir)
  await heardByAll(keys, line, [
    'registered ana present',
    'registered ana moved',
    'updated ana updated',
    'registered ana replaced',
  ])
  expect(await one.call(pid, 'all')).toEqual(['ana'])
})

test('three nodes: a node that stops takes its keys along, and its own loops end', async () => {
  const [one, two, three] = nodes as [Citadel, Citadel, Citadel]
  await one.registry.register('p1', await three.spawn(Player), { sync: true })
  const [first, second, third] = watchAll() as [RegistryEvent[], RegistryEvent[], RegistryEvent[]]
  const waiting = three.registry.whenRegistered('never', { timeoutMs: Number.POSITIVE_INFINITY })
  const given = waiting.catch((error: unknown) => error)
  await eventually(() => third.length === 1)
  await three.stop()
  // It ends its processes before it goes, and then either is heard first.
  const gone = ({ type, key }: RegistryEvent): string => `${type} ${key}`
  await heardByAll([first, second], gone, ['registered p1', 'unregistered p1'])
  for (const [, { reason }] of [first, second] as [RegistryEvent, RegistryEvent][])
    expect(['process_down', 'node_down']).toContain(reason)
  expect(await given).toMatchObject({ code: 'stopped' })
  await eventually(() => ended.get(third) === 'closed')
  const again = one.registry.whenRegistered('p1')
  await two.registry.register('p1', await two.spawn(Player))
  expect((await again).node).toBe(two.name)
})

test('three nodes: replace is refused where the owner is another, whichever node asks for which', async () => {
  const [one, two, three] = nodes as [Citadel, Citadel, Citadel]
  const [ana, ben, cleo] = [
    await one.spawn(Player),
    await two.spawn(Player),
    await three.spawn(Player),
  ]
  await one.registry.register('p1', ana, { sync: true })
  const refused = three.registry.replace('p1', ben, cleo)
  await expect(refused).rejects.toMatchObject({ code: 'already_registered', pid: ana })
  await expect(two.registry.replace('p9', ben, cleo)).rejects.toMatchObject({ code: 'not_found' })
  const both = [two.registry.replace('p1', ana, cleo), three.registry.replace('p1', ana, ben)]
  const ends = await Promise.allSettled(both)
  expect(ends.filter(({ status }) => status === 'fulfilled').length).toBe(1)
  const [failed] = ends.filter((end) => end.status === 'rejected')
  expect(failed?.reason).toBeInstanceOf(CitadelError)
  expect(failed?.reason.code).toBe('already_registered')
  await eventually(async () => (await one.call(ana, 'all')).length === 1)
})

test('two of three nodes: requests of a wrong shape are refused, and end nothing', async () => {
  const [one, two] = nodes as [Citadel, Citadel, Citadel]
  const rows = { name: 'citadel_rows', node: two.name }
  const pid = await two.spawn(Player)
  const good = { key: 'x', oldPid: pid, newPid: pid, epoch: 1, meta: [], timeoutMs: 100 }
  const foreign = await one.spawn(Player)
  for (const bad of [
    null,
    5,
    {},
    { ...good, oldPid: 'x' },
    { ...good, epoch: -1 },
    { ...good, meta: 1 },
    { ...good, timeoutMs: 'x' },
    { ...good, newPid: foreign },
  ]) {
    expect(await one.call(rows, 'replace', bad)).toMatchObject({ ok: false, code: 'bad_argument' })
  }
  expect(await one.call(rows, 'replace', good)).toMatchObject({ ok: false, code: 'not_found' })
  expect(await one.call(rows, 'update', 'x', 1)).toMatchObject({ ok: false, code: 'not_found' })
  expect(log.lines).toEqual([])
})
