import { describe, expect, it, test } from 'vitest'
import { KeyLost } from '../../../../src/process/system-messages.js'
import type { Pid } from '../../../../src/term/pid.js'
import { ScopeCluster } from '../../../support/scope-cluster.js'

async function cluster(...names: string[]): Promise<ScopeCluster> {
  const cluster = new ScopeCluster(1)
  cluster.start(...names)
  cluster.connectAll()
  await cluster.run(100)
  return cluster
}

/** 'ok', the code of an error, or 'open'; and the pid that the error names. */
async function outcome(
  cluster: ScopeCluster,
  work: Promise<unknown>,
  ms = 100,
): Promise<{ end: string; pid?: unknown; value?: unknown }> {
  let end: { end: string; pid?: unknown; value?: unknown } = { end: 'open' }
  work.then(
    (value) => {
      end = { end: 'ok', ...(value === undefined ? {} : { value }) }
    },
    ({ code, pid, ...error }) => {
      end = { end: code ?? String(error), ...(pid ? { pid } : {}) }
    },
  )
  await cluster.run(ms)
  return end
}

const OK = { end: 'ok' }

test('one node: keys, groups and metadata that cannot cross are refused alone too, with the path', async () => {
  const alone = new ScopeCluster(1)
  alone.start('a')
  const { registry, groups, processes } = alone.node('a')
  const pid = processes.make()
  class ObjectId {}
  const cyclic: unknown[] = []
  cyclic.push({ cyclic })
  const refused: [Promise<void>, string, RegExp][] = [
    [registry.register({ of: [() => 1] }, pid), 'bad_argument', /key\.of\[0\] is a function/],
    [registry.register(['a', Number.NaN], pid), 'bad_argument', /NaN/],
    [
      registry.register('k', pid, { meta: { id: new ObjectId() } }),
      'unserializable',
      /meta\.id is an instance of ObjectId/,
    ],
    [
      registry.register('k', pid, { meta: cyclic }),
      'unserializable',
      /meta\[0\]\.cyclic leads back/,
    ],
    [groups.join(new ObjectId(), pid), 'bad_argument', /instance of ObjectId/],
    [groups.join('g', pid, { meta: [Symbol('x')] }), 'unserializable', /meta\[0\] is a symbol/],
  ]
  for (const [work, code, message] of refused) {
    await expect(work).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  }
  expect([registry.size, groups.members('g').length]).toEqual([0, 0])
})

