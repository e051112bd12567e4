import { describe, expect, it } from 'vitest'
import { claimPut } from '../../../../src/cluster/tables/claim-table.js'
import { ReplicaNet } from '../../../support/replica-net.js'

function net(logMax: number, ...names: string[]): ReplicaNet {
  const net = new ReplicaNet('claims', logMax)
  for (const name of names) net.start(name)
  return net
}

/** Writes more than any short log holds. */
function writeMuch(net: ReplicaNet, at: string, epoch = 1): void {
  for (let i = 0; i < 6; i++) {
    net.put(at, `k${i}`, epoch)
    net.flush(at)
  }
}

const keys = (net: ReplicaNet, at: string, of: string): string[] =>
  [...(net.node(at).replica.origin(of)?.rows.keys() ?? [])].sort()

describe('two replicas', () => {
  it('2 nodes: what one wrote before they met is there after the heads', () => {
    const two = net(100, 'a', 'b')
    two.put('a', 'x')
    two.put('a', 'y')
    two.flush('a')
    two.connect('a', 'b')
    two.run()
    expect(keys(two, 'b', 'a')).toEqual(['x', 'y'])
    expect(two.node('b').replica.caughtUp('a')).toBe(true)
  })

  it('2 nodes: a snapshot takes updates in between, also those before its first chunk', () => {
    const two = net(100, 'a', 'b')
    for (let i = 0; i < 5; i++) two.put('a', `k${i}`)
    two.flush('a')
    two.connect('a', 'b')
    two.deliver('a', 'b')
    two.deliver('b', 'a')
    while (two.deliver('b', 'a')) {}
    expect(two.node('a').replica.receivers()).toEqual(['b'])
    two.put('a', 'before the first chunk')
    two.flush('a')
    two.sendChunks('a')
    two.delete('a', 'k4')
    two.put('a', 'k0', 2)
    two.put('a', 'between')
    two.flush('a')
    while (two.sendChunks('a')) {}
    while (two.deliver('a', 'b')) {}
    two.node('b').replica.removeSome(0)
    // Without another round of asking.
    expect(two.waiting('b', 'a')).toEqual([])
    expect(two.node('b').replica.caughtUp('a')).toBe(true)
    expect(keys(two, 'b', 'a')).toEqual(keys(two, 'a', 'a'))
    expect(two.node('b').claims.find('k0')?.epoch).toBe(2)
  })

  it('2 nodes: a snapshot of a table that is written all the time comes to its end', () => {
    const two = net(1_000, 'a', 'b')
    for (let i = 0; i < 5; i++) two.put('a', `k${i}`)
    two.flush('a')
    two.connect('a', 'b')
    while (two.deliver('a', 'b') || two.deliver('b', 'a')) {}
    let chunks = 0
    while (two.sendChunks('a') && chunks < 100) {
      chunks++
      two.put('a', `k${chunks % 5}`, chunks + 1)
      two.put('a', `new ${chunks}`)
      two.flush('a')
    }
    expect(chunks).toBeLessThan(10)
    two.run()
    expect(keys(two, 'b', 'a')).toEqual(keys(two, 'a', 'a'))
  })

  it('2 nodes: a lost update is repaired from the log', () => {
    const two = net(100, 'a', 'b')
    two.connect('a', 'b')
    two.run()
    two.put('a', 'x')
    two.flush('a')
    two.lose('a', 'b')
    two.put('a', 'y')
    two.flush('a')
    two.deliver('a', 'b')
    expect(keys(two, 'b', 'a')).toEqual([])
    expect(two.waiting('b', 'a')).toEqual(['n'])
    two.deliver('b', 'a')
    expect(two.waiting('a', 'b')).toEqual(['u'])
    two.run()
    expect(keys(two, 'b', 'a')).toEqual(['x', 'y'])
  })

  it('2 nodes: nothing is kept of a member until it says something about the scope', () => {
    const two = net(100, 'a', 'b')
    const { replica, members } = two.node('b')
    replica.memberUp('a', two.node('a').creation)
    expect([replica.caughtUp('a'), replica.origin('a')]).toEqual([false, undefined])
    members.came('a', two.now)
    expect([replica.caughtUp('a'), replica.origin('a')]).toEqual([true, undefined])
    two.put('a', 'x')
    replica.updates('a', 1, two.node('a').replica.out.since(1)!, false)
    expect(replica.caughtUp('a')).toBe(true)
    expect(keys(two, 'b', 'a')).toEqual(['x'])
    replica.memberDown('a')
    replica.memberUp('a', two.node('a').creation)
    expect(replica.applied('a')).toBe(1)
  })

  it('2 nodes: a row that comes after a silence counts from the last heads before it', () => {
    const two = net(100, 'a', 'b')
    const { replica, members } = two.node('b')
    replica.memberUp('a', two.node('a').creation)
    expect(replica.hasSince('a')).toBeUndefined()
    members.came('a', two.now)
    members.came('a', two.now)
    replica.head('a', 0, { living: 0, all: 0 })
    two.now += 1_000
    expect(replica.hasSince('a')).toBe(1_000)
    two.now += 5_000
    // Sent long ago: more of that kind may follow at once.
    members.came('a', two.now)
    replica.head('a', 0, { living: 0, all: 0 })
    expect(replica.hasSince('a')).toBe(0)
    two.now += 1_000
    members.came('a', two.now)
    replica.head('a', 0, { living: 0, all: 0 })
    expect(replica.hasSince('a')).toBe(7_000)
  })

  it('2 nodes: what one waits for is acknowledged as soon as the other has it by a repair', () => {
    const two = net(100, 'a', 'b')
    two.connect('a', 'b')
    two.run()
    two.put('a', 'x')
    two.flush('a')
    two.lose('a', 'b')
    two.put('a', 'y')
    two.node('a').replica.wantAck()
    two.flush('a')
    two.deliver('a', 'b')
    expect(two.waiting('b', 'a')).toEqual(['n'])
    two.deliver('b', 'a')
    two.deliver('a', 'b')
    expect(two.waiting('b', 'a')).toEqual(['a'])
  })

  it('2 nodes: what one waits for is acknowledged as soon as the other has it by a snapshot', () => {
    const two = net(2, 'a', 'b')
    two.connect('a', 'b')
    two.run()
    two.cut('a', 'b')
    writeMuch(two, 'a')
    two.connect('a', 'b')
    two.put('a', 'x')
    two.node('a').replica.wantAck()
    two.flush('a')
    while (two.waiting('a', 'b').length > 0) two.deliver('a', 'b')
    while (two.waiting('b', 'a').length > 0) two.deliver('b', 'a')
    while (two.sendChunks('a')) {}
    while (two.deliver('a', 'b')) {}
    expect(two.waiting('b', 'a')).toContain('a')
  })

  it('2 nodes: one that missed more than the log holds gets a snapshot', () => {
    const two = net(2, 'a', 'b')
    two.connect('a', 'b')
    two.put('a', 'old')
    two.flush('a')
    two.run()
    expect(keys(two, 'b', 'a')).toEqual(['old'])
    two.cut('a', 'b')
    two.delete('a', 'old')
    writeMuch(two, 'a')
    two.connect('a', 'b')
    two.run()
    expect(keys(two, 'b', 'a')).toEqual(keys(two, 'a', 'a'))
    expect(two.node('b').replica.caughtUp('a')).toBe(true)
  })

  it('2 nodes: absence deletes at the commit and not before', () => {
    const two = net(2, 'a', 'b')
    two.connect('a', 'b')
    two.put('a', 'gone')
    two.flush('a')
    two.run()
    two.cut('a', 'b')
    two.delete('a', 'gone')
    writeMuch(two, 'a')
    two.connect('a', 'b')
    while (two.deliver('a', 'b') || two.deliver('b', 'a')) {}
    for (let i = 0; i < 6; i++) two.sendChunks('a')
    while (two.deliver('a', 'b')) {}
    two.node('b').replica.removeSome(Number.POSITIVE_INFINITY)
    expect(keys(two, 'b', 'a')).toContain('gone')
    two.run()
    expect(keys(two, 'b', 'a')).toEqual(keys(two, 'a', 'a'))
  })

  it('2 nodes: an interrupted snapshot begins again, and what it brought is not taken for exact', () => {
    const two = net(100, 'a', 'b')
    for (let i = 0; i < 6; i++) two.put('a', `k${i}`)
    two.flush('a')
    two.connect('a', 'b')
    while (two.deliver('a', 'b') || two.deliver('b', 'a')) {}
    two.sendChunks('a')
    two.sendChunks('a')
    while (two.deliver('a', 'b')) {}
    expect(keys(two, 'b', 'a')).toEqual(['k0', 'k1'])
    two.cut('a', 'b')
    expect(two.node('b').replica.caughtUp('a')).toBe(false)
    expect(two.node('b').replica.applied('a')).toBe(0)
    expect(two.node('b').replica.hasSince('a')).toBeUndefined()
    two.delete('a', 'k1')
    two.connect('a', 'b')
    two.run()
    expect(two.node('b').replica.hasSince('a')).toBeDefined()
    expect(keys(two, 'b', 'a')).toEqual(['k0', 'k2', 'k3', 'k4', 'k5'])
  })

  it('2 nodes: a second snapshot keeps its rows while the removals of the first still go on', () => {
    const two = net(1, 'a', 'b')
    two.connect('a', 'b')
    two.put('a', 'gone')
    two.flush('a')
    two.run()
    two.cut('a', 'b')
    two.delete('a', 'gone')
    writeMuch(two, 'a')
    two.connect('a', 'b')
    const pump = (): void => {
      while (two.deliver('a', 'b') || two.deliver('b', 'a') || two.sendChunks('a')) {}
    }
    pump()
    two.cut('a', 'b')
    writeMuch(two, 'a', 2)
    two.connect('a', 'b')
    pump()
    two.node('b').replica.removeSome(Number.POSITIVE_INFINITY)
    expect(keys(two, 'b', 'a')).toEqual(keys(two, 'a', 'a'))
  })

  it('2 nodes: another creation purges the rows of the one before', () => {
    const two = net(100, 'a', 'b')
    two.connect('a', 'b')
    two.put('a', 'x')
    two.flush('a')
    two.run()
    const before = two.node('b').replica.origin('a')!
    two.cut('a', 'b')
    two.start('a')
    two.put('a', 'y')
    two.connect('a', 'b')
    expect(before.dead).toBe(true)
    expect(two.node('b').claims.find('x')).toBeUndefined()
    two.run()
    expect(before.rows.size).toBe(0)
    expect(keys(two, 'b', 'a')).toEqual(['y'])
    expect([...two.node('b').claims.owners()].map(({ id }) => id)).toEqual(['y'])
  })

  it('2 nodes: a bulk of writes goes out in messages of at most 500', () => {
    const two = net(10_000, 'a', 'b')
    two.connect('a', 'b')
    two.run()
    for (let i = 0; i < 1_201; i++) two.put('a', `k${i}`)
    two.node('a').replica.wantAck()
    two.flush('a')
    expect(two.waiting('a', 'b')).toEqual(['u', 'u', 'u'])
    two.deliver('a', 'b')
    two.deliver('a', 'b')
    expect(two.waiting('b', 'a')).toEqual([])
    two.deliver('a', 'b')
    expect(two.waiting('b', 'a')).toEqual(['a'])
    expect(keys(two, 'b', 'a').length).toBe(1_201)
  })

  it('2 nodes: a node that wrote nothing is exact by its heads alone', () => {
    const two = net(100, 'a', 'b')
    two.connect('a', 'b')
    two.deliver('a', 'b')
    expect(two.node('b').replica.caughtUp('a')).toBe(true)
    expect(two.waiting('b', 'a')).toEqual(['h'])
  })

  it('2 nodes: rows arrive as they were written, null keys and metadata included', () => {
    const two = net(100, 'a', 'b')
    two.put('a', 'x', 7, { size: 3 })
    two.flush('a')
    two.connect('a', 'b')
    two.run()
    expect(claimPut(two.node('b').claims.find('x')!)).toEqual(
      claimPut(two.node('a').claims.find('x')!),
    )
  })
})

