import { describe, expect, test } from 'vitest'
import { Lease } from '../../../../src/base/lease.js'
import { Quorum } from '../../../../src/cluster/arbiters/quorum.js'
import { Acceptances } from '../../../../src/cluster/arbiters/quorum-acceptances.js'

const LEASE_MS = 6_000
const PROMISE_MS = LEASE_MS * 1.01 + 100

function quorumOf(size: number): { quorum: Quorum; lease: Lease; ends: number[] } {
  const lease = new Lease()
  const ends: number[] = []
  lease.onEnd((now) => ends.push(now))
  return { quorum: new Quorum({ size, leaseMs: LEASE_MS }, lease, 0), lease, ends }
}

describe('what a majority has accepted', () => {
  test('five nodes: the lease counts from when the second latest of the others was sent', () => {
    const acceptances = new Acceptances(2, LEASE_MS)
    acceptances.renewed('b', 100)
    expect(acceptances.since()).toBe(Number.NEGATIVE_INFINITY)
    acceptances.renewed('c', 300)
    expect(acceptances.since()).toBe(100)
    acceptances.renewed('d', 200)
    expect(acceptances.since()).toBe(200)
    acceptances.renewed('b', 50)
    expect(acceptances.since()).toBe(200)
  })

  test('three nodes: a key that nobody but its voters knows counts from when it was asked for', () => {
    const acceptances = new Acceptances(1, LEASE_MS)
    acceptances.renewed('b', 100)
    acceptances.renewed('c', 500)
    acceptances.claimed(300, ['b'], 600)
    // c has not heard of the key: what counts is the vote of b.
    expect(acceptances.since()).toBe(300)
    acceptances.renewed('b', 550)
    expect(acceptances.since()).toBe(550)
    acceptances.renewed('c', 700)
    expect(acceptances.since()).toBe(700)
  })

  test('three nodes: when the only voter for a key has forgotten it, the lease is over', () => {
    const acceptances = new Acceptances(1, LEASE_MS)
    acceptances.renewed('b', 100)
    acceptances.renewed('c', 500)
    acceptances.claimed(590, ['b'], 600)
    expect(acceptances.since('b')).toBe(Number.NEGATIVE_INFINITY)
    acceptances.forget('b')
    expect(acceptances.since()).toBe(Number.NEGATIVE_INFINITY)
    // It hears of the key with the next beat, and the lease counts from that.
    acceptances.renewed('c', 700)
    expect(acceptances.since()).toBe(700)
  })

  test('three nodes: what all others have heard of is let go', () => {
    const acceptances = new Acceptances(1, LEASE_MS)
    acceptances.renewed('b', 100)
    acceptances.renewed('c', 100)
    acceptances.claimed(300, ['b'], 400)
    acceptances.prune(450)
    acceptances.forget('b')
    expect(acceptances.since()).toBe(Number.NEGATIVE_INFINITY)
    acceptances.renewed('c', 500)
    acceptances.prune(550)
    expect(acceptances.since()).toBe(500)
  })
})

