/**
 * Whatever comes in, the node answers with a clear error and goes on serving: from strangers on its
 * port, from a peer that knows the cookie and means harm, and from its own users.
 */
import { createConnection } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Address } from '../../src/base/transport.js'
import { Citadel, type CitadelOptions } from '../../src/citadel.js'
import { SCOPES_ENDPOINT } from '../../src/cluster/scopes.js'
import { parseAddress } from '../../src/mesh/address.js'
import { citadelTerm } from '../../src/mesh/citadel-message.js'
import { ControlWriter } from '../../src/mesh/control-writer.js'
import { CITADEL_FLAGS } from '../../src/mesh/flags.js'
import { Atom } from '../../src/term/atom.js'
import { Pid } from '../../src/term/pid.js'
import { Ref } from '../../src/term/ref.js'
import { TermWriter } from '../../src/term/term-writer.js'
import { Tuple } from '../../src/term/tuple.js'
import { numbers, TestCluster, type TestNode } from '../support/cluster.js'
import { type BareConnection, dialNode } from '../support/dial-node.js'
import { eventually } from '../support/eventually.js'
import { LogRecorder } from '../support/log-recorder.js'
import { systemWorld } from '../support/system-world.js'
import type { Worker } from '../support/workers.js'

let cluster: TestCluster
let target: TestNode
let friend: TestNode
let address: Address
let pid: Pid<Worker>
let logged = 0

beforeAll(async () => {
  cluster = await TestCluster.start(2, { strictMessages: true, mailboxMax: 100 })
  ;[target, friend] = cluster.nodes as [TestNode, TestNode]
  address = parseAddress((await target.run(({ citadel }) => citadel.addresses))[0]!)!
  await cluster.startChildren(numbers(10))
  pid = await target.run(async ({ citadel, Worker }) => {
    const worker = await citadel.spawn(Worker, ['target'], { name: 'target' })
    await citadel.registry.register('target', worker)
    return worker
  })
  await eventually(() => friend.run(({ citadel }) => citadel.registry.findByKey('target')))
})

afterAll(() => cluster.stop())

beforeEach(() => {
  logged = target.log.length
})

/** After each test: nobody was lost, no child restarted, calls and writes are answered. */
afterEach(async () => {
  await eventually(() =>
    friend.run(
      async ({ citadel }, to) => (await citadel.call(to, 'echo', 'hello')) === 'hello',
      pid,
    ),
  )
  await friend.run(async ({ citadel, Worker }) => {
    const worker = await citadel.spawn(Worker, ['probe'])
    await citadel.registry.register('probe', worker)
    await citadel.groups.join('probes', worker)
    await citadel.registry.unregister('probe')
    citadel.exit(worker, 'kill')
  })
  expect(await target.run(({ citadel }) => citadel.nodes())).toContain(friend.name)
  for (const node of [target, friend]) {
    const downs = await node.run(
      ({ events }, peers) =>
        events.filter(
          ({ type, node }) => type !== 'up' && type !== 'changed' && peers.includes(node),
        ),
      [target.name, friend.name],
    )
    expect(downs).toEqual([])
    expect(await node.run(({ workers }) => workers.members().size)).toBe(10)
  }
})

const newLines = (): string[] => target.log.slice(logged)

/** Somebody who is let in by the handshake. */
async function intruder(name = 'evil@127.0.0.1', cookie = cluster.cookie): Promise<Intruder> {
  const creation = 5
  const bare = dialNode({ world: systemWorld(), name, creation, cookie }, address, target.name)
  await eventually(() => bare.outcome !== undefined || bare.isClosed)
  return new Intruder(bare, new Pid(name, 80, 0, creation))
}

class Intruder {
  constructor(
    readonly bare: BareConnection,
    readonly pid: Pid,
  ) {}

  get isClosed(): boolean {
    return this.bare.isClosed
  }

  raw(bytes: Uint8Array): void {
    this.bare.connection.write(bytes)
  }

  /** A well-formed message to a name of the target. */
  tell(name: string, message: unknown): void {
    const out = new TermWriter()
    new ControlWriter(out, CITADEL_FLAGS, 64 * 1024 * 1024).named(this.pid, name, message)
    this.raw(out.take())
  }

