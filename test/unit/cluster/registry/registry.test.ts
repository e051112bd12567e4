import { describe, expect, it } from 'vitest'
import { KeyLost } from '../../../../src/process/system-messages.js'
import { Pid } from '../../../../src/term/pid.js'
import { ScopeCluster, type ScopeNode } from '../../../support/scope-cluster.js'

async function cluster(...names: string[]): Promise<ScopeCluster> {
  const cluster = new ScopeCluster(1)
  cluster.start(...names)
  cluster.connectAll()
  await cluster.run(100)
  return cluster
}

/** What promises come to while time passes: 'ok', the code of an error, or 'open'. */
async function outcomes(
  cluster: ScopeCluster,
  works: readonly Promise<unknown>[],
  ms: number,
): Promise<string[]> {
  const ends = works.map(() => 'open')
  for (const [i, work] of works.entries()) {
    work.then(
      () => {
        ends[i] = 'ok'
      },
      (error) => {
        ends[i] = error.code ?? String(error)
      },
    )
  }
  await cluster.run(ms)
  return ends
}

async function outcome(cluster: ScopeCluster, work: Promise<unknown>, ms = 100): Promise<string> {
  const [end] = await outcomes(cluster, [work], ms)
  return end!
}

const everywhere = (cluster: ScopeCluster, look: (node: ScopeNode) => unknown): unknown[] => [
  ...new Set([...cluster.nodes.values()].map((node) => JSON.stringify(look(node)))),
]

