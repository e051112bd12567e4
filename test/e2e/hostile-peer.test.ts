/**
 * A peer that knows the cookie and means harm: whatever it sends, it harms only its own connection,
 * and the node says in its log what was wrong.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { SCOPES_ENDPOINT } from '../../src/cluster/scopes/scope-sender.js'
import { Atom } from '../../src/term/atom.js'
import { Pid } from '../../src/term/pid.js'
import { Ref } from '../../src/term/ref.js'
import { Tuple } from '../../src/term/tuple.js'
import { numbers } from '../support/cluster.js'
import { eventually } from '../support/eventually.js'
import { ServingPair } from '../support/serving-pair.js'

let pair: ServingPair

beforeAll(async () => {
  pair = await ServingPair.start()
})

afterAll(() => pair?.cluster.stop())

beforeEach(() => pair.begin())

afterEach(() => pair.check())

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
    const evil = await pair.intruder()
    expect(evil.bare.outcome?.type).toBe('established')
    evil.raw(bytes)
    await eventually(() => evil.isClosed)
    await eventually(() => pair.newLines.some((line) => line.includes('evil@127.0.0.1')))
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
        const evil = await pair.intruder()
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
    ['heads of nonsense', ['h', 'view', 'heads', 'oldest', 'beat']],
    ['a scope of an unknown kind', ['u', 'zzz', 1, [], false]],
    ['a scope whose name is a number', ['u', 5, 1, [], false]],
    ['updates that are no list', ['u', 'c:registry', 1, 'rows', false]],
    ['an update number that is no number', ['u', 'c:registry', 'one', [['a']], true]],
    ['an acknowledgement of nonsense', ['a', 'c:registry', 'x']],
    ['a need of nonsense', ['n', 'c:registry', -5]],
    ['digests of nonsense', ['d', 's:supervisor/workers', [1, null, ['x']]]],
    ['digests of too few parts', ['d', 's:supervisor/workers', [1, 2, 3]]],
    ['releases of nonsense', ['r', 'all']],
    ['a letter that does not exist', ['constructor', 1, 2]],
  ]
  test.each(scopes)(
    'that sends %s as a member is closed, with a line that says so',
    { timeout: 120_000 },
    async (_what, message) => {
      // Only so many lines of this kind are said in ten seconds: it may have to be sent again.
      const isSaid = async (): Promise<boolean> => {
        const evil = await pair.member()
        evil.tell(SCOPES_ENDPOINT, message)
        await eventually(() => evil.isClosed)
        return pair.newLines.some((line) => /evil.*bad frame.*does not know/.test(line))
      }
      await eventually(isSaid, { timeoutMs: 60_000, everyMs: 500 })
    },
  )

  const mine = new Pid('evil@127.0.0.1', 90, 0, 5)
  let proofs = 0
  /** It is heard as before: a row that it writes now is known. */
  const isHeard = async (evil: Awaited<ReturnType<typeof pair.member>>): Promise<void> => {
    const proof = `proof ${++proofs}`
    evil.tell(SCOPES_ENDPOINT, ['h', 1, [['g:groups', 0, 0, 0, 0]], 1, 0])
    evil.tell(SCOPES_ENDPOINT, ['u', 'g:groups', 1, [['m', proof, null, mine, 1, null]], false])
    await eventually(() =>
      pair.target.run(({ citadel }, group) => citadel.groups.members(group).length === 1, proof),
    )
    expect(evil.isClosed).toBe(false)
    evil.tell('citadel', { type: 'goodbye' })
    await eventually(() => evil.isClosed)
  }

  const parts: [string, unknown[]][] = [
    ['heads that are no rows', ['h', 1, [1, null, 'x'], 0, 0]],
    ['updates that are no rows', ['u', 'c:registry', 1, [null, 5, [], [1, 2]], false]],
    ['a chunk of nonsense', ['s', 'c:registry', 1, 0, 0, ['x', null, 7]]],
    ['an offer of nonsense', ['o', 's:supervisor/workers', [1, null, ['x']]]],
    ['a claim of nonsense', ['q', [null]]],
    ['a claim in a scope that has no claims', ['q', [[1, 1, 'g:groups', 'k', null, false, 0, 0]]]],
    ['a claim with a view of nonsense', ['q', [[1, 'v', 'c:registry', {}, 5, 7, 0, 0]]]],
    ['answers of nonsense', ['g', [null, [1, 'granted', 'x'], [9, 'maybe', null]]]],
  ]
  test.each(parts)('that sends %s as a member is heard as before', async (_what, message) => {
    const evil = await pair.member()
    evil.tell(SCOPES_ENDPOINT, message)
    await isHeard(evil)
  })

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
    'that sends %s is heard as before, and no row of it is taken',
    async (_what, scope, row) => {
      const evil = await pair.member()
      // Its heads make the target ask for a snapshot, so that the chunk is one that was asked for.
      evil.tell(SCOPES_ENDPOINT, ['h', 1, [[scope, 1, 0, 0, 0]], 1, 0])
      evil.tell(SCOPES_ENDPOINT, ['s', scope, 1, 0, 1, [row]])
      if (scope !== 'g:groups') await isHeard(evil)
      expect(
        await pair.target.run(({ citadel, workers }) => [
          citadel.registry.findByKey('stolen'),
          citadel.groups.members('g').length,
          workers.lookup('stolen'),
          citadel.registry.findByKey('target')?.node,
        ]),
      ).toEqual([undefined, 0, undefined, pair.target.name])
      evil.tell('citadel', { type: 'goodbye' })
      await eventually(() => evil.isClosed)
    },
  )

  const odd: [string, unknown[]][] = [
    [
      'heads of a thousand unknown scopes',
      ['h', 1, numbers(1_000).map((n) => [`c:made up ${n}`, 0, 0, 0, 0]), 0, 0],
    ],
    ['an update number far ahead', ['u', 'c:registry', 2 ** 52, ['a', 'b'], true]],
    ['a chunk nobody asked for', ['s', 'c:registry', 7, 3, 9, [['x']]]],
    ['a commit nobody asked for', ['c', 'c:registry', 7, 9]],
    [
      'a claim under a view that nobody holds',
      ['q', [[1, 1, 'c:registry', 'target', null, true, 0, 0]]],
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
    const evil = await pair.member()
    evil.tell(SCOPES_ENDPOINT, message)
    evil.tell(SCOPES_ENDPOINT, message)
    evil.tell('citadel', { type: 'goodbye' })
    await eventually(() => evil.isClosed)
    expect(await pair.target.run(({ citadel }) => citadel.registry.findByKey('target'))).toEqual(
      pair.pid,
    )
  })

  test("that calls and casts the node's own servers with nonsense is refused by all of them", async () => {
    const evil = await pair.member()
    const requests: [string, unknown[]][] = [
      ['citadel_rows', [new Atom('register'), 'stolen', 'me', 'yes', null, -1]],
      ['citadel_rows', [new Atom('register'), 'stolen', mine, false, null, 1_000]],
      ['citadel_rows', [new Atom('register'), 'stolen', pair.pid, 'yes', null, 1_000]],
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
      await pair.target.run(({ citadel, workers }) => [
        citadel.whereis('citadel_rows') !== undefined,
        citadel.whereis('citadel_supervisor_workers') !== undefined,
        citadel.registry.findByKey('stolen'),
        workers.members().size,
      ]),
    ).toEqual([true, true, undefined, 10])
    // And they serve: both go through them.
    await pair.friend.run(async ({ citadel }, far) => {
      await citadel.registry.register('served', far)
      await citadel.registry.unregister('served')
    }, pair.pid)
  })
})