describe('a quorum', () => {
  test('one node: it may always act', () => {
    const { quorum, lease } = quorumOf(1)
    expect(lease.isValid(1e12)).toBe(true)
    expect(quorum.isReady(0)).toBe(true)
    expect(quorum.nodeUp('b', 1, 0)).toBe(false)
  })

  test('three nodes: it may act until 0.99 leases after it sent the beat that one other has renewed', () => {
    const { quorum, lease, ends } = quorumOf(3)
    quorum.nodeUp('b', 1, 0)
    const first = quorum.beatTo('b', 1_000)
    expect(lease.isValid(1_000)).toBe(false)
    quorum.renewedBy('b', first, 1_400)
    expect(lease.validUntil).toBe(1_000 + LEASE_MS * 0.99)
    const second = quorum.beatTo('b', 2_000)
    expect(lease.check(1_000 + LEASE_MS * 0.99)).toBe(false)
    expect(ends).toEqual([1_000 + LEASE_MS * 0.99])
    // A renewal that was on its way gives a lease anew; what was owned before is over.
    quorum.renewedBy('b', second, 7_500)
    expect(lease.isValid(7_500)).toBe(true)
    expect(ends).toHaveLength(1)
  })

  test('three nodes: a renewal of a beat that was never sent, or of an earlier start, counts for nothing', () => {
    const { quorum, lease } = quorumOf(3)
    quorum.nodeUp('b', 1, 0)
    quorum.renewedBy('b', 1, 10)
    quorum.renewedBy('x', 1, 10)
    expect(lease.isValid(10)).toBe(false)
  })

  test('three nodes: a node that has started votes when both others serve it, or after a promise is over', () => {
    const { quorum } = quorumOf(3)
    const { quorum: alone } = quorumOf(3)
    expect(alone.isReady(PROMISE_MS - 1)).toBe(false)
    expect(alone.isReady(PROMISE_MS)).toBe(true)
    quorum.nodeUp('b', 1, 0)
    quorum.nodeUp('c', 1, 0)
    quorum.beatFrom('b', 1)
    quorum.beatFrom('c', 0)
    expect(quorum.isReady(10)).toBe(false)
    quorum.beatFrom('c', 1)
    expect(quorum.isReady(10)).toBe(true)
  })

  test('three nodes: what a node accepted before it was started anew is let go only when others cover it', () => {
    const { quorum, lease } = quorumOf(3)
    quorum.nodeUp('b', 1, 0)
    quorum.nodeUp('c', 1, 0)
    quorum.renewedBy('b', quorum.beatTo('b', 100), 110)
    quorum.claimed(150, ['b'], 200)
    quorum.nodeGone('b', 300)
    expect(quorum.nodeUp('b', 2, 310)).toBe(true)
    expect(quorum.serves('b')).toBe(false)
    expect(quorum.beatTo('b', 320)).toBe(0)
    expect(lease.isValid(320)).toBe(true)
    quorum.renewedBy('c', quorum.beatTo('c', 400), 410)
    expect(quorum.beatTo('b', 420)).toBe(1)
    expect(quorum.serves('b')).toBe(true)
    expect(lease.validUntil).toBe(400 + LEASE_MS * 0.99)
  })

  test('five nodes: a beat sent before a key was got does not stand for that key when it is renewed later', () => {
    const { quorum, lease } = quorumOf(5)
    for (const node of ['b', 'c']) {
      quorum.nodeUp(node, 1, 0)
      quorum.renewedBy(node, quorum.beatTo(node, 10), 15)
    }
    quorum.nodeUp('e', 1, 50)
    const early = quorum.beatTo('e', 100)
    quorum.renewedBy('b', quorum.beatTo('b', 90), 110)
    expect(quorum.claimed(20, ['b', 'c'], 200)).toBe(true)
    expect(lease.validUntil).toBe(10 + LEASE_MS * 0.99)
    // e has not heard of the key: without it, the vote of c is what counts.
    quorum.renewedBy('e', early, 210)
    expect(lease.validUntil).toBe(20 + LEASE_MS * 0.99)
    quorum.renewedBy('e', quorum.beatTo('e', 300), 310)
    expect(lease.validUntil).toBe(90 + LEASE_MS * 0.99)
  })

  test('five nodes: votes that are too few or too old win no key, and do not end the lease of all others', () => {
    const { quorum, lease, ends } = quorumOf(5)
    const votedLong = ['d', 'e']
    for (const node of ['b', 'c', ...votedLong]) quorum.nodeUp(node, 1, 0)
    for (const node of ['b', 'c']) quorum.renewedBy(node, quorum.beatTo(node, 5_000), 5_010)
    expect(quorum.claimed(100, votedLong, 6_000)).toBe(false)
    expect(quorum.claimed(5_900, ['d'], 6_000)).toBe(false)
    expect(lease.validUntil).toBe(5_000 + LEASE_MS * 0.99)
    expect(quorum.claimed(5_900, votedLong, 6_000)).toBe(true)
    expect(lease.isValid(6_001)).toBe(true)
    expect(ends).toEqual([])
  })

  test('three nodes: once ready, a node stays so when others are replaced', () => {
    const { quorum } = quorumOf(3)
    quorum.nodeUp('b', 1, 0)
    quorum.nodeUp('c', 1, 0)
    quorum.beatFrom('b', 1)
    quorum.beatFrom('c', 1)
    expect(quorum.isReady(10)).toBe(true)
    quorum.nodeGone('c', 20)
    expect(quorum.isReady(20)).toBe(true)
  })

  test('three nodes: whoever cannot be reached any more does not count among those that serve a new node', () => {
    const { quorum } = quorumOf(3)
    quorum.nodeUp('b', 1, 0)
    quorum.beatFrom('b', 1)
    // b may have ended, and c may have been started in its place, while the third one is cut off.
    quorum.nodeDown('b')
    quorum.nodeUp('c', 1, 0)
    quorum.beatFrom('c', 1)
    expect(quorum.isReady(10)).toBe(false)
    quorum.nodeUp('b', 1, 20)
    quorum.beatFrom('b', 2)
    expect(quorum.isReady(20)).toBe(true)
  })

  test('three nodes: a fourth one is not served until one of the others is gone', () => {
    const { quorum } = quorumOf(3)
    expect(quorum.nodeUp('b', 1, 0)).toBe(true)
    expect(quorum.nodeUp('c', 1, 0)).toBe(true)
    expect(quorum.nodeUp('d', 1, 0)).toBe(false)
    expect(quorum.serves('d')).toBe(false)
    expect(quorum.beatTo('d', 1)).toBe(0)
    quorum.nodeGone('c', 10)
    expect(quorum.serves('d')).toBe(true)
  })

  test('three nodes: a promise lasts for a little longer than a lease', () => {
    const { quorum } = quorumOf(3)
    quorum.nodeUp('b', 1, 0)
    expect(quorum.isPromised('b', 0)).toBe(false)
    quorum.promise('b', 1_000)
    expect(quorum.isPromised('b', 1_000 + PROMISE_MS - 1)).toBe(true)
    expect(quorum.isPromised('b', 1_000 + PROMISE_MS)).toBe(false)
  })
})