describe('registry.register', () => {
  it('3 nodes: with sync it resolves when every member has the row, and not before', async () => {
    const three = await cluster('a', 'b', 'c')
    const { registry, processes } = three.node('a')
    const work = registry.register('x', processes.make(), { sync: true })
    let isDone = false
    void work.then(() => {
      isDone = true
    })
    while (!isDone) {
      const seen = ['b', 'c'].filter((name) => three.node(name).registry.findByKey('x'))
      await three.run(0.1)
      if (isDone) expect(seen).toEqual(['b', 'c'])
    }
  })

  it('3 nodes: with sync from another node; a member that is cut off is waited for no longer', async () => {
    const three = await cluster('a', 'b', 'c')
    const [a, b, c] = [three.node('a'), three.node('b'), three.node('c')]
    const pid = b.processes.make()
    const work = a.registry.register('x', pid, { sync: true })
    while (!b.registry.findByKey('x')) await three.run(0.1)
    expect(c.registry.findByKey('x')).toBeUndefined()
    three.cut('b', 'c')
    expect(await outcome(three, work)).toEqual(OK)
    expect(a.registry.findByKey('x')).toEqual(pid)
  })

  it('2 nodes: with sync, when a member does not confirm in time, rejects, and the key is registered', async () => {
    const two = new ScopeCluster(1, 400)
    two.start('a', 'b')
    two.connectAll()
    await two.run(3_000)
    const { registry, processes } = two.node('a')
    const pid = processes.make()
    // Of some keys this node decides itself, so that only the confirmation takes long.
    const keys = Array.from({ length: 20 }, (_, i) => i)
    const ends = keys.map((key) => registry.register(key, pid, { sync: true, timeoutMs: 2 }))
    const settled = Promise.allSettled(ends)
    await two.run(3_000)
    const late = keys.filter((key) => registry.findByKey(key))
    expect(late.length).toBeGreaterThan(0)
    for (const result of await settled) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'timeout' } })
    }
  })

  it('2 nodes: refuses metadata and keys that cannot be on every node, and nothing is left of them', async () => {
    const two = await cluster('a', 'b')
    const { registry, groups, processes } = two.node('a')
    const pid = processes.make()
    const bad = { function: () => 1, large: 'x'.repeat(33 * 1024) }
    const codes = [
      registry.register('x', pid, { meta: bad.function }),
      registry.register('x', pid, { meta: bad.large }),
      registry.register('x'.repeat(9_000), pid),
      groups.join('g', pid, { meta: { deep: [bad.function] } }),
      groups.join('g', pid, { meta: bad.large }),
      groups.join('g'.repeat(9_000), pid),
    ]
    const ends = await Promise.allSettled(codes)
    expect(ends.map((end) => end.status === 'rejected' && end.reason.code)).toEqual([
      'unserializable',
      'limit_exceeded',
      'limit_exceeded',
      'unserializable',
      'limit_exceeded',
      'limit_exceeded',
    ])
    await two.run(100)
    expect([registry.size, groups.members('g').length]).toEqual([0, 0])
    const meta = { list: [1] }
    expect(await outcome(two, registry.register('x', pid, { meta }))).toEqual(OK)
    meta.list.push(2)
    expect(registry.lookup('x')?.meta).toEqual({ list: [1] })
    expect(await outcome(two, registry.update('x', bad.function))).toEqual({
      end: 'unserializable',
    })
    expect(await outcome(two, registry.update('x', bad.large))).toEqual({ end: 'limit_exceeded' })
    expect(two.node('b').registry.lookup('x')?.meta).toEqual({ list: [1] })
  })
})

describe('registry.unregister', () => {
  it('3 nodes: once it has resolved nobody replaces the owner any more, and any node can register the key', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const three = new ScopeCluster(seed, 40)
      three.start('a', 'b', 'c')
      three.connectAll()
      await three.run(500)
      const [a, b, c] = [three.node('a'), three.node('b'), three.node('c')]
      const old = a.processes.make()
      for (const [key, by] of [a, b].entries()) {
        expect(await outcome(three, a.registry.register(key, old), 2_000)).toEqual(OK)
        const replaced = by.registry.unregister(key).then(() => {
          expect([a, b, c].map(({ registry }) => registry.lookup(key))).toEqual(Array(3))
          return c.registry.replace(key, old, c.processes.make())
        })
        expect(await outcome(three, replaced, 2_000)).toEqual({ end: 'not_found' })
        expect(await outcome(three, b.registry.register(key, b.processes.make()), 2_000)).toEqual(
          OK,
        )
      }
    }
  })

  it('2 nodes: a member that stands still is waited for until it is held for dead, or five seconds', async () => {
    const two = await cluster('a', 'b')
    const { registry, processes } = two.node('a')
    await outcome(two, registry.register('x', processes.make()))
    two.node('b').stalledUntil = Number.POSITIVE_INFINITY
    const work = registry.unregister('x')
    expect(await outcome(two, work, 4_900)).toEqual({ end: 'open' })
    expect(await outcome(two, work, 200)).toEqual(OK)
    expect(registry.findByKey('x')).toBeUndefined()
  })
})

