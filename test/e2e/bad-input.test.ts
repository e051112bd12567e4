/**
 * Whatever comes in, the node answers with a clear error and goes on serving: from strangers on its
 * port and from its own users. What a peer that knows the cookie can do is in hostile-peer.test.ts.
 */
import { createConnection } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Citadel, type CitadelOptions } from '../../src/citadel.js'
import { Pid } from '../../src/term/pid.js'
import { numbers, type TestNode } from '../support/cluster.js'
import { eventually } from '../support/eventually.js'
import { LogRecorder } from '../support/log-recorder.js'
import { ServingPair } from '../support/serving-pair.js'
import type { Worker } from '../support/workers.js'

let pair: ServingPair

beforeAll(async () => {
  pair = await ServingPair.start()
})

afterAll(() => pair?.cluster.stop())

beforeEach(() => pair.begin())

afterEach(() => pair.check())

/** A stranger: a raw socket. Resolves when the target has closed it, or after 20 s. */
function stranger(write: (send: (bytes: Uint8Array) => Promise<void>) => Promise<void>) {
  return new Promise<'closed' | 'open'>((resolve) => {
    const socket = createConnection(pair.address)
    const send = (bytes: Uint8Array) =>
      new Promise<void>((sent) => socket.write(bytes, () => sent()))
    const timer = setTimeout(() => {
      socket.destroy()
      resolve('open')
    }, 20_000)
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      resolve('closed')
    })
    socket.resume()
    void write(send)
  })
}

