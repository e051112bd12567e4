import { describe, expect, it } from 'vitest'
import type { RegistryEvent } from '../../../../src/cluster/registry/registry-events.js'
import type { RegistrySelector } from '../../../../src/cluster/registry/registry-watches.js'
import type { Pid } from '../../../../src/term/pid.js'
import { ScopeCluster, type ScopeNode } from '../../../support/scope-cluster.js'

async function cluster(...names: string[]): Promise<ScopeCluster> {
  const cluster = new ScopeCluster(1)
  cluster.start(...names)
  cluster.connectAll()
  await cluster.run(100)
  return cluster
}

interface Heard {
  readonly events: RegistryEvent[]
  /** How the loop ended; undefined: it has not. */
  end: unknown
}

function listen({ registry }: ScopeNode, selector?: RegistrySelector): Heard {
  const heard: Heard = { events: [], end: undefined }
  const read = async (): Promise<void> => {
    for await (const event of registry.watch(selector)) heard.events.push(event)
  }
  read().then(
    () => {
      heard.end = 'closed'
    },
    (error) => {
      heard.end = error.code
    },
  )
  return heard
}

/** `registered key pid reason (previous pid)`, and starts anew. */
function told({ events }: Heard): string[] {
  const lines = events.map(({ type, key, pid, reason, previousPid }) => {
    const name = typeof key === 'string' ? key : JSON.stringify(key)
    return [type, name, pid.node + pid.id, reason, ...previous(previousPid)].join(' ')
  })
  events.length = 0
  return lines
}

const previous = (pid: Pid | undefined): string[] => (pid ? [`(${pid.node}${pid.id})`] : [])

async function done<T>(cluster: ScopeCluster, work: Promise<T>, ms = 100): Promise<T> {
  const settled = work.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  await cluster.run(ms)
  const outcome = await settled
  if ('error' in outcome) throw outcome.error
  return outcome.value
}