describe('registry.update', () => {
  it('3 nodes: changes the metadata of the owner from any node, and leaves owner and epoch', async () => {
    const three = await cluster('a', 'b', 'c')
    const pid = three.node('b').processes.make()
    await outcome(three, three.node('b').registry.register('x', pid, { meta: 0 }))
    const { epoch } = three.node('b').registry.lookup('x')!
    for (const [meta, { registry }] of [...three.nodes.values()].entries()) {
      expect(await outcome(three, registry.update('x', { meta }))).toEqual(OK)
      for (const node of three.nodes.values()) {
        expect(node.registry.lookup('x')).toEqual({ key: 'x', pid, epoch, meta: { meta } })
      }
    }
    expect(await outcome(three, three.node('a').registry.update('x', null))).toEqual(OK)
    expect(three.node('c').registry.lookup('x')?.meta).toBeUndefined()
    expect(three.node('b').registry.findByPid(pid)).toEqual(['x'])
  })

  it('3 nodes: of many at the same time one is left, the same on all nodes', async () => {
    const three = await cluster('a', 'b', 'c')
    await outcome(three, three.node('b').registry.register('x', three.node('b').processes.make()))
    const works = [...three.nodes.values()].flatMap(({ registry, name }) =>
      [1, 2, 3].map((n) => registry.update('x', name + n)),
    )
    expect(
      await outcome(
        three,
        Promise.all(works).then(() => undefined),
      ),
    ).toEqual(OK)
    const metas = [...three.nodes.values()].map(({ registry }) => registry.lookup('x')?.meta)
    expect(new Set(metas).size).toBe(1)
    expect(String(metas[0])).toMatch(/^[abc]3$/)
  })

  it('2 nodes: of what nobody owns rejects, and does not bring back a row whose process has ended', async () => {
    const two = await cluster('a', 'b')
    const [a, b] = [two.node('a'), two.node('b')]
    expect(await outcome(two, a.registry.update('x', 1))).toEqual({ end: 'not_found' })
    const pid = b.processes.make()
    await outcome(two, b.registry.register('x', pid))
    const works = [a.registry.update('x', 1), b.registry.update('x', 2)]
    b.processes.end(pid)
    const ends = Promise.allSettled(works)
    await two.run(100)
    await ends
    for (const { registry } of two.nodes.values()) expect(registry.findByKey('x')).toBeUndefined()
    expect(b.claims.own.rows.size).toBe(0)
  })

  it('2 nodes: while the key follows its process it waits, and goes to where that is', async () => {
    const two = await cluster('a', 'b')
    const [a, b] = [two.node('a'), two.node('b')]
    const [old, came] = [a.processes.make(), b.processes.make()]
    await outcome(two, a.registry.register('x', old))
    const [key] = a.registry.keysOf(old)
    for (const { processes } of two.nodes.values()) processes.moved.set(old.toString(), came)
    const works = [a.registry.update('x', 1), b.registry.update('x', 1)]
    await two.run(50)
    await outcome(two, b.registry.bring(key!, { pid: came, from: old }))
    for (const work of works) expect(await outcome(two, work)).toEqual(OK)
    for (const { registry } of two.nodes.values()) {
      expect(registry.lookup('x')).toMatchObject({ pid: came, meta: 1 })
    }
  })
})

