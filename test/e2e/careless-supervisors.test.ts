/** What users give a supervisor by mistake is refused where it is given, and harms nobody else. */
import { afterEach, describe, expect, test } from 'vitest'
import { GenServer, type Placement, rendezvous } from '../../src/index.js'
import { LocalCluster, type LocalNode } from '../support/local-cluster.js'

class Room extends GenServer {
  #args: unknown[] = []
  init(...args: unknown[]): void {
    this.#args = args
  }
  args(): unknown[] {
    return this.#args
  }
  rest(): Promise<never> {
    return new Promise(() => {})
  }
  handoff(): string {
    return 'state'
  }
  takeover(): void {}
}

class Hall extends GenServer {}

class Hanging extends GenServer {
  init(): Promise<never> {
    return new Promise(() => {})
  }
}

/** As a database gives it out. */
class ObjectId {
  readonly bytes = new Uint8Array(12)
}

const modules = { Room, Hanging }
let cluster: LocalCluster

afterEach(() => cluster.stop())

const deep = (): unknown => {
  let value: unknown = 1
  for (let level = 0; level < 600; level++) value = [value]
  return value
}

const cyclic = (): unknown => {
  const value: { self?: unknown } = {}
  value.self = value
  return value
}

const WRONG: [string, () => unknown, string, RegExp][] = [
  ['a function', () => () => 1, 'unserializable', /^args\[1\]\.user is a function/],
  ['an ObjectId', () => new ObjectId(), 'unserializable', /^args\[1\]\.user is an instance of Obj/],
  ['a promise', () => Promise.resolve(1), 'unserializable', /^args\[1\]\.user is a promise/],
  ['a cycle', cyclic, 'unserializable', /^args\[1\]\.user\.self leads back/],
  ['600 levels', deep, 'limit_exceeded', /512/],
  ['100 KiB', () => 'x'.repeat(100 * 1024), 'limit_exceeded', /^args of a child take at most 64/],
]

describe.each([
  ['one node', 1],
  ['two nodes', 2],
])('%s: an argument that cannot cross', (_nodes, size) => {
  test.each(WRONG)(
    'such as %s is refused where it is given, with its path',
    async (_, make, code, says) => {
      cluster = await LocalCluster.start(size, { modules })
      const [{ workers }] = cluster.nodes as [LocalNode]
      const start = workers.startChild('Room', [1, { user: make() }], { id: 'wrong' })
      const error = await start.then(
        () => undefined,
        (reason) => reason,
      )
      expect(error).toMatchObject({ code })
      expect(error.message).toMatch(says)
      expect(workers.counts().specs).toBe(0)
      // Whoever comes later gets only what is right, and others start as ever.
      await cluster.add('late')
      await cluster.settled()
      await workers.startChild('Room', [1, { user: 'ana' }], { id: 'right' })
      await cluster.known('right')
      expect(await workers.child<Room>('right').call('args')).toEqual([1, { user: 'ana' }])
    },
  )
})

test('one node: a static child with an argument that cannot cross is refused by supervisor()', async () => {
  cluster = await LocalCluster.start(1, { modules })
  const { citadel } = cluster.node(1)
  const children = [{ module: Room, id: 'x', args: [new ObjectId()] as never }]
  const made = citadel.supervisor('others', { modules, children })
  await expect(made).rejects.toMatchObject({
    code: 'unserializable',
    message: expect.stringMatching(/args of a child of supervisor "others"\[0\] is an instance/),
  })
})

test('one node: what is no class and no id is bad_argument', async () => {
  cluster = await LocalCluster.start(1, { modules })
  const { workers } = cluster.node(1)
  for (const module of [undefined, null, 7, {}]) {
    const start = workers.startChild(module as never, [], { id: 1 })
    await expect(start).rejects.toMatchObject({ code: 'bad_argument' })
  }
  for (const id of [Number.NaN, () => 1, Symbol('x'), Promise.resolve(1)]) {
    const start = workers.startChild(Room, [] as never, { id })
    await expect(start).rejects.toMatchObject({ code: 'bad_argument' })
  }
  const long = workers.startChild(Room, [] as never, { id: 'x'.repeat(10_000) })
  await expect(long).rejects.toMatchObject({ code: 'limit_exceeded' })
  await expect(workers.startChild('Nowhere', [], { id: 1 })).rejects.toMatchObject({
    code: 'no_placement',
  })
})

test('one node: two static children of one id are refused, and the id is named', async () => {
  cluster = await LocalCluster.start(1, { modules })
  const child = (args: unknown[]) => ({ id: ['a', 1], module: Room, args })
  const given = { modules, children: [child([1]), child([2])] }
  await expect(cluster.node(1).citadel.supervisor('rooms', given)).rejects.toMatchObject({
    code: 'bad_argument',
    message: expect.stringMatching(/two children with the id \['a', 1\]/),
  })
  expect(await cluster.node(1).citadel.supervisor('rooms', { modules })).toBeDefined()
})