  /** Says it is a Citadel node, so that it becomes a member. */
  introduce(): void {
    const offer = { version: 1, features: [], modules: ['Worker'], weight: 1 }
    const capability = { ...offer, addresses: [], members: [] }
    this.tell('citadel', citadelTerm({ type: 'capability', capability }))
  }

  leave(): void {
    this.bare.connection.destroy()
  }
}

/** A stranger: a raw socket. Resolves when the target has closed it, or after 20 s. */
function stranger(write: (send: (bytes: Uint8Array) => Promise<void>) => Promise<void>) {
  return new Promise<'closed' | 'open'>((resolve) => {
    const socket = createConnection(address)
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
    expect(newLines().length).toBeLessThan(10)
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
    const evil = await intruder('evil@127.0.0.1', 'guess')
    expect(evil.bare.outcome).toMatchObject({ type: 'refused', reason: 'bad_cookie' })
    const log = new LogRecorder()
    const { epmdPort } = cluster
    const name = 'other@127.0.0.1'
    const other = await Citadel.start({
      name,
      cookie: 'guess',
      epmdPort,
      logger: log,
      discovery: false,
    })
    try {
      expect(await other.connect(target.name)).toBe(false)
      expect(log.lines.join('\n')).toMatch(/cookies differ: set the same CITADEL_COOKIE/)
      expect(other.nodes()).toEqual([])
      await eventually(() => newLines().some((line) => line.includes('cookies differ')))
    } finally {
      await other.stop()
    }
  })

  test('who takes the name of a connected node without the cookie is refused', async () => {
    const thief = await intruder(friend.name, 'guess')
    expect(thief.bare.outcome?.type).not.toBe('established')
    await eventually(() => thief.isClosed)
  })
})