describe('registry.replace', () => {
  async function owned(...names: string[]): Promise<{ three: ScopeCluster; old: Pid }> {
    const three = await cluster(...names)
    const { registry, processes } = three.node('a')
    const old = processes.make()
    await outcome(three, registry.register('x', old, { meta: 'old' }))
    return { three, old }
  }

  it('3 nodes: gives the key to a process of any node, from any node; the old one lives on and is told', async () => {
    let last = 0
    const { three, old } = await owned('a', 'b', 'c')
    let owner = old
    for (const by of three.nodes.values()) {
      for (const at of three.nodes.values()) {
        const next = at.processes.make()
        expect(await outcome(three, by.registry.replace('x', owner, next))).toEqual(OK)
        const { processes } = three.node(owner.node)
        expect(processes.sent.pop()).toEqual({ to: owner, message: new KeyLost('x', next) })
        expect([processes.isAlive(owner), processes.exits]).toEqual([true, []])
        for (const { registry } of three.nodes.values()) {
          expect(registry.lookup('x')).toMatchObject({ pid: next, meta: 'old' })
          expect(registry.findByPid(owner)).toEqual([])
        }
        const { epoch } = by.registry.lookup('x')!
        expect(epoch).toBeGreaterThan(last)
        last = epoch
        owner = next
      }
    }
    const rows = [...three.nodes.values()].map(({ claims }) => claims.own.rows.size)
    expect(rows.reduce((sum, count) => sum + count)).toBe(1)
  })

  it('2 nodes: with other metadata, or none', async () => {
    const { three: two, old } = await owned('a', 'b')
    const [a, b] = [two.node('a'), two.node('b')]
    const [second, third] = [b.processes.make(), b.processes.make()]
    await outcome(two, a.registry.replace('x', old, second, { meta: { n: 2 } }))
    expect(a.registry.lookup('x')).toMatchObject({ pid: second, meta: { n: 2 } })
    await outcome(two, a.registry.replace('x', second, third, { meta: null }))
    expect(a.registry.lookup('x')).toMatchObject({ pid: third, meta: undefined })
  })

  it('3 nodes: only of the owner, else it names the owner, and says when there is none', async () => {
    const { three, old } = await owned('a', 'b', 'c')
    const [b, c] = [three.node('b'), three.node('c')]
    const [other, next] = [b.processes.make(), c.processes.make()]
    for (const { registry } of three.nodes.values()) {
      const refused = await outcome(three, registry.replace('x', other, next))
      expect(refused).toEqual({ end: 'already_registered', pid: old })
      expect(await outcome(three, registry.replace('y', old, next))).toEqual({ end: 'not_found' })
    }
    c.processes.end(next)
    expect((await outcome(three, b.registry.replace('x', old, next))).end).toBe('noproc')
    expect(b.registry.findByKey('x')?.equals(old)).toBe(true)
    for (const { processes } of three.nodes.values()) expect(processes.sent).toEqual([])
  })

  it('3 nodes: of many that would replace one owner exactly one does', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const three = new ScopeCluster(seed)
      three.start('a', 'b', 'c')
      three.connectAll()
      await three.run(100)
      const { registry, processes } = three.node('a')
      const old = processes.make()
      await outcome(three, registry.register('x', old))
      const works = [...three.nodes.values()].flatMap((node) =>
        [1, 2, 3].map(() => node.registry.replace('x', old, node.processes.make())),
      )
      const ends = Promise.allSettled(works)
      await three.run(2_000)
      const codes = (await ends).map((end) => (end.status === 'rejected' ? end.reason.code : 'ok'))
      expect(codes.sort()).toEqual([...new Array(8).fill('already_registered'), 'ok'])
    }
  })

  it('3 nodes: right after the register that it follows, whichever node has the row first', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const three = new ScopeCluster(seed, 40)
      three.start('a', 'b', 'c')
      three.connectAll()
      await three.run(500)
      const [a, b, c] = [three.node('a'), three.node('b'), three.node('c')]
      const [old, next] = [b.processes.make(), c.processes.make()]
      const work = b.registry.register(seed, old).then(async () => {
        await a.registry.whenRegistered(seed)
        await a.registry.replace(seed, old, next)
      })
      expect(await outcome(three, work, 2_000)).toEqual(OK)
      expect(b.processes.sent).toEqual([{ to: old, message: new KeyLost(seed, next) }])
    }
  })

  it('2 nodes: an old owner that has ended is not replaced', async () => {
    const { three: two, old } = await owned('a', 'b')
    const [a, b] = [two.node('a'), two.node('b')]
    const work = b.registry.replace('x', old, b.processes.make())
    a.processes.end(old)
    const { end } = await outcome(two, work, 2_000)
    // They are at the same moment: either comes first.
    expect(['ok', 'not_found']).toContain(end)
    expect(b.registry.findByKey('x') !== undefined).toBe(end === 'ok')
    a.processes.end(old)
    await two.run(50)
    const late = b.registry.replace('y', old, b.processes.make())
    expect(await outcome(two, late)).toEqual({ end: 'not_found' })
  })
})

