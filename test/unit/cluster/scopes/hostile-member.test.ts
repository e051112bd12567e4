/**
 * A member that sends what no honest one can: `x`, which has the cookie and writes its messages by
 * hand. What it sends spoils nothing between the others, and what it leaves behind is bounded.
 */
import { describe, expect, it } from 'vitest'
import { PARTS } from '../../../../src/cluster/replication/row-digests.js'
import { encodeTerm } from '../../../../src/term/codec.js'
import { Pid } from '../../../../src/term/pid.js'
import { recipe } from '../../../support/replica-net.js'
import { ScopeCluster, type ScopeNode } from '../../../support/scope-cluster.js'

const LARGEST = Number.MAX_SAFE_INTEGER

class Attack {
  readonly pid: Pid

  private constructor(
    readonly cluster: ScopeCluster,
    readonly x: ScopeNode,
  ) {
    this.pid = new Pid('x', 99, 0, x.creation)
  }

  static async begin(...names: string[]): Promise<Attack> {
    const cluster = new ScopeCluster(1)
    cluster.start(...names, 'x')
    cluster.connectAll()
    await cluster.run(100)
    const x = cluster.node('x')
    // It says what it is told to, and nothing by itself.
    x.scopes.stop()
    return new Attack(cluster, x)
  }

  async send(to: string, ...messages: unknown[]): Promise<void> {
    for (const message of messages) this.cluster.send(this.x, to, encodeTerm(message))
    await this.cluster.run(50)
  }

  async bury(): Promise<void> {
    for (const node of this.cluster.nodes.values()) {
      if (node !== this.x)
        node.tell({ type: 'dead', node: 'x', creation: this.x.creation, certain: true })
    }
    await this.cluster.run(5_000)
  }

  /** The next update of its own in a scope. */
  updates(scope: string, ops: unknown[]): unknown[] {
    const first = this.next.get(scope) ?? 1
    this.next.set(scope, first + ops.length)
    return ['u', scope, first, ops, false]
  }

  private readonly next = new Map<string, number>()

  claim(id: string, epoch: unknown = 5, meta: unknown = null): unknown[] {
    return [id, null, this.pid, epoch, false, meta]
  }
}

async function register(attack: Attack, name: string, key: unknown): Promise<string> {
  const { registry, processes } = attack.cluster.node(name)
  let end = 'open'
  registry.register(key, processes.make()).then(
    () => {
      end = 'ok'
    },
    (error) => {
      end = error.code
    },
  )
  await attack.cluster.run(500)
  return end
}

const spec = (id: string, version: unknown, module: unknown = recipe): unknown[] => [
  id,
  null,
  module,
  version,
  'x',
]

