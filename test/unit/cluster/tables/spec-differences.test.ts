import { describe, expect, it } from 'vitest'
import { hash32 } from '../../../../src/cluster/placement/hash.js'
import { PARTS } from '../../../../src/cluster/replication/row-digests.js'
import { ReplicaNet, recipe } from '../../../support/replica-net.js'

describe('specs of two members that differ', () => {
  /** Both have `common`, and each has more that the other has not heard of. */
  function two(common: number, apart: number): ReplicaNet {
    const net = new ReplicaNet('specs', 10_000)
    for (const name of ['a', 'b']) net.start(name)
    for (const [name, prefix, count] of [
      ['a', 'both', common],
      ['b', 'both', common],
      ['a', 'a', apart],
      ['b', 'b', apart],
    ] as const) {
      for (let i = 0; i < count; i++) putSilently(net, name, `${prefix} ${i}`)
    }
    net.connect('a', 'b')
    for (const name of ['a', 'b']) net.node(name).members.came(name === 'a' ? 'b' : 'a', net.now)
    return net
  }

  /** A row that came from elsewhere: it is in no stream of this node. */
  function putSilently(net: ReplicaNet, at: string, id: string, alive = true, version = 1): void {
    const { specs } = net.node(at)
    specs.merge({
      id,
      childId: id,
      recipe: alive ? recipe : undefined,
      version,
      author: 'z',
      learnedAt: net.now,
    })
  }

  /** An id in the same part of the table as another one. */
  function besides(id: string, prefix: string): string {
    for (let i = 0; ; i++) {
      if (hash32(`${prefix} ${i}`) % PARTS === hash32(id) % PARTS) return `${prefix} ${i}`
    }
  }

  function rowsOnTheWay(net: ReplicaNet): number {
    let rows = 0
    for (const name of ['a', 'b']) {
      const { replica } = net.node(name)
      for (let sent = true; sent; ) {
        sent = false
        for (const to of replica.receivers()) {
          const message = replica.nextChunk(to)
          if (message?.[0] === 'o') rows += message[2].length
          sent = message !== undefined
        }
      }
    }
    return rows
  }

  const ids = (net: ReplicaNet, at: string): string[] => [...net.node(at).specs.rows.keys()].sort()

  it('2 nodes: each gets what it has not, and nothing is said once they are equal', () => {
    const net = two(50, 20)
    net.run()
    expect(ids(net, 'a').length).toBe(90)
    expect(ids(net, 'b')).toEqual(ids(net, 'a'))
    net.heads('a', 'b')
    net.deliver('a', 'b')
    expect(net.waiting('b', 'a')).toEqual([])
  })

  it('2 nodes: one difference in a large table costs a small part of it', () => {
    const net = two(5_000, 1)
    while (net.deliver('a', 'b') || net.deliver('b', 'a')) {}
    const rows = rowsOnTheWay(net)
    expect(rows).toBeGreaterThan(0)
    expect(rows).toBeLessThan(200)
  })

  it('2 nodes: a large difference is looked at twice, and then gone', () => {
    const net = two(100, 800)
    net.run()
    expect(ids(net, 'a').length).toBe(900)
    net.now += 1_000
    net.heads('a', 'b')
    net.heads('b', 'a')
    net.run()
    expect(ids(net, 'a').length).toBe(1_700)
    expect(ids(net, 'b')).toEqual(ids(net, 'a'))
  })

  it('2 nodes: a table of which most is on its way is not sent whole', () => {
    const net = two(1_000, 0)
    net.run()
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 600; i++) net.putSpec('a', `new ${round} ${i}`)
      net.heads('b', 'a')
      net.deliver('b', 'a')
      net.deliver('a', 'b')
      expect(rowsOnTheWay(net)).toBe(0)
      net.flush('a')
      net.run()
    }
    expect(ids(net, 'b')).toEqual(ids(net, 'a'))
  })

  it('2 nodes: who asks again while rows are on their way does not get them twice', () => {
    const net = two(0, 50)
    for (let i = 0; i < 3; i++) {
      net.heads('a', 'b')
      net.heads('b', 'a')
    }
    while (net.deliver('a', 'b') || net.deliver('b', 'a')) {}
    expect(rowsOnTheWay(net)).toBe(100)
  })

  it('2 nodes: tombstones alone that differ are looked at every 10 seconds, living specs at once', () => {
    const net = two(10, 1)
    const said = (): string[] => {
      net.heads('b', 'a')
      while (net.deliver('b', 'a')) {}
      return net.waiting('a', 'b')
    }
    net.run()
    putSilently(net, 'b', 'ended', false)
    expect(said()).toEqual([])
    net.now += 9_999
    expect(said()).toEqual([])
    net.now += 1
    expect(said()).toEqual(['d'])
    net.lose('a', 'b')
    expect(said()).toEqual([])
    putSilently(net, 'b', 'more')
    expect(said()).toEqual(['d'])
    net.run()
    expect(ids(net, 'a')).toEqual(ids(net, 'b'))
  })

  it('2 nodes: a tombstone that one has and the other needs gets there', () => {
    const net = two(10, 0)
    putSilently(net, 'a', 'x', true, 1)
    putSilently(net, 'b', 'x', false, 2)
    net.heads('a', 'b')
    net.heads('b', 'a')
    net.run()
    for (const name of ['a', 'b']) expect(net.node(name).specs.rows.get('x')?.version).toBe(2)
  })

  it('2 nodes: tombstones that go back and forth are forgotten in the end', () => {
    const net = two(0, 0)
    net.run()
    putSilently(net, 'b', 'ended', false)
    for (let round = 0; round < 12; round++) {
      net.now += 10_000
      // Living specs that only one has let them exchange the rows of that part.
      for (const name of ['a', 'b']) {
        putSilently(net, name, besides('ended', `${name} ${round}`))
        net.node(name).specs.forgetTombstones(net.now - 60_000)
      }
      if (round === 3) net.node('b').specs.forgetTombstones(net.now)
      net.heads('a', 'b')
      net.heads('b', 'a')
      net.run()
      const has = ['a', 'b'].filter((name) => net.node(name).specs.rows.has('ended'))
      expect(has).toEqual(round < 6 ? ['a', 'b'] : [])
    }
  })
})