describe('registry.watch', () => {
  it('2 nodes: tells what is there first, then what comes and goes, on both nodes the same', async () => {
    const two = await cluster('a', 'b')
    const [a, b] = [two.node('a'), two.node('b')]
    const pid = a.processes.make()
    await done(two, a.registry.register('x', pid, { meta: 1 }))
    const { epoch } = a.registry.lookup('x')!
    const both = [listen(a), listen(b)]
    await done(two, b.registry.register('y', b.processes.make()))
    await done(two, b.registry.update('x', { seat: 2 }))
    await done(two, b.registry.unregister('y'))
    a.processes.end(pid)
    await two.run(50)
    expect(both[0]!.events).toEqual(both[1]!.events)
    expect(both[0]!.events[2]).toEqual({
      type: 'updated',
      key: 'x',
      pid,
      epoch,
      meta: { seat: 2 },
      previousPid: pid,
      previousMeta: 1,
      reason: 'updated',
    })
    expect(both[0]!.events[4]).toEqual({
      type: 'unregistered',
      key: 'x',
      pid,
      epoch,
      meta: { seat: 2 },
      reason: 'process_down',
    })
    for (const heard of both) {
      expect(told(heard)).toEqual([
        'registered x a1 present',
        'registered y b1 registered',
        'updated x a1 updated (a1)',
        'unregistered y b1 unregistered',
        'unregistered x a1 process_down',
      ])
    }
  })

  it('2 nodes: of one key, of a prefix of strings, and of a prefix of arrays', async () => {
    const two = await cluster('a', 'b')
    const { registry, processes } = two.node('a')
    const keys = ['room/1', 'room/2', 'hall/1', ['room', 1, 'x'], ['room', 2], { room: 1 }]
    await done(two, registry.register(keys[0], processes.make()))
    await done(two, registry.register(keys[3], processes.make()))
    const b = two.node('b')
    const selectors = [
      { key: { room: 1 } },
      { prefix: 'room/' },
      { prefix: ['room', 1] },
      { prefix: [] },
    ]
    const heard = selectors.map((selector) => listen(b, selector))
    for (const key of [keys[1], keys[2], keys[4], keys[5]])
      await done(two, registry.register(key, processes.make()))
    for (const key of keys) await done(two, registry.unregister(key))
    const seen = heard.map(({ events }) => events.map(({ type, key }) => [type[0], key]))
    expect(seen).toEqual([
      [
        ['r', keys[5]],
        ['u', keys[5]],
      ],
      [
        ['r', keys[0]],
        ['r', keys[1]],
        ['u', keys[0]],
        ['u', keys[1]],
      ],
      [
        ['r', keys[3]],
        ['u', keys[3]],
      ],
      [
        ['r', keys[3]],
        ['r', keys[4]],
        ['u', keys[3]],
        ['u', keys[4]],
      ],
    ])
  })

  it('2 nodes: tells of a change of owner once, with the process before and why', async () => {
    const two = await cluster('a', 'b')
    const [a, b] = [two.node('a'), two.node('b')]
    const [one, other, third] = [a.processes.make(), b.processes.make(), b.processes.make()]
    await done(two, a.registry.register('x', one, { meta: 'm' }))
    const both = [listen(a, { key: 'x' }), listen(b, { key: 'x' })]
    await done(two, a.registry.register('x', other, { force: true }))
    await done(two, b.registry.replace('x', other, third, { meta: 'n' }))
    for (const heard of both) {
      expect(heard.events[1]).toMatchObject({ meta: undefined, previousMeta: 'm' })
      expect(heard.events[2]).toMatchObject({ meta: 'n', previousMeta: undefined })
      expect(told(heard)).toEqual([
        'registered x a1 present',
        'registered x b1 replaced (a1)',
        'registered x b2 replaced (b1)',
      ])
    }
  })

  it('3 nodes: the death of a node and its return are told with their reasons', async () => {
    const three = await cluster('a', 'b', 'c')
    const [a, c] = [three.node('a'), three.node('c')]
    const heard = listen(a)
    await done(three, c.registry.register('x', c.processes.make()))
    three.cut('a', 'c')
    three.cut('b', 'c')
    await three.run(50)
    expect(told(heard)).toEqual(['registered x c1 registered'])
    three.bury('a', 'c')
    three.bury('b', 'c')
    await three.run(50)
    expect(told(heard)).toEqual(['unregistered x c1 node_down'])
    three.connectAll()
    await three.run(3_000)
    expect(told(heard)).toEqual(['registered x c1 node_up'])
  })

  it('3 nodes: a key of a dead node that is taken before its row is removed changes its owner', async () => {
    const three = await cluster('a', 'b', 'c')
    const [a, c] = [three.node('a'), three.node('c')]
    await done(three, c.registry.register('x', c.processes.make()))
    const heard = listen(a)
    three.crash('c')
    const stolen = a.processes.make()
    for (let tries = 0; a.registry.lookup('x')?.pid.node !== 'a' && tries < 200; tries++) {
      a.registry.register('x', stolen).catch(() => undefined)
      await three.run(0.5)
    }
    await three.run(50)
    const [present, ...rest] = told(heard)
    expect(present).toBe('registered x c1 present')
    expect([
      ['registered x a1 registered (c1)'],
      ['unregistered x c1 node_down', 'registered x a1 registered'],
    ]).toContainEqual(rest)
  })

  it('2 nodes: what went while they were cut off for long is told without a reason, the rest not again', async () => {
    const two = await cluster('a', 'b')
    const b = two.node('b')
    const [one, other] = [b.processes.make(), b.processes.make()]
    await done(two, b.registry.register('x', one))
    await done(two, b.registry.register('y', other))
    const heard = listen(two.node('a'))
    two.cut('a', 'b')
    await two.run(50)
    b.processes.end(one)
    // More than the log keeps, so that a snapshot comes.
    for (let n = 0; n < 500; n++) {
      void b.registry.update('y', n)
      await two.run(1)
    }
    two.connect('a', 'b')
    await two.run(3_000)
    expect(heard.events.at(-1)?.reason).not.toBe('present')
    expect(told(heard).sort()).toEqual([
      'registered x b1 present',
      'registered y b2 present',
      'unregistered x b1 unregistered',
      'updated y b2 updated (b2)',
    ])
  })

  it('2 nodes: after a split the loser is told as a conflict, on both nodes', async () => {
    const two = await cluster('a', 'b')
    const [a, b] = [two.node('a'), two.node('b')]
    two.cut('a', 'b')
    await two.run(20)
    two.bury('a', 'b')
    two.bury('b', 'a')
    const both = [listen(a), listen(b)]
    await done(two, a.registry.register('x', a.processes.make()))
    await done(two, b.registry.register('x', b.processes.make()))
    two.connect('a', 'b')
    await two.run(2_000)
    const lines = both.map(told)
    const owner = a.registry.findByKey('x')!.node
    const loser = owner === 'a' ? 'b' : 'a'
    // Both had the same epoch: the one that stays has got a later one.
    const later = `updated x ${owner}1 conflict (${owner}1)`
    expect(lines[owner === 'a' ? 0 : 1]).toEqual([`registered x ${owner}1 registered`, later])
    expect(lines[owner === 'a' ? 1 : 0]).toEqual([
      `registered x ${loser}1 registered`,
      `registered x ${owner}1 conflict (${loser}1)`,
      later,
    ])
  })

  it('3 nodes: a key that moves with its process is told once, also when the new one ends first', async () => {
    const three = await cluster('a', 'b', 'c')
    const [a, b] = [three.node('a'), three.node('b')]
    const old = a.processes.make()
    await done(three, a.registry.register('x', old, { meta: 1 }))
    const heard = [...three.nodes.values()].map((node) => listen(node))
    const came = b.processes.make()
    for (const { processes } of three.nodes.values()) processes.moved.set(old.toString(), came)
    await done(three, b.registry.bring(a.registry.keysOf(old)[0]!, { pid: came, from: old }))
    for (const one of heard) {
      expect(told(one)).toEqual(['registered x a1 present', 'registered x b1 moved (a1)'])
    }
    expect(b.registry.lookup('x')?.meta).toBe(1)
    // The old node still has its claim.
    expect(a.claims.own.rows.size).toBe(1)
    // With the new process its node forgets where the old one went.
    three.node('c').processes.moved.clear()
    b.processes.end(came)
    await three.run(50)
    for (const one of heard) expect(told(one)).toEqual(['unregistered x b1 process_down'])
    expect(a.claims.own.rows.size).toBe(0)
    const next = b.processes.make()
    await done(three, b.registry.register('x', next))
    for (const one of heard) expect(told(one)).toEqual(['registered x b2 registered'])
  })

  it('3 nodes: a node that has not heard of the move yet is told of it by the key', async () => {
    const three = await cluster('a', 'b', 'c')
    const [a, b, c] = [three.node('a'), three.node('b'), three.node('c')]
    const old = a.processes.make()
    await done(three, a.registry.register('x', old))
    const heard = [listen(a), listen(b), listen(c)]
    const came = b.processes.make()
    for (const { processes } of [a, b]) processes.moved.set(old.toString(), came)
    await done(three, b.registry.bring(a.registry.keysOf(old)[0]!, { pid: came, from: old }))
    await three.run(50)
    for (const one of heard) {
      expect(told(one)).toEqual(['registered x a1 present', 'registered x b1 moved (a1)'])
    }
  })

  it('2 nodes: metadata that was updated after the keys were asked for comes along', async () => {
    const two = await cluster('a', 'b')
    const [a, b] = [two.node('a'), two.node('b')]
    const old = a.processes.make()
    await done(two, a.registry.register('x', old, { meta: 1 }))
    const [key] = a.registry.keysOf(old)
    await done(two, b.registry.update('x', 2))
    const came = b.processes.make()
    for (const { processes } of two.nodes.values()) processes.moved.set(old.toString(), came)
    await done(two, b.registry.bring(key!, { pid: came, from: old }))
    expect(b.registry.lookup('x')).toMatchObject({ pid: came, meta: 2 })
  })

  it('1 node: a reader that falls 10,000 events behind ends with overloaded, and others go on', async () => {
    const one = await cluster('a')
    const { registry, processes } = one.node('a')
    const pid = processes.make()
    const slow = registry.watch()
    const heard = listen(one.node('a'))
    await done(one, registry.register('x', pid))
    for (let i = 0; i < 10_001; i++) {
      void registry.update('x', i)
      if (i % 1_000 === 0) await one.run(1)
    }
    await one.run(10)
    let count = 0
    const reading = (async () => {
      for await (const _ of slow) count++
    })()
    await expect(reading).rejects.toMatchObject({ code: 'overloaded' })
    expect(count).toBe(10_000)
    expect(heard.end).toBeUndefined()
    expect(heard.events.length).toBe(10_002)
  })

  it('1 node: what was there first is not counted as being behind, and stays as it was', async () => {
    const one = await cluster('a')
    const { registry, processes } = one.node('a')
    const pid = processes.make()
    await done(
      one,
      Promise.all(Array.from({ length: 12_000 }, (_, i) => registry.register(i, pid))),
      2_000,
    )
    const events = registry.watch()
    await done(one, registry.update(11_999, 'late'))
    await done(one, registry.unregister(0))
    const seen: RegistryEvent[] = []
    for await (const event of events) if (seen.push(event) === 12_002) break
    expect(seen.slice(0, 12_000).every(({ reason }) => reason === 'present')).toBe(true)
    expect(seen[11_999]?.meta).toBeUndefined()
    expect(seen.slice(12_000).map(({ type, key }) => [type, key])).toEqual([
      ['updated', 11_999],
      ['unregistered', 0],
    ])
  })

  it('1 node: ends with the loop, and with the node, and refuses what is no selector', async () => {
    const one = await cluster('a')
    const { registry, processes } = one.node('a')
    await done(one, registry.register('x', processes.make()))
    for await (const { reason } of registry.watch()) {
      expect(reason).toBe('present')
      break
    }
    const heard = [listen(one.node('a')), listen(one.node('a'), { prefix: 'x' })]
    await one.run(1)
    registry.close()
    await one.run(1)
    expect(heard.map(({ end }) => end)).toEqual(['closed', 'closed'])
    for (const bad of [null, 'x', {}, { prefix: 5 }, { key: 1, prefix: 'x' }, { key: () => 1 }]) {
      const watch = () => registry.watch(bad as never)
      expect(watch).toThrow(expect.objectContaining({ code: 'bad_argument' }))
    }
  })

  it('1 node: above 10,000 subscriptions it refuses more, until some have ended', async () => {
    const one = await cluster('a')
    const { registry } = one.node('a')
    const watches = Array.from({ length: 10_000 }, (_, key) => registry.watch({ key }))
    expect(() => registry.watch()).toThrow(expect.objectContaining({ code: 'limit_exceeded' }))
    await watches[5_000]!.return?.()
    await registry.watch().return?.()
  })
})