describe('two nodes: a peer that knows the cookie and means harm', () => {
  const broken: [string, Uint8Array][] = [
    ['announces a frame of 2 GB', Buffer.of(0x80, 0, 0, 0, 112)],
    ['sends a frame that is no message', Buffer.of(0, 0, 0, 3, 1, 2, 3)],
    ['sends a term that ends early', Buffer.of(0, 0, 0, 5, 112, 131, 104, 3, 97)],
    [
      'sends a list that claims 4 billion elements',
      Buffer.of(0, 0, 0, 7, 112, 131, 108, 255, 255, 255, 255),
    ],
    ['sends an unknown operation', Buffer.of(0, 0, 0, 6, 112, 131, 104, 1, 97, 200)],
  ]
  test.each(broken)('that %s is closed, with a line that says so', async (_what, bytes) => {
    const evil = await intruder()
    expect(evil.bare.outcome?.type).toBe('established')
    evil.raw(bytes)
    await eventually(() => evil.isClosed)
    await eventually(() => newLines().some((line) => line.includes('evil@127.0.0.1')))
  })

  const deep = (depth: number): unknown => {
    let value: unknown = []
    for (let level = 0; level < depth; level++) value = [value]
    return value
  }
  const strange: [string, unknown][] = [
    ['a number', 17],
    ['null', null],
    ['a deep list', deep(500)],
    ['an empty list', []],
    ['a pid', new Pid('evil@127.0.0.1', 1, 1, 5)],
    ['a map without type', { a: 1 }],
    ['a map with __proto__', new Map<unknown, unknown>([[1, { ['__proto__']: { admin: true } }]])],
    ['a capability of numbers', { type: 'capability', version: 'x', modules: 3 }],
    [
      'a capability of a member with a name of nonsense',
      {
        type: 'capability',
        version: 1,
        weight: 1,
        features: [],
        modules: [],
        addresses: ['tcp://'],
        members: [{ node: 'no name', creation: -1, addresses: [] }],
      },
    ],
    [
      'a status that names everybody',
      {
        type: 'status',
        unreachable: [{ node: 'n2@127.0.0.1', creation: 1 }],
        agrees: [],
      },
    ],
    ['a status of nonsense', { type: 'status', unreachable: 'all', agrees: { a: 1 } }],
    ['a type that does not exist', { type: 'of release 99', payload: [1, 2, 3] }],
  ]
  for (const endpoint of [
    'citadel',
    'net_kernel',
    SCOPES_ENDPOINT,
    'citadel_rows',
    'citadel_supervisor_workers',
    'target',
    'nobody',
  ]) {
    test(`that sends every kind of garbage to "${endpoint}" harms only itself`, async () => {
      for (const [, message] of strange) {
        const evil = await intruder()
        evil.introduce()
        evil.tell(endpoint, message)
        const tag = new Ref(evil.pid.node, 5, [1, 2, 3])
        evil.tell(endpoint, new Tuple(new Atom('$gen_call'), new Tuple(evil.pid, tag), message))
        evil.tell(endpoint, new Tuple(new Atom('$gen_call'), message, message))
        evil.tell(endpoint, new Tuple(new Atom('$gen_cast'), message))
        evil.leave()
        await eventually(() => evil.isClosed)
      }
    })
  }

  const scopes: [string, unknown[]][] = [
    ['heads of nonsense', ['h', 'view', 'heads', 'oldest']],
    ['heads that are no rows', ['h', 1, [1, null, 'x'], 0]],
    ['a scope of an unknown kind', ['u', 'zzz', 1, [], false]],
    ['a scope whose name is a number', ['u', 5, 1, [], false]],
    ['updates that are no list', ['u', 'c:registry', 1, 'rows', false]],
    ['updates that are no rows', ['u', 'c:registry', 1, [null, 5, [], [1, 2]], false]],
    ['an update number that is no number', ['u', 'c:registry', 'one', [['a']], true]],
    ['an acknowledgement of nonsense', ['a', 'c:registry', 'x']],
    ['a need of nonsense', ['n', 'c:registry', -5]],
    ['a chunk of nonsense', ['s', 'c:registry', 1, 0, 0, ['x', null, 7]]],
    ['haves of nonsense', ['d', 's:supervisor/workers', [1, null, ['x']]]],
    ['an offer of nonsense', ['o', 's:supervisor/workers', [1, null, ['x']]]],
    ['a claim of nonsense', ['q', [null]]],
    ['a claim in a scope that has no claims', ['q', [[1, 1, 'g:groups', 'k', null, false, 0]]]],
    ['a claim with a view of nonsense', ['q', [[1, 'v', 'c:registry', {}, 5, 7, 0]]]],
    ['answers of nonsense', ['g', [null, [1, 'granted', 'x'], [9, 'maybe', null]]]],
    ['releases of nonsense', ['r', 'all']],
    ['a letter that does not exist', ['constructor', 1, 2]],
  ]
  test.each(scopes)(
    'that sends %s as a member is closed, with a line that says so',
    async (_what, message) => {
      const evil = await member()
      evil.tell(SCOPES_ENDPOINT, message)
      await eventually(() => evil.isClosed)
      await eventually(() => newLines().some((line) => /evil.*bad frame.*does not know/.test(line)))
    },
  )

  const mine = new Pid('evil@127.0.0.1', 90, 0, 5)
  const others = new Pid('n2@127.0.0.1', 80, 0, 5)
  const recipe = { module: 'Worker', args: ['x'], restart: 'permanent', shutdownMs: 5, token: 't' }
  const rows: [string, string, unknown[]][] = [
    [
      'a claim for a process of another node',
      'c:registry',
      ['stolen', null, others, 9, false, null],
    ],
    ['a claim for what is no process', 'c:registry', ['stolen', null, 'me', 9, false, null]],
    [
      'a claim with an epoch that is no number',
      'c:registry',
      ['stolen', null, mine, 'x', false, null],
    ],
    [
      'a claim with an epoch beyond all numbers',
      'c:registry',
      ['stolen', null, mine, 2n ** 80n, false, null],
    ],
    ['a claim that is forced by nonsense', 'c:registry', ['stolen', null, mine, 1, 'yes', null]],
    ['a membership of nonsense', 'g:groups', ['stolen', 7, 7, 7]],
    ['a membership of another node', 'g:groups', ['stolen', 'g', null, others, 1, null]],
    ['a membership with a count of nonsense', 'g:groups', ['stolen', 'g', null, mine, 'x', null]],
    ['a spec of nonsense', 's:supervisor/workers', ['stolen', null, 'recipe', 1, 'evil']],
    [
      'a spec with a version of nonsense',
      's:supervisor/workers',
      ['stolen', null, recipe, -1, 'evil'],
    ],
    [
      'a spec without arguments',
      's:supervisor/workers',
      ['stolen', null, { ...recipe, args: 'x' }, 1, 'evil'],
    ],
    [
      'a spec with a policy of nonsense',
      's:supervisor/workers',
      ['stolen', null, { ...recipe, restart: 'x' }, 1, 'evil'],
    ],
  ]
  test.each(rows)(
    'that sends %s is closed, with a line that says so, and no row of it stays',
    async (_what, scope, row) => {
      const evil = await member()
      // Its heads make the target ask for a snapshot, so that the chunk is one that was asked for.
      evil.tell(SCOPES_ENDPOINT, ['h', 1, [[scope, 1, 0, 0]], 1])
      evil.tell(SCOPES_ENDPOINT, ['s', scope, 1, 0, 1, [row]])
      await eventually(() => evil.isClosed)
      await eventually(() =>
        newLines().some((line) => /evil.*bad frame.*(wrong shape|process)/.test(line)),
      )
      expect(
        await target.run(({ citadel, workers }) => [
          citadel.registry.findByKey('stolen'),
          citadel.groups.members('g').length,
          workers.lookup('stolen'),
          citadel.registry.findByKey('target')?.node,
        ]),
      ).toEqual([undefined, 0, undefined, target.name])
    },
  )

  const odd: [string, unknown[]][] = [
    [
      'heads of a thousand unknown scopes',
      ['h', 1, numbers(1_000).map((n) => [`c:made up ${n}`, 0, 0, 0]), 0],
    ],
    ['an update number far ahead', ['u', 'c:registry', 2 ** 52, ['a', 'b'], true]],
    ['a chunk nobody asked for', ['s', 'c:registry', 7, 3, 9, [['x']]]],
    ['a commit nobody asked for', ['c', 'c:registry', 7, 9]],
    [
      'a claim under a view that nobody holds',
      ['q', [[1, 1, 'c:registry', 'target', null, true, 0]]],
    ],
    [
      'answers that nobody waits for',
      [
        'g',
        [
          [1, 'granted', 5],
          [9, 'maybe', null],
        ],
      ],
    ],
  ]
  test.each(odd)('that sends %s changes nothing', async (_what, message) => {
    const evil = await member()
    evil.tell(SCOPES_ENDPOINT, message)
    evil.tell(SCOPES_ENDPOINT, message)
    evil.tell('citadel', { type: 'goodbye' })
    await eventually(() => evil.isClosed)
    expect(await target.run(({ citadel }) => citadel.registry.findByKey('target'))).toEqual(pid)
  })

  test("that calls and casts the node's own servers with nonsense is refused by all of them", async () => {
    const evil = await member()
    const requests: [string, unknown[]][] = [
      ['citadel_rows', [new Atom('register'), 'stolen', 'me', 'yes', null, -1]],
      ['citadel_rows', [new Atom('register'), 'stolen', mine, false, null, 1_000]],
      ['citadel_rows', [new Atom('register'), 'stolen', pid, 'yes', null, 1_000]],
      ['citadel_rows', [new Atom('unregister'), 'nothing']],
      ['citadel_rows', [new Atom('join'), 'g', 17, null]],
      ['citadel_rows', [new Atom('leave'), 'g', null]],
      ['citadel_supervisor_workers', [new Atom('start'), 5, null, 'x']],
      ['citadel_supervisor_workers', [new Atom('start'), 'stolen', 'stolen', { module: 'Worker' }]],
      ['citadel_supervisor_workers', [new Atom('terminateChild'), 5, null]],
    ]
    for (const [name, request] of requests) {
      const tag = new Ref(evil.pid.node, 5, [1, 2, 3])
      const call = new Tuple(new Atom('$gen_call'), new Tuple(evil.pid, tag), new Tuple(...request))
      evil.tell(name, call)
      evil.tell(name, new Tuple(new Atom('$gen_cast'), new Tuple(...request)))
    }
    // The target has dealt with all that when it answers what came last.
    evil.tell('citadel', { type: 'goodbye' })
    await eventually(() => evil.isClosed)
    expect(
      await target.run(({ citadel, workers }) => [
        citadel.whereis('citadel_rows') !== undefined,
        citadel.whereis('citadel_supervisor_workers') !== undefined,
        citadel.registry.findByKey('stolen'),
        workers.members().size,
      ]),
    ).toEqual([true, true, undefined, 10])
    // And they serve: both go through them.
    await friend.run(async ({ citadel }, far) => {
      await citadel.registry.register('served', far)
      await citadel.registry.unregister('served')
    }, pid)
  })
})