describe('A key of a process that moves', () => {
  it('3 nodes: waits for a home that cannot be reached, and then comes along', async () => {
    const three = await cluster('a', 'b', 'c')
    const [a, b] = [three.node('a'), three.node('b')]
    const [old, came] = [a.processes.make(), b.processes.make()]
    // Of some of them c is the home.
    const names = Array.from({ length: 10 }, (_, i) => i)
    await outcome(three, Promise.all(names.map((name) => a.registry.register(name, old))))
    three.cut('b', 'c')
    await three.run(20)
    for (const { processes } of three.nodes.values()) processes.moved.set(old.toString(), came)
    const brought = a.registry
      .keysOf(old)
      .map((key) => b.registry.bring(key, { pid: came, from: old }))
    await three.run(8_000)
    const late = names.filter((name) => b.registry.findByKey(name)?.equals(old))
    expect(late.length).toBeGreaterThan(0)
    three.connectAll()
    expect((await outcome(three, Promise.all(brought), 2_000)).end).toBe('ok')
    for (const { registry, processes } of three.nodes.values()) {
      for (const name of names) expect(registry.findByKey(name)).toEqual(came)
      expect(processes.sent).toEqual([])
    }
  })

  it('2 nodes: a process that moves while it is registered has the key on its new node, on every table', async () => {
    for (let wait = 0; wait < 12; wait++) {
      const two = await cluster('a', 'b')
      const [a, b] = [two.node('a'), two.node('b')]
      const [old, came] = [a.processes.make(), b.processes.make()]
      const works = [0, 1, 2, 3].map((key) => a.registry.register(key, old, { meta: key }))
      await two.run(wait)
      const keys = a.registry.keysOf(old)
      for (const { processes } of two.nodes.values()) processes.moved.set(old.toString(), came)
      const brought = keys.map((key) => b.registry.bring(key, { pid: came, from: old }))
      expect((await outcome(two, Promise.all([...works, ...brought]), 500)).end).toBe('ok')
      for (const { registry } of two.nodes.values()) {
        expect([...registry.keys()].sort()).toEqual([0, 1, 2, 3])
        for (const key of [0, 1, 2, 3]) {
          expect(registry.lookup(key)).toMatchObject({ pid: came, meta: key })
        }
      }
      const rowsOfA = b.claims.replica.origin('a')?.rows.keys() ?? []
      expect([...rowsOfA]).toEqual([...a.claims.own.rows.keys()])
    }
  })

  it('2 nodes: comes along although its old self has a later epoch for it than it gave along', async () => {
    const two = await cluster('a', 'b')
    const [a, b] = [two.node('a'), two.node('b')]
    const [old, came] = [a.processes.make(), b.processes.make()]
    await outcome(two, a.registry.register('x', old, { meta: 1 }))
    const [key] = a.registry.keysOf(old)
    await outcome(two, a.registry.register('x', old, { meta: 2, force: true }))
    expect(a.registry.lookup('x')!.epoch).toBeGreaterThan(key![1])
    for (const { processes } of two.nodes.values()) processes.moved.set(old.toString(), came)
    expect(await outcome(two, b.registry.bring(key!, { pid: came, from: old }), 300)).toEqual(OK)
    for (const { registry, processes } of two.nodes.values()) {
      expect(registry.lookup('x')).toMatchObject({ pid: came, meta: 2 })
      expect(processes.sent).toEqual([])
    }
  })

  it('3 nodes: is lost at once if somebody has taken it by force meanwhile, and can be taken back', async () => {
    const three = await cluster('a', 'b', 'c')
    const [a, b, c] = [three.node('a'), three.node('b'), three.node('c')]
    const [old, came, other] = [a.processes.make(), b.processes.make(), c.processes.make()]
    await outcome(three, a.registry.register('x', old))
    const [key] = a.registry.keysOf(old)
    for (const { processes } of three.nodes.values()) processes.moved.set(old.toString(), came)
    await outcome(three, c.registry.register('x', other, { force: true }))
    expect(await outcome(three, b.registry.bring(key!, { pid: came, from: old }), 300)).toEqual(OK)
    expect(b.processes.sent).toEqual([{ to: came, message: new KeyLost('x', other) }])
    // The old node still has its claim, as not all know of the move.
    expect(a.claims.own.rows.has('x')).toBe(true)
    const refused = await outcome(three, b.registry.register('x', came))
    expect(refused).toEqual({ end: 'already_registered', pid: other })
    expect(await outcome(three, b.registry.register('x', came, { force: true }))).toEqual(OK)
    for (const { registry } of three.nodes.values()) {
      expect(registry.findByKey('x')).toEqual(came)
    }
  })

  it('3 nodes: comes along right after it was registered, although its home has not heard of it', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const three = new ScopeCluster(seed, 40)
      three.start('a', 'b', 'c')
      three.connectAll()
      await three.run(500)
      const [b, c] = [three.node('b'), three.node('c')]
      const follow = async (key: number): Promise<boolean> => {
        const [old, came] = [b.processes.make(), c.processes.make()]
        await b.registry.register(key, old)
        await c.registry.whenRegistered(key)
        for (const { processes } of three.nodes.values()) processes.moved.set(old.toString(), came)
        await c.registry.bring(b.registry.keysOf(old)[0]!, { pid: came, from: old })
        return c.registry.findByKey(key)?.equals(came) === true
      }
      const works = Promise.all(Array.from({ length: 20 }, (_, key) => follow(key)))
      expect(await outcome(three, works, 2_000)).toEqual({
        end: 'ok',
        value: new Array(20).fill(true),
      })
      expect(c.processes.sent).toEqual([])
    }
  })
})