describe('Registry', () => {
  it('3 nodes: when a node is killed, all reads of registry and groups agree at once', async () => {
    const three = await cluster('a', 'b', 'c')
    for (const [name, count] of [
      ['a', 100],
      ['b', 300],
    ] as const) {
      const { registry, groups, processes } = three.node(name)
      const pid = processes.make()
      for (let n = 0; n < count; n++) void registry.register([name, n], pid)
      void groups.join(`of ${name}`, pid)
      void groups.join('all', pid)
    }
    await three.run(200)
    const { registry, groups } = three.node('c')
    expect(registry.size).toBe(400)
    const dead = registry.findByKey(['b', 0])!
    const [creation] = [three.node('b').creation]
    three.node('c').tell({ type: 'dead', node: 'b', creation, certain: true } as never)
    // Nothing has run since: no row is removed yet.
    expect(registry.size).toBe(100)
    expect([...registry.keys()]).toHaveLength(100)
    expect([...registry.keys()].every((key) => registry.findByKey(key))).toBe(true)
    expect(registry.findByKey(['b', 0])).toBeUndefined()
    expect([registry.findByPid(dead), registry.findByNode('b')]).toEqual([[], []])
    expect([...groups.groups()].sort()).toEqual(['all', 'of a'])
    expect([groups.members('all').length, groups.members('of b').length]).toEqual([1, 0])
    expect([groups.findByPid(dead), groups.findByNode('b'), [...groups.rows('of b')]]).toEqual([
      [],
      [],
      [],
    ])
  })

  it('3 nodes: a key of any term is found on each of them, by key, by process and by node', async () => {
    const three = await cluster('a', 'b', 'c')
    const { registry, processes } = three.node('a')
    const pid = processes.make()
    for (const key of ['text', null, { room: 1 }]) {
      const work = registry.register(key, pid, { meta: { key } })
      expect(await outcome(three, work)).toBe('ok')
    }
    for (const { registry: other } of three.nodes.values()) {
      expect(other.findByKey({ room: 1 })?.equals(pid)).toBe(true)
      expect(other.findByPid(pid)).toEqual(['text', null, { room: 1 }])
      expect(other.findByNode('a')).toEqual(['text', null, { room: 1 }])
      expect([...other.keys()]).toEqual(['text', null, { room: 1 }])
      expect(other.lookup('text')?.meta).toEqual({ key: 'text' })
      expect(other.size).toBe(3)
    }
  })

  it('3 nodes: of many who want one key at the same time exactly one gets it', async () => {
    const three = await cluster('a', 'b', 'c')
    const works: Promise<void>[] = []
    for (let i = 0; i < 5; i++) {
      for (const { registry, processes } of three.nodes.values()) {
        works.push(registry.register('key', processes.make()))
      }
    }
    const ends = await outcomes(three, works, 1_000)
    expect(ends.filter((end) => end === 'ok').length).toBe(1)
    expect(ends.filter((end) => end === 'already_registered').length).toBe(14)
    expect(everywhere(three, ({ registry }) => registry.findByKey('key')).length).toBe(1)
    for (const { processes } of three.nodes.values()) expect(processes.sent).toEqual([])
  })

  it('1 node: of two of its processes that want one key at the same time one gets it', async () => {
    const one = await cluster('a')
    const { registry, processes } = one.node('a')
    const works = [1, 2].map(() => registry.register('key', processes.make()))
    const ends = await outcomes(one, works, 100)
    expect(ends.sort()).toEqual(['already_registered', 'ok'])
    expect(processes.sent).toEqual([])
  })

  it('2 nodes: whoever takes over a key has a later epoch, wherever it is', async () => {
    const two = await cluster('a', 'b')
    let last = 0
    for (let turn = 0; turn < 20; turn++) {
      const { registry, processes } = two.node(turn % 2 === 0 ? 'a' : 'b')
      const pid = processes.make()
      expect(await outcome(two, registry.register('key', pid))).toBe('ok')
      const { epoch } = registry.lookup('key')!
      expect(epoch).toBeGreaterThan(last)
      last = epoch
      processes.end(pid)
      await two.run(20)
    }
  })

  it('2 nodes: with force the old owner lives on and is told', async () => {
    const two = await cluster('a', 'b')
    const [a, b] = [two.node('a'), two.node('b')]
    const [old, taker] = [a.processes.make(), b.processes.make()]
    await outcome(two, a.registry.register('key', old))
    expect(await outcome(two, b.registry.register('key', taker))).toBe('already_registered')
    expect(await outcome(two, b.registry.register('key', taker, { force: true }))).toBe('ok')
    expect(a.processes.isAlive(old)).toBe(true)
    expect(a.processes.exits).toEqual([])
    expect(a.processes.sent).toEqual([{ to: old, message: new KeyLost('key', taker) }])
    expect(a.registry.findByPid(old)).toEqual([])
    expect(everywhere(two, ({ registry }) => registry.findByKey('key')).length).toBe(1)
    expect(a.claims.own.rows.size).toBe(0)
  })

  it('2 nodes: the keys of a process end with it', async () => {
    const two = await cluster('a', 'b')
    const { registry, processes } = two.node('a')
    const pid = processes.make()
    await outcome(two, registry.register('x', pid))
    await outcome(two, registry.register('y', pid))
    processes.end(pid)
    await two.run(20)
    expect(everywhere(two, ({ registry }) => registry.size)).toEqual(['0'])
    expect(await outcome(two, registry.register('x', pid))).toBe('noproc')
  })

  it('2 nodes: registers and unregisters processes of the other node', async () => {
    const two = await cluster('a', 'b')
    const pid = two.node('b').processes.make()
    const { registry } = two.node('a')
    expect(await outcome(two, registry.register('key', pid))).toBe('ok')
    expect(two.node('b').claims.own.rows.size).toBe(1)
    expect(await outcome(two, registry.unregister('key'))).toBe('ok')
    expect(everywhere(two, ({ registry }) => registry.findByKey('key') ?? null)).toEqual(['null'])
    expect(await outcome(two, registry.unregister('key'))).toBe('not_found')
  })

  it('3 nodes: the keys of a dead node are gone at once and can be taken', async () => {
    const three = await cluster('a', 'b', 'c')
    const { registry, processes } = three.node('c')
    for (let i = 0; i < 50; i++) {
      const work = registry.register(i, processes.make())
      await outcome(three, work, 10)
    }
    three.crash('c')
    await three.run(20)
    expect(everywhere(three, ({ registry }) => registry.size)).toEqual(['0'])
    const works = Array.from({ length: 50 }, (_, i) =>
      three.node('a').registry.register(i, three.node('a').processes.make()),
    )
    const ends = await outcomes(three, works, 200)
    expect(new Set(ends)).toEqual(new Set(['ok']))
  })

  it('3 nodes: a key whose home cannot be reached is unavailable within two seconds', async () => {
    const three = await cluster('a', 'b', 'c')
    three.cut('a', 'c')
    three.cut('b', 'c')
    await three.run(20)
    const { registry, processes } = three.node('a')
    const works = Array.from({ length: 30 }, (_, i) => registry.register(i, processes.make()))
    const ends = await outcomes(three, works, 2_000)
    expect(new Set(ends)).toEqual(new Set(['ok', 'unavailable']))
    three.connectAll()
    await three.run(100)
    const again = works
      .map((_, i) => i)
      .filter((i) => ends[i] !== 'ok')
      .map((i) => registry.register(i, processes.make()))
    const now = await outcomes(three, again, 100)
    expect(new Set(now)).toEqual(new Set(['ok']))
  })

  it('2 nodes: after a split each key has one owner, and the loser ends with name_conflict', async () => {
    const two = await cluster('a', 'b')
    two.cut('a', 'b')
    await two.run(20)
    two.bury('a', 'b')
    two.bury('b', 'a')
    const [a, b] = [two.node('a'), two.node('b')]
    const [first, second] = [a.processes.make(), b.processes.make()]
    expect(await outcome(two, a.registry.register('key', first))).toBe('ok')
    expect(await outcome(two, b.registry.register('key', second))).toBe('ok')
    two.connect('a', 'b')
    await two.run(2_000)
    expect(everywhere(two, ({ registry }) => registry.findByKey('key')).length).toBe(1)
    const exits = [...a.processes.exits, ...b.processes.exits]
    expect(exits.length).toBe(1)
    expect(exits[0]!.reason).toBe('name_conflict')
    expect(a.registry.findByKey('key')?.equals(exits[0]!.pid)).toBe(false)
    expect(a.claims.own.rows.size + b.claims.own.rows.size).toBe(1)
  })

  it('2 nodes: a claim that was asked for and not used leaves no reservation behind', async () => {
    const two = await cluster('a', 'b')
    const { registry, processes } = two.node('a')
    const pids = Array.from({ length: 20 }, () => processes.make())
    const works = pids.map((pid, i) => registry.register(i, pid))
    for (const pid of pids) processes.end(pid)
    expect(new Set(await outcomes(two, works, 2_000))).toEqual(new Set(['noproc']))
    for (const { claims } of two.nodes.values()) {
      expect(claims.table.reserved.size).toBe(0)
      expect(claims.table.size).toBe(0)
    }
  })
})