describe('a hostile member', () => {
  it('3 nodes: numbers near 2^53 are left out, and the others go on with each other', async () => {
    const attack = await Attack.begin('a', 'b')
    const { epochMax } = attack.cluster.node('a').claims.table
    await attack.send(
      'a',
      ['h', 1, [['c:registry', 0, 0, LARGEST, 0]], 0, 0],
      [
        'q',
        [
          [
            1,
            attack.cluster.node('a').scopes.views.current.id,
            'c:registry',
            'k',
            null,
            true,
            LARGEST,
            0,
          ],
        ],
      ],
      ['g', [[1, 'granted', LARGEST], [2, 'granted', 'x'], [3, 'taken', 7], 'nothing']],
      attack.updates('c:registry', [attack.claim('near', LARGEST)]),
      ['o', 's:supervisor/w', [spec('near', LARGEST), spec('good', 7)]],
    )
    const a = attack.cluster.node('a')
    expect(a.claims.table.epochMax - epochMax).toBeLessThan(10)
    expect(a.registry.findByKey('near')).toBeUndefined()
    expect([...a.scopes.scope<'s'>('s:supervisor/w').table.rows.keys()]).toEqual(['good'])
    expect(a.scopes.scope<'s'>('s:supervisor/w').table.versionMax).toBeLessThan(2 ** 52)
    for (const name of ['a', 'b']) expect(await register(attack, name, `of ${name}`)).toBe('ok')
    await attack.bury()
    for (const name of ['a', 'b']) expect(await register(attack, name, `then ${name}`)).toBe('ok')
    expect(attack.cluster.node('b').registry.size).toBe(4)
  })

  it('3 nodes: numbers that are far ahead leave room to go on from, also for a node whose clock is behind', async () => {
    const attack = await Attack.begin('a', 'b')
    const wall = Math.floor(attack.cluster.clockFor(attack.x).wallTime() * 1_000)
    for (const ahead of [2 ** 40 - 1, 2 ** 40, 2 ** 40 + 2 ** 33 - 1, 2 ** 45]) {
      await attack.send(
        'a',
        ['h', 1, [['c:registry', 0, 0, wall + ahead, 0]], 0, 0],
        attack.updates('c:registry', [attack.claim(`x${ahead}`, wall + ahead)]),
      )
      for (const name of ['a', 'b']) expect(await register(attack, name, [name, ahead])).toBe('ok')
    }
    await attack.bury()
    const [a, b] = [attack.cluster.node('a'), attack.cluster.node('b')]
    expect([a.registry.size, b.registry.size]).toEqual([8, 8])
    expect([...a.registry.keys()].map(String).sort()).toEqual(
      [...b.registry.keys()].map(String).sort(),
    )
  })

  it('2 nodes: a row that makes no sense is left out, those beside it are not, and nobody is cut off', async () => {
    const attack = await Attack.begin('a')
    const foreign = new Pid('a', 1, 0, 1)
    const odd: unknown[] = [
      null,
      7,
      {},
      [],
      [null],
      [[]],
      ['two', 'no code'],
      ['short', null],
      attack.claim('epoch', -1),
      attack.claim('epoch', {}),
      ['pid', null, foreign, 5, false, null],
      ['flag', null, attack.pid, 5, 'no', null],
      [{}, null, attack.pid, 5, false, null],
    ]
    for (const [at, one] of odd.entries()) {
      await attack.send(
        'a',
        attack.updates('c:registry', [
          attack.claim(`before ${at}`),
          one,
          attack.claim(`after ${at}`),
        ]),
      )
    }
    const { registry, claims } = attack.cluster.node('a')
    expect(registry.findByNode('x')).toHaveLength(2 * odd.length)
    expect(claims.replica.applied('x')).toBe(3 * odd.length)
    await attack.send(
      'a',
      attack.updates('g:groups', [
        ['m', 'g', null, attack.pid, 1, null],
        ['odd', 5, null, attack.pid, 1, null],
      ]),
    )
    expect(attack.cluster.node('a').groups.members('g')).toHaveLength(1)
  })

  it('2 nodes: a row larger than anybody may write is left out, and one as large as that is not', async () => {
    const attack = await Attack.begin('a')
    const { registry } = attack.cluster.node('a')
    await attack.send(
      'a',
      attack.updates('c:registry', [
        attack.claim('bytes', 5, new Uint8Array(600_000)),
        attack.claim('text', 5, { deep: ['x'.repeat(600_000)] }),
        attack.claim('k'.repeat(10_000)),
        attack.claim(
          'list',
          5,
          Array.from({ length: 100_000 }, () => 1),
        ),
        attack.claim(
          'full',
          5,
          Array.from({ length: 16_000 }, () => 1),
        ),
      ]),
    )
    expect(registry.findByNode('x')).toEqual(['full'])
  })

  it('2 nodes: who asks for 200,000 keys and writes none has 100,000 of them', async () => {
    const attack = await Attack.begin('a')
    const { scopes, claims } = attack.cluster.node('a')
    const view = scopes.views.current.id
    for (let first = 0; first < 200_000; first += 10_000) {
      const requests = Array.from({ length: 10_000 }, (_, n) => [
        first + n,
        view,
        'c:registry',
        `k${first + n}`,
        null,
        false,
        0,
        0,
      ])
      scopes.receive(['q', requests], attack.pid)
    }
    expect(claims.table.reserved.size).toBe(100_000)
    await attack.bury()
    expect(claims.table.reserved.size).toBe(0)
  })

  it('2 nodes: a spec that is left out each time is not asked for again and again', async () => {
    const attack = await Attack.begin('a')
    const asked: unknown[] = []
    attack.x.scopes.receive = (message: unknown) => {
      if (!Array.isArray(message)) return
      if (message[0] === 'd') asked.push(message)
      if (message[0] !== 'n') return
      for (const part of [
        ['s', message[1], 1, 0, 0, []],
        ['c', message[1], 1, 0],
      ]) {
        attack.cluster.send(attack.x, 'a', encodeTerm(part))
      }
    }
    attack.cluster.node('a').scopes.scope('s:supervisor/w')
    for (let second = 0; second < 200; second++) {
      const sent = asked.length
      await attack.send('a', ['h', 1, [['s:supervisor/w', 0, 0, 12_345, 12_345]], 0, 0])
      if (asked.length > sent)
        await attack.send('a', ['o', 's:supervisor/w', [spec('odd', 'no version')]])
      await attack.cluster.run(900)
    }
    expect(asked.length).toBeGreaterThan(0)
    expect(asked.length).toBeLessThan(10)
    expect(asked[0]).toHaveLength(3)
    expect((asked[0] as unknown[][])[2]).toHaveLength(PARTS)
  })

  it('3 nodes: of 9,990 invented scopes 100 are kept, nobody is told of them, and they go with who named them', async () => {
    const attack = await Attack.begin('a', 'b')
    const a = attack.cluster.node('a')
    const before = [...a.scopes['scopes']].length
    const names = Array.from({ length: 9_990 }, (_, n) => `${'cgs'[n % 3]}:invented/${n}`)
    await attack.send('a', ['h', 1, names.map((name) => [name, 1, 0, 1, 1]), 0, 0])
    for (const name of names) attack.cluster.send(attack.x, 'a', encodeTerm(['n', name, 0]))
    await attack.cluster.run(3_000)
    expect([...a.scopes['scopes']].length).toBe(before + 100)
    expect([...attack.cluster.node('b').scopes['scopes']].length).toBe(before)
    for (let n = 0; n < 200; n++) a.scopes.scope(`c:supervisor/${n}`)
    await attack.bury()
    expect([...a.scopes['scopes']].length).toBe(before + 200)
  })
})