/** An intruder that the target takes for a Citadel node. */
async function member(): Promise<Intruder> {
  const evil = await intruder()
  evil.introduce()
  await eventually(() => target.run(({ citadel }) => citadel.nodes().includes('evil@127.0.0.1')))
  return evil
}

describe("two nodes: the node's own users", () => {
  test('start a node under a name that is taken', async () => {
    const options = { name: target.name, cookie: cluster.cookie, epmdPort: cluster.epmdPort }
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
      target.run(({ citadel }, bad) => citadel.connect(bad), name),
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
      const start = Citadel.start({ cookie: 'c', epmdPort: cluster.epmdPort, ...options })
      await expect(start).rejects.toMatchObject({ code: 'bad_argument' })
    }
  })

  test('register, join and start with arguments that make no sense', async () => {
    const codes = await target.run(async ({ citadel, workers, Worker }) => {
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
    const failing = target.run(({ workers }) => workers.startChild('Missing', [], { id: 'm' }))
    await expect(failing).rejects.toMatchObject({ code: 'no_placement' })
  })

  test('call a method that does not exist, here and from the other node', async () => {
    for (const node of [target, friend]) {
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
          [pid, method] as [Pid, string],
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
      }, pid)
    for (const node of [target, friend]) {
      const seen = await tried(node)
      expect(seen.filter((line) => !line.startsWith('unserializable'))).toEqual([])
      expect(seen[0]).toContain('user')
    }
  })

  test('overflow a mailbox: calls are refused, sends dropped and counted, and it goes on', async () => {
    for (const node of [target, friend]) {
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
      }, pid)
      // The call that rests may be one of the hundred that the mailbox holds.
      expect(codes.answered).toBeGreaterThanOrEqual(99)
      expect(codes.answered).toBeLessThanOrEqual(100)
      expect(codes.overloaded).toBe(300 - codes.answered!)
    }
    await eventually(() => newLines().some((line) => /mailbox|overload/i.test(line)))
  })

  test('call what is not there', async () => {
    const calls: [string, unknown][] = [
      ['noproc', 'no such name'],
      ['noproc', { name: 'no such name', node: friend.name }],
      ['noproc', { key: 'no such key' }],
      ['noproc', new Pid(target.name, 4_000, 7, pid.creation)],
      ['noconnection', { name: 'target', node: 'gone@127.0.0.1' }],
      ['noconnection', new Pid('gone@127.0.0.1', 80, 0, 7)],
    ]
    for (const [code, to] of calls) {
      const call = target.run(
        ({ citadel }, [dest]) => citadel.call(dest as never, 'x' as never),
        [to],
      )
      await expect(call).rejects.toMatchObject({ code })
    }
  })

  test('start with a Redis that cannot be reached', async () => {
    const log = new LogRecorder()
    const options = { name: 'late@127.0.0.1', cookie: cluster.cookie, epmdPort: cluster.epmdPort }
    const node = await Citadel.start({ ...options, discovery: 'redis://127.0.0.1:1', logger: log })
    try {
      await eventually(() => log.lines.some((line) => /^warn .*Redis.*ECONNREFUSED/.test(line)))
      await expect(node.members()).rejects.toMatchObject({ code: 'discovery_failed' })
      expect(await node.connect(target.name)).toBe(true)
      const far = node.registry.findByKey('target') as Pid<Worker>
      expect(await node.call(far, 'where')).toBe(target.name)
    } finally {
      await node.stop()
    }
  })
})