describe('Groups', () => {
  it('2 nodes: a process is a member until it left as often as it joined', async () => {
    const two = await cluster('a', 'b')
    const { groups, processes } = two.node('a')
    const pid = processes.make()
    await groups.join('g', pid)
    await groups.join('g', pid)
    await two.run(20)
    expect(everywhere(two, ({ groups }) => groups.members('g').length)).toEqual(['1'])
    await groups.leave('g', pid)
    await two.run(20)
    expect(everywhere(two, ({ groups }) => groups.findByPid(pid))).toEqual(['["g"]'])
    await groups.leave('g', pid)
    await groups.leave('g', pid)
    await two.run(20)
    expect(everywhere(two, ({ groups }) => [...groups.groups()].length)).toEqual(['0'])
  })

  it('2 nodes: joins processes of the other node, and leaves with them', async () => {
    const two = await cluster('a', 'b')
    const pid = two.node('b').processes.make()
    await outcome(two, two.node('a').groups.join(null, pid, { meta: 1 }))
    expect(everywhere(two, ({ groups }) => groups.findByNode('b'))).toEqual(['[null]'])
    expect([...two.node('a').groups.rows(null)][0]?.meta).toBe(1)
    expect(two.node('a').groups.localMembers(null)).toEqual([])
    two.node('b').processes.end(pid)
    await two.run(20)
    expect(everywhere(two, ({ groups }) => groups.members(null).length)).toEqual(['0'])
    expect(await outcome(two, two.node('b').groups.join('g', pid))).toBe('noproc')
  })

  it('2 nodes: broadcasts to all members but those excepted', async () => {
    const two = await cluster('a', 'b')
    const pids: Pid[] = []
    for (const { groups, processes } of two.nodes.values()) {
      for (let i = 0; i < 2; i++) {
        const pid = processes.make()
        pids.push(pid)
        await groups.join('g', pid)
      }
    }
    await two.run(20)
    const { groups, processes } = two.node('a')
    const { node, id, serial, creation } = pids[3]!
    const except = [new Pid(node, id, serial, creation)]
    expect(groups.broadcast('g', 'hello', { except })).toBe(3)
    expect(groups.broadcastLocal('g', 'hello')).toBe(2)
    expect(processes.sent.length).toBe(5)
  })

  it('3 nodes: a subscriber hears of joins and leaves, with their reasons, once each', async () => {
    const three = await cluster('a', 'b', 'c')
    const events: string[] = []
    const subscription = three.node('a').groups.subscribe('g')
    const reading = (async () => {
      for await (const { type, pid, reason } of subscription) {
        events.push(`${type} ${pid.node} ${reason}`)
      }
    })()
    const [b, c] = [three.node('b'), three.node('c')]
    const pid = b.processes.make()
    await b.groups.join('g', pid)
    await b.groups.join('g', pid)
    await three.run(20)
    await c.groups.join('g', c.processes.make())
    await c.groups.join('other', c.processes.make())
    await three.run(20)
    b.processes.end(pid)
    await three.run(20)
    three.crash('c')
    await three.run(2_000)
    three.node('a').groups.close()
    await reading
    expect(events).toEqual([
      'join b normal',
      'join c normal',
      'leave b process_down',
      'leave c node_down',
    ])
  })
})
