/** The lease at etcd as a machine: when it is renewed, from when it counts, and how it ends. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { EtcdReply } from '../../../../src/base/etcd-port.js'
import { Lease } from '../../../../src/base/lease.js'
import { type LeaseCall, NodeLease } from '../../../../src/etcd/node-lease.js'

const ok = (body: object): EtcdReply => ({ ok: true, body: body as never })
const failed = (failure: 'unreachable' | 'lease_gone' = 'unreachable'): EtcdReply => ({
  ok: false,
  failure,
  message: failure,
})
const granted = (id = '7', ttl = 6): EtcdReply => ok({ ID: id, TTL: String(ttl) })
const marked = (revision = 5): EtcdReply => ok({ header: { revision: String(revision) } })

let lease: Lease
let machine: NodeLease
let ends: number[]

beforeEach(() => {
  lease = new Lease()
  ends = []
  lease.onEnd((now) => ends.push(now))
  machine = new NodeLease({ lease, ttlSeconds: 6, markKey: 'p/node/a', markValue: '{}' })
})

/** The one call of that kind that is due. */
function due(kind: LeaseCall['kind'], now: number): LeaseCall {
  const calls = machine.due(now)
  expect(calls.map((call) => call.kind)).toEqual([kind])
  return calls[0]!
}

function hold(now = 0): void {
  machine.replied(due('grant', now), granted(), now)
  machine.replied(due('mark', now), marked(), now)
}

describe('the lease at etcd', () => {
  test('is valid for 0.99 of its time from when it was asked for, not from the answer', () => {
    const call = due('grant', 1_000)
    machine.replied(call, granted(), 1_800)
    expect(lease.validUntil).toBe(1_000 + 5_940)
    expect(machine.terms).toBeUndefined()
    machine.replied(due('mark', 1_800), marked(), 1_810)
    expect(machine.terms).toEqual({ id: '7', mark: 5 })
  })

  test('is renewed each third of its time, counted from when that was sent', () => {
    hold()
    expect(machine.due(1_999)).toEqual([])
    const call = due('renew', 2_000)
    expect(machine.due(2_500)).toEqual([])
    machine.replied(call, granted(), 2_900)
    expect(lease.validUntil).toBe(2_000 + 5_940)
    expect(machine.nextAt).toBe(4_000)
  })

  test('is renewed every 200 ms while that fails, and ends in time', () => {
    hold()
    let tries = 0
    for (let now = 2_000; now < 5_940; now += 200) {
      machine.replied(due('renew', now), failed(), now)
      tries++
    }
    expect(tries).toBe(20)
    machine.due(5_940)
    expect(ends).toEqual([5_940])
    expect(machine.terms).toBeUndefined()
  })

  test('an answer that comes after the end brings nothing back', () => {
    hold()
    const call = due('renew', 2_000)
    machine.replied(call, granted(), 9_000)
    expect(ends).toEqual([9_000])
    expect(lease.isValid(9_000)).toBe(false)
    expect(machine.terms).toBeUndefined()
  })

  test('a grant that took longer than it lasts is given back', () => {
    machine.replied(due('grant', 0), granted(), 6_000)
    expect(lease.isValid(6_000)).toBe(false)
    const next = due('grant', 6_200)
    machine.replied(next, granted('8'), 6_200)
    const kinds = machine.due(6_200).map(({ kind, id }) => [kind, id])
    expect(kinds).toEqual([
      ['revoke', '7'],
      ['mark', '8'],
    ])
  })

  test.each([
    ['a renewal that finds none', 'renew', ok({ ID: '7' })],
    ['a renewal that is told so', 'renew', failed('lease_gone')],
  ] as const)('ends at once by %s', (_, kind, reply) => {
    hold()
    machine.replied(due(kind, 2_000), reply, 2_010)
    expect(ends).toEqual([2_010])
    expect(machine.due(2_010).map((call) => call.kind)).toEqual(['grant'])
  })

  test('the old one is given up when there is a new one, three times at the most', () => {
    hold()
    machine.gone('7', 3_000)
    machine.replied(due('grant', 3_000), granted('8'), 3_000)
    let revocations = 0
    for (let now = 3_000; now < 3_100; now += 10) {
      for (const call of machine.due(now)) {
        if (call.kind !== 'revoke') continue
        revocations++
        machine.replied(call, failed(), now)
      }
    }
    expect(revocations).toBe(3)
  })

  test('in doubt the mark is written anew, once for all requests under it', () => {
    hold()
    const { terms } = machine
    machine.doubt(terms!)
    expect(machine.terms).toBeUndefined()
    machine.replied(due('mark', 100), marked(9), 100)
    machine.doubt(terms!)
    expect(machine.terms).toEqual({ id: '7', mark: 9 })
  })

  test('a mark that is lower than what was seen before means that etcd has lost its data', () => {
    hold()
    machine.saw(40)
    machine.gone('7', 100)
    machine.replied(due('grant', 100), granted('8'), 100)
    const calls = machine.due(100).filter(({ kind }) => kind === 'mark')
    machine.replied(calls[0]!, marked(3), 100)
    expect(machine.hasLostData).toBe(true)
    expect(machine.terms).toBeUndefined()
  })

  test('when the node stops, it is given up and no other is asked for', () => {
    hold()
    machine.close(500)
    expect(ends).toEqual([500])
    expect(machine.isReleased).toBe(false)
    machine.replied(due('revoke', 500), ok({}), 510)
    expect(machine.isReleased).toBe(true)
    expect(machine.due(10_000)).toEqual([])
    expect(machine.nextAt).toBe(Number.POSITIVE_INFINITY)
  })
})