describe('two nodes: a stranger on the port', () => {
  test('who sends random bytes is closed, many times over, with few lines in the log', async () => {
    const noise = (seed: number) =>
      Buffer.from(numbers(300).map((at) => (at * 89 + seed * 131 + ((seed * at) >> 3)) & 255))
    const ends = await Promise.all(
      numbers(100).map((seed) => stranger((send) => send(noise(seed)))),
    )
    expect(ends).toEqual(numbers(100).map(() => 'closed'))
    expect(pair.newLines.length).toBeLessThan(10)
  })

  test('who dribbles bytes one by one and never ends is closed by the deadline', async () => {
    const end = await stranger(async (send) => {
      for (const byte of Buffer.from([0, 200, 78, ...numbers(190)])) {
        await send(Buffer.of(byte))
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    })
    expect(end).toBe('closed')
  })

  test('who says nothing at all is closed by the deadline', async () => {
    expect(await Promise.all(numbers(50).map(() => stranger(async () => {})))).not.toContain('open')
  })

  test('who has the wrong cookie is refused, and both sides say that the cookies differ', async () => {
    const evil = await pair.intruder('evil@127.0.0.1', 'guess')
    expect(evil.bare.outcome).toMatchObject({ type: 'refused', reason: 'bad_cookie' })
    const log = new LogRecorder()
    const { epmdPort } = pair.cluster
    const name = 'other@127.0.0.1'
    const other = await Citadel.start({
      name,
      cookie: 'guess',
      epmdPort,
      logger: log,
      discovery: false,
    })
    try {
      expect(await other.connect(pair.target.name)).toBe(false)
      expect(log.lines.join('\n')).toMatch(/cookies differ: set the same CITADEL_COOKIE/)
      expect(other.nodes()).toEqual([])
      await eventually(() => pair.newLines.some((line) => line.includes('cookies differ')))
    } finally {
      await other.stop()
    }
  })

  test('who takes the name of a connected node without the cookie is refused', async () => {
    const thief = await pair.intruder(pair.friend.name, 'guess')
    expect(thief.bare.outcome?.type).not.toBe('established')
    await eventually(() => thief.isClosed)
  })
})

describe("two nodes: the node's own users", () => {
  test('start a node under a name that is taken', async () => {
    const options = {
      name: pair.target.name,
      cookie: pair.cluster.cookie,
      epmdPort: pair.cluster.epmdPort,
    }
    const start = Citadel.start({ ...options, discovery: false })
    await expect(start).rejects.toMatchObject({ code: 'name_taken' })
    await expect(start).rejects.toThrow(/stop it or choose another name/)
  })

  const badNames = [
    '',
    'nohost',
    '@127.0.0.1',
    'a@',
    'a b@127.0.0.1',
    'a@b@c',
    'ä@127.0.0.1',
    `${'x'.repeat(300)}@h`,
  ]
  test.each(badNames)('start a node under the name "%s"', async (name) => {
    await expect(Citadel.start({ name, cookie: 'c', discovery: false })).rejects.toMatchObject({
      code: 'bad_argument',
      message: expect.stringMatching(/@/),
    })
    await expect(
      pair.target.run(({ citadel }, bad) => citadel.connect(bad), name),
    ).rejects.toMatchObject({ code: 'bad_argument' })
  })

  test('start a node with options that make no sense', async () => {
    const bad: CitadelOptions[] = [
      { discovery: 'http://nowhere' },
      { discovery: 17 as never },
      { domain: 'two words', discovery: 'redis://127.0.0.1:1' },
      { listen: { host: '0.0.0.0' } },
      { arbiter: 'etcd' as never },
    ]
    for (const options of bad) {
      const start = Citadel.start({ cookie: 'c', epmdPort: pair.cluster.epmdPort, ...options })
      await expect(start).rejects.toMatchObject({ code: 'bad_argument' })
    }
  })

  test('register, join and start with arguments that make no sense', async () => {
    const codes = await pair.target.run(async ({ citadel, workers, Worker }) => {
      const me = citadel.self
      const tries: (() => Promise<unknown>)[] = [
        () => citadel.registry.register('k', 'me' as never),
        () => citadel.registry.register(() => 1, me),
        () => citadel.registry.register(Number.NaN, me),
        () => citadel.groups.join('g', undefined as never),
        () => citadel.groups.leave('g', 7 as never),
        () => workers.startChild(Worker, [1], {} as never),
        () => workers.startChild(Worker, 'kek' as never, { id: 'k' }),
        () => workers.startChild(Worker, [1], { id: 'k', restart: 'sometimes' as never }),
        () => workers.startChild(Worker, [1], { id: 'k', shutdownMs: Number.NaN }),
        () => citadel.supervisor(7 as never),
        () => citadel.supervisor({ name: 'x' } as never),
        () => citadel.supervisor('x'.repeat(300)),
        () => citadel.spawn('Worker' as never),
        () => citadel.call(undefined as never, 'x' as never),
        () => citadel.call(7 as never, 'x' as never),
      ]
      return Promise.all(
        tries.map((attempt) =>
          attempt().then(
            () => 'done',
            (error: { code?: string }) => String(error.code ?? error),
          ),
        ),
      )
    })
    expect(codes).toEqual(codes.map(() => 'bad_argument'))
    const failing = pair.target.run(({ workers }) => workers.startChild('Missing', [], { id: 'm' }))
    await expect(failing).rejects.toMatchObject({ code: 'no_placement' })
  })

  test('call a method that does not exist, here and from the other node', async () => {
    for (const node of [pair.target, pair.friend]) {
      for (const method of [
        'nothing',
        'constructor',
        'init',
        'terminate',
        '_x',
        'then',
        '__proto__',
        'toString',
      ]) {
        const call = node.run(
          ({ citadel }, [to, name]) => citadel.call(to as never, name as never),
          [pair.pid, method] as [Pid, string],
        )
        await expect(call).rejects.toMatchObject({ code: 'undefined_method' })
      }
    }
  })

  test('send what cannot cross a wire, here and to the other node', async () => {
    const tried = (node: TestNode) =>
      node.run(async ({ citadel }, to) => {
        class Socket {}
        const cyclic: unknown[] = []
        cyclic.push(cyclic)
        const values = [() => 1, Symbol('x'), new Socket(), Promise.resolve(), cyclic]
        const seen: string[] = []
        for (const value of values) {
          const call = citadel.call(to, 'echo', { user: [value] })
          seen.push(
            await call.then(
              () => 'sent',
              (error: { code?: string; message?: string }) => `${error.code} ${error.message}`,
            ),
          )
          try {
            citadel.send(to as never, value)
            seen.push('sent')
          } catch (error) {
            seen.push(String((error as { code?: string }).code))
          }
        }
        return seen
      }, pair.pid)
    for (const node of [pair.target, pair.friend]) {
      const seen = await tried(node)
      expect(seen.filter((line) => !line.startsWith('unserializable'))).toEqual([])
      expect(seen[0]).toContain('user')
    }
  })

  test('overflow a mailbox: calls are refused, sends dropped and counted, and it goes on', async () => {
    for (const node of [pair.target, pair.friend]) {
      const codes = await node.run(async ({ citadel }, to) => {
        const resting = citadel.call(to, 'rest', 300)
        const calls = Array.from({ length: 300 }, (_, n) =>
          citadel.call(to, 'echo', n).then(
            () => 'answered',
            (error: { code?: string }) => String(error.code),
          ),
        )
        for (let n = 0; n < 300; n++) citadel.send(to, n)
        await resting
        const counts: Record<string, number> = {}
        for (const end of await Promise.all(calls)) counts[end] = (counts[end] ?? 0) + 1
        return counts
      }, pair.pid)
      // The call that rests may be one of the hundred that the mailbox holds.
      expect(codes.answered).toBeGreaterThanOrEqual(99)
      expect(codes.answered).toBeLessThanOrEqual(100)
      expect(codes.overloaded).toBe(300 - codes.answered!)
    }
    await eventually(() => pair.newLines.some((line) => /mailbox|overload/i.test(line)))
  })

  test('call what is not there', async () => {
    const calls: [string, unknown][] = [
      ['noproc', 'no such name'],
      ['noproc', { name: 'no such name', node: pair.friend.name }],
      ['noproc', { key: 'no such key' }],
      ['noproc', new Pid(pair.target.name, 4_000, 7, pair.pid.creation)],
      ['noconnection', { name: 'target', node: 'gone@127.0.0.1' }],
      ['noconnection', new Pid('gone@127.0.0.1', 80, 0, 7)],
    ]
    for (const [code, to] of calls) {
      const call = pair.target.run(
        ({ citadel }, [dest]) => citadel.call(dest as never, 'x' as never),
        [to],
      )
      await expect(call).rejects.toMatchObject({ code })
    }
  })

  test('start with a Redis that cannot be reached', async () => {
    const log = new LogRecorder()
    const options = {
      name: 'late@127.0.0.1',
      cookie: pair.cluster.cookie,
      epmdPort: pair.cluster.epmdPort,
    }
    const node = await Citadel.start({ ...options, discovery: 'redis://127.0.0.1:1', logger: log })
    try {
      await eventually(() => log.lines.some((line) => /^warn .*Redis.*ECONNREFUSED/.test(line)))
      await expect(node.members()).rejects.toMatchObject({ code: 'discovery_failed' })
      expect(await node.connect(pair.target.name)).toBe(true)
      const far = node.registry.findByKey('target') as Pid<Worker>
      expect(await node.call(far, 'where')).toBe(pair.target.name)
    } finally {
      await node.stop()
    }
  })
})