describe('registry.whenRegistered', () => {
  it('2 nodes: resolves at once, or when a node registers it', async () => {
    const two = await cluster('a', 'b')
    const [a, b] = [two.node('a'), two.node('b')]
    const pid = b.processes.make()
    const waits = [a.registry.whenRegistered({ n: 1 }), b.registry.whenRegistered({ n: 1 })]
    await two.run(1_000)
    await outcome(two, b.registry.register({ n: 1 }, pid))
    for (const wait of waits) expect(await wait).toEqual(pid)
    expect(await a.registry.whenRegistered({ n: 1 }, { timeoutMs: 0 })).toEqual(pid)
  })

  it('1 node: ends at its deadline, at the signal, and with the node', async () => {
    const one = await cluster('a')
    const { registry } = one.node('a')
    const late = outcome(one, registry.whenRegistered('x', { timeoutMs: 50 }), 60)
    expect(await late).toEqual({ end: 'timeout' })
    const controller = new AbortController()
    const given = registry.whenRegistered('x', { signal: controller.signal, timeoutMs: Infinity })
    const reason = new Error('enough')
    controller.abort(reason)
    await expect(given).rejects.toMatchObject({ code: 'aborted', cause: reason })
    const { signal } = controller
    await expect(registry.whenRegistered('x', { signal })).rejects.toMatchObject({
      code: 'aborted',
    })
    const stopped = registry.whenRegistered('x', { timeoutMs: Infinity })
    registry.close()
    await expect(stopped).rejects.toMatchObject({ code: 'stopped' })
    await expect(registry.whenRegistered('x')).rejects.toMatchObject({ code: 'stopped' })
    for (const timeoutMs of [-1, Number.NaN, 'x' as never])
      await expect(registry.whenRegistered('x', { timeoutMs })).rejects.toMatchObject({
        code: 'bad_argument',
      })
  })
})