describe('specs of dead writers', () => {
  const specs = (net: ReplicaNet, at: string): string[] =>
    [...net.node(at).specs.rows.values()].map(({ id, version }) => `${id} ${version}`).sort()

  function three(): ReplicaNet {
    const net = new ReplicaNet('specs', 100)
    for (const name of ['a', 'b', 'c']) net.start(name)
    net.connect('a', 'b')
    net.connect('a', 'c')
    net.connect('b', 'c')
    net.run()
    return net
  }

  it('3 nodes: who has more of a dead writer gives it to who has less', () => {
    const net = three()
    net.putSpec('c', 'x')
    net.flush('c')
    net.deliver('c', 'a')
    net.crash('c')
    expect(specs(net, 'a')).toEqual(['x 1'])
    expect(specs(net, 'b')).toEqual([])
    net.run()
    expect(specs(net, 'b')).toEqual(['x 1'])
  })

  it('3 nodes: also when they cannot talk at the moment it dies', () => {
    const net = three()
    net.putSpec('c', 'x')
    net.flush('c')
    net.deliver('c', 'b')
    net.cut('a', 'b')
    net.crash('c')
    net.connect('a', 'b')
    net.run()
    expect(specs(net, 'a')).toEqual(['x 1'])
  })

  it('3 nodes: a writer that dies amid its snapshots leaves the same specs everywhere', () => {
    const net = new ReplicaNet('specs', 1)
    for (const name of ['a', 'b', 'c']) net.start(name)
    for (let i = 0; i < 6; i++) net.putSpec('c', `k${i}`)
    net.flush('c')
    net.connect('a', 'b')
    net.run()
    net.connect('a', 'c')
    net.connect('b', 'c')
    while (net.deliver('a', 'c') || net.deliver('c', 'a')) {}
    net.sendChunks('c')
    net.sendChunks('c')
    while (net.deliver('c', 'a')) {}
    net.crash('c')
    net.run()
    expect(specs(net, 'a')).toEqual(['k0 1', 'k1 2'])
    expect(specs(net, 'b')).toEqual(specs(net, 'a'))
  })

  it('3 nodes: part of a snapshot is worth giving although another has an older exact prefix', () => {
    const net = three()
    net.putSpec('c', 'first')
    net.flush('c')
    net.run()
    net.cut('a', 'c')
    net.cut('b', 'c')
    for (let i = 0; i < 220; i++) net.putSpec('c', `k${i}`)
    net.flush('c')
    net.connect('a', 'c')
    while (net.deliver('a', 'c') || net.deliver('c', 'a')) {}
    for (let i = 0; i < 10; i++) net.sendChunks('c')
    while (net.deliver('c', 'a')) {}
    expect(specs(net, 'a').length).toBeGreaterThan(5)
    net.crash('c')
    net.run()
    expect(specs(net, 'b')).toEqual(specs(net, 'a'))
  })

  it('3 nodes: a late joiner gets the specs of a writer it never met', () => {
    const net = three()
    net.putSpec('c', 'x')
    net.putSpec('c', 'y')
    net.putSpec('c', 'x', false)
    net.flush('c')
    net.run()
    net.crash('c')
    net.start('d')
    net.connect('d', 'a')
    net.run()
    expect(specs(net, 'd')).toEqual(['x 3', 'y 2'])
    expect(net.node('d').specs.rows.get('x')?.recipe).toBeUndefined()
  })

  it('3 nodes: a row that changes behind a snapshot in progress, by a writer that dies then, is repaired', () => {
    const net = new ReplicaNet('specs', 100)
    for (const name of ['a', 'b', 'c']) net.start(name)
    net.connect('a', 'c')
    net.putSpec('c', 'x')
    net.putSpec('c', 'y')
    net.flush('c')
    net.run()
    net.connect('a', 'b')
    while (net.deliver('a', 'b') || net.deliver('b', 'a')) {}
    net.sendChunks('a')
    net.deliver('a', 'b')
    expect(specs(net, 'b')).toEqual(['x 1'])
    net.putSpec('c', 'x', false)
    net.flush('c')
    net.deliver('c', 'a')
    net.crash('c')
    net.quiet()
    expect(specs(net, 'a')).toEqual(['x 3', 'y 2'])
    expect(specs(net, 'b')).toEqual(specs(net, 'a'))
  })

  it('3 nodes: what a writer that cannot be reached has told one of the others reaches the other', () => {
    const net = three()
    net.putSpec('c', 'x')
    net.flush('c')
    net.deliver('c', 'a')
    net.cut('a', 'c')
    net.cut('b', 'c')
    net.heads('a', 'b')
    net.run()
    expect(specs(net, 'b')).toEqual(['x 1'])
  })
})