test('one node: a supervisor that is leaving takes no classes, can be asked, and is joined again later', async () => {
  cluster = await LocalCluster.start(1, { modules })
  const { citadel } = cluster.node(1)
  const first = await citadel.supervisor('rooms', { modules })
  await first.startChild(Room, [], { id: 1 })
  const leaving = first.drain()
  const again = citadel.supervisor('rooms', { modules })
  await expect(again).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('join it again when drain() has resolved'),
  })
  expect(await citadel.supervisor('rooms')).toBe(first)
  await leaving
  const next = await citadel.supervisor('rooms', { modules })
  expect(next).not.toBe(first)
  await next.startChild(Room, [], { id: 7 })
})

test('one node: a second call of supervisor adds classes and children, and refuses what contradicts', async () => {
  cluster = await LocalCluster.start(2, { maxRestarts: 3 })
  const { citadel, workers } = cluster.node(1)
  await expect(workers.startChild(Room, [] as never, { id: 1 })).rejects.toMatchObject({
    code: 'no_placement',
  })
  const children = [{ module: Hall, id: 'hall' }]
  const again = await citadel.supervisor('workers', { modules: { Room, Hall }, children })
  expect(again).toBe(workers)
  await workers.startChild(Room, [] as never, { id: 1 })
  await expect.poll(() => workers.lookup('hall')).toBeDefined()
  // The other node knows that it may start them there.
  await cluster.node(2).workers.startChild('Room', [], { id: 2 })
  expect(await citadel.supervisor('workers', { maxRestarts: 3, weight: 1 })).toBe(workers)
  const wrong = [{ maxRestarts: 4 }, { role: 'web' }, { placement: { ...rendezvous } }]
  for (const options of wrong) {
    await expect(citadel.supervisor('workers', options)).rejects.toMatchObject({
      code: 'bad_argument',
      message: expect.stringContaining(Object.keys(options)[0]!),
    })
  }
  await expect(citadel.supervisor('workers', { modules: { Room: Hall } })).rejects.toMatchObject({
    code: 'bad_argument',
    message: expect.stringContaining('modules.Room'),
  })
})

describe('a placement that fails', () => {
  const failing = { with: undefined as undefined | (() => unknown) }
  const placement: Placement = {
    choose: (key, members) =>
      failing.with ? (failing.with() as string) : rendezvous.choose(key, members),
  }
  const throws = (): never => {
    throw new Error('no map today')
  }

  afterEach(() => {
    failing.with = undefined
  })

  test.each([
    ['throws', throws, /placement of supervisor "workers" threw.*no map today/],
    ['answers a member', () => ({ node: 'n1@127.0.0.1' }), /answered .*no member/],
    ['names a stranger', () => 'n9@127.0.0.1', /answered .*n9@127\.0\.0\.1.*no member/],
  ])('two nodes: that %s is an error, and children stay', async (_, fails, says) => {
    cluster = await LocalCluster.start(2, { modules, placement, settleMs: 10 })
    const [one, two] = cluster.nodes as [LocalNode, LocalNode]
    await one.workers.startChild('Room', [], { id: 'x' })
    await cluster.known('x')
    const pid = one.workers.lookup('x')!
    const home = pid.node === one.name ? one : two
    const other = home === one ? two : one
    failing.with = fails
    const error = { code: 'no_placement', message: expect.stringMatching(says) }
    await expect(one.workers.startChild('Room', [], { id: 'y' })).rejects.toMatchObject(error)
    await expect(home.workers.rebalance()).rejects.toMatchObject(error)
    expect(() => one.workers.nodeFor('y')).toThrow(says)
    // On its own, and for orphans, it is told in the log, and the program goes on.
    await cluster.leave(other, 0)
    await expect.poll(() => home.log.lines.join('\n')).toMatch(/children do not move/)
    expect(home.workers.lookup('x')).toEqual(pid)
    failing.with = undefined
    await home.workers.startChild('Room', [], { id: 'y' })
  })
})

test('one node: an init that does not return is told after a while, and nobody waits for it at the end', async () => {
  cluster = await LocalCluster.start(1, { modules })
  const node = cluster.node(1)
  const start = node.workers.startChild(Hanging, [], { id: 'h', timeoutMs: 6_000 })
  await expect(start).rejects.toMatchObject({ code: 'timeout' })
  expect(node.log.lines.filter((line) => /workers: init of child 'h' has/.test(line))).toHaveLength(
    1,
  )
  expect(node.events).toMatchObject([{ type: 'slow_start', id: 'h', node: node.name }])
  const before = performance.now()
  await node.citadel.stop()
  expect(performance.now() - before).toBeLessThan(4_000)
})

test('one node: a handle has a time-out of its own, and can be given up', async () => {
  cluster = await LocalCluster.start(1, { modules })
  const { workers } = cluster.node(1)
  await workers.startChild('Room', [], { id: 'x' })
  const handle = workers.child<Room>('x')
  const before = performance.now()
  await expect(handle.with({ timeoutMs: 50 }).call('rest')).rejects.toMatchObject({
    code: 'timeout',
  })
  expect(performance.now() - before).toBeLessThan(2_000)
  const controller = new AbortController()
  const waiting = handle.with({ signal: controller.signal }).call('rest')
  controller.abort()
  await expect(waiting).rejects.toMatchObject({ code: 'aborted' })
  for (const options of [{ timeout: 5 }, { timeoutMs: Number.NaN }]) {
    const refused = expect.objectContaining({ code: 'bad_argument' })
    expect(() => handle.with(options as never)).toThrow(refused)
  }
})
