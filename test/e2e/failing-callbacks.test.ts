/**
 * Whatever a user gives a node to call fails, at once or later: it is told to whom it belongs or
 * logged, the node goes on, and no rejection is left without a handler.
 */
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  Citadel,
  type CitadelOptions,
  type Discovery,
  GenServer,
  jsonLogger,
  type Logger,
} from '../../src/index.js'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { LogRecorder } from '../support/log-recorder.js'
import { SplitPair } from '../support/split-pair.js'

class Echo extends GenServer {
  say(value: unknown): unknown {
    return value
  }

  handoff(): unknown {
    return []
  }

  takeover(): void {}
}

const unhandled: unknown[] = []
const note = (error: unknown): void => void unhandled.push(error)
const nodes: { stop(): Promise<void> }[] = []

beforeEach(() => {
  unhandled.length = 0
  process.on('unhandledRejection', note)
})

afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()))
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', note)
  expect(unhandled).toEqual([])
})

const throws = (): never => {
  throw new Error('a callback that fails')
}
const rejects = async (): Promise<never> => throws()
const WAYS: [string, () => never | Promise<never>][] = [
  ['throws', throws],
  ['rejects', rejects],
]

const discoveryOf = (all: () => unknown, members: () => unknown = all): Discovery =>
  ({ announce: all, withdraw: all, close: all, members }) as Discovery

const loggerOf = (fail: () => unknown): Logger =>
  ({ debug: fail, info: fail, warn: fail, error: fail }) as Logger

async function start(name: string, options: CitadelOptions): Promise<Citadel> {
  const base = { name: `${name}@127.0.0.1`, cookie: 'callbacks' }
  const node = await Citadel.start({ ...base, ...options })
  nodes.push(node)
  return node
}

test.each(WAYS)('one node: a discovery that %s, and a logger too', async (_, fail) => {
  const epmdPort = await freePort()
  const logger = loggerOf(fail)
  const options = { epmdPort, discovery: discoveryOf(fail), logger, resolve: fail as never }
  const node = await start('n1', options)
  const pid = await node.spawn(Echo)
  await expect(node.members()).rejects.toMatchObject({ code: 'discovery_failed' })
  await expect(node.joinCluster()).rejects.toMatchObject({ code: 'discovery_failed' })
  expect(await node.call(pid, 'say', 1)).toBe(1)
})

test('one node: jsonLogger with a write that rejects', async () => {
  const logger = jsonLogger({ level: 'debug', write: rejects })
  const node = await start('n1', { epmdPort: await freePort(), discovery: false, logger })
  expect(await node.connect('nobody@127.0.0.1')).toBe(false)
})

test('two nodes: a discovery that lists nonsense beside the other node brings them together', async () => {
  const epmdPort = await freePort()
  const log = new LogRecorder()
  const first = await start('n1', { epmdPort, discovery: false })
  const list = [undefined, { name: 7 }, 'x', { name: first.name, addresses: [{}] }]
  const discovery = discoveryOf(rejects, () => list)
  const second = await start('n2', { epmdPort, discovery, logger: log })
  await eventually(() => second.nodes().includes(first.name))
  expect(await second.members()).toEqual([first.name])
  await second.stop()
  expect(log.lines).toEqual([
    'error announce() of the discovery that was given failed',
    "warn discovery: undefined is not { name: 'node@host' }",
    'error withdraw() of the discovery that was given failed',
    'error close() of the discovery that was given failed',
  ])
})

test.each(WAYS)(
  'two nodes: an onStep that %s stops no move, and is told of once',
  async (_, fail) => {
    const pair = await SplitPair.start({ supervisor: { modules: { Echo }, onStep: fail } })
    nodes.push(pair)
    const { first, second } = pair
    const pid = await first.workers.startChild(Echo, [], { id: 1 })
    const other = pid.node === first.citadel.name ? second : first
    expect(await first.workers.moveChild(1, other.citadel.name)).toBe(true)
    expect(await first.workers.child<Echo>(1).call('say', 2)).toBe(2)
    for (const { log } of pair.nodes) {
      await eventually(() => log.lines.length > 0)
      expect(log.lines).toEqual(['error onStep of supervisor "workers" failed'])
    }
  },
)

test.each(WAYS)('two nodes: a placement that %s fails the start, not the node', async (_, fail) => {
  const placement = { choose: fail as () => never }
  const pair = await SplitPair.start({ supervisor: { modules: { Echo }, placement } })
  nodes.push(pair)
  for (const { workers, citadel } of pair.nodes) {
    const started = workers.startChild(Echo, [], { id: citadel.name })
    await expect(started).rejects.toMatchObject({ code: 'no_placement' })
  }
})

test.each(WAYS)('two nodes: a resolve that %s leaves the later epoch', async (_, fail) => {
  const pair = await SplitPair.start({ node: { resolve: fail as () => never } })
  nodes.push(pair)
  await pair.split()
  for (const { citadel } of pair.nodes) {
    await citadel.registry.register('key', await citadel.spawn(Echo))
  }
  await pair.heal()
  await eventually(() => {
    const [a, b] = pair.nodes.map(({ citadel }) => citadel.registry.lookup('key')?.pid)
    return a !== undefined && b !== undefined && `${a}` === `${b}`
  })
  const lines = pair.nodes.flatMap(({ log }) => log.lines)
  expect(lines.some((line) => /resolve of .*was not followed/.test(line))).toBe(true)
})

test('two nodes: watchers that throw, leave, and share an iterator hurt nobody', async () => {
  const pair = await SplitPair.start({ supervisor: { modules: { Echo } } })
  nodes.push(pair)
  const { citadel, workers } = pair.first
  const sources: (() => AsyncIterableIterator<unknown>)[] = [
    () => citadel.registry.watch(),
    () => citadel.registry.watch({ prefix: 'k' }),
    () => citadel.groups.subscribe('group'),
    () => workers.events(),
    () => citadel.watchNodes(),
  ]
  const failing = sources.map(async (source) => {
    for await (const _ of source()) throws()
  })
  const leaving = sources.map(async (source) => {
    for await (const _ of source()) return 'left'
    return 'ended'
  })
  const shared = sources.map((source) => source())
  const sharing = shared.map(async (events) => {
    const both = [events.next(), events.next()]
    await events.return?.()
    const late = await events.next()
    return [...(await Promise.all(both)), late].map(({ done }) => done)
  })
  const ended = Promise.allSettled(failing)
  const pid = await pair.second.citadel.spawn(Echo)
  await pair.second.citadel.registry.register('k1', pid)
  await pair.second.citadel.groups.join('group', pid)
  const child = await pair.second.workers.startChild(Echo, [], { id: 1 })
  for (const { name } of pair.nodes.map((node) => node.citadel)) {
    if (name !== child.node) await workers.moveChild(1, name)
  }
  // All but the last have heard something; that one hears of a node that goes.
  await Promise.all(leaving.slice(0, -1))
  citadel.disconnect(pair.second.citadel.name)
  expect((await ended).map(({ status }) => status)).toEqual(sources.map(() => 'rejected'))
  expect(await Promise.all(leaving)).toEqual(sources.map(() => 'left'))
  expect(await Promise.all(sharing)).toEqual(sources.map(() => [true, true, true]))
  expect(await citadel.call(await citadel.spawn(Echo), 'say', 3)).toBe(3)
})
