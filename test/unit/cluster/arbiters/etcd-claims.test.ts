/** Claims at etcd as a machine: what becomes of grants, refusals and keys that are let go. */
import { expect, test } from 'vitest'
import type { EtcdReply } from '../../../../src/base/etcd-port.js'
import { Lease } from '../../../../src/base/lease.js'
import type { ClaimOutcome } from '../../../../src/cluster/arbiters/arbiter.js'
import { EtcdClaims } from '../../../../src/cluster/arbiters/etcd-claims.js'
import { ownerText } from '../../../../src/cluster/arbiters/etcd-keys.js'
import type { Claim, ClaimTable } from '../../../../src/cluster/tables/claim-table.js'
import { toBase64 } from '../../../../src/etcd/fields.js'
import { NodeLease } from '../../../../src/etcd/node-lease.js'
import { Pid } from '../../../../src/term/pid.js'

const ok = (body: object): EtcdReply => ({ ok: true, body: body as never })

test('one node: a lease that ends by the first grant of a batch makes the others void', () => {
  const lease = new Lease()
  const nodeLease = new NodeLease({ lease, ttlSeconds: 6, markKey: 'm', markValue: '{}' })
  const claims = new EtcdClaims({
    node: 'a@h',
    creation: 1,
    prefix: 'p/',
    lease,
    nodeLease,
    tables: () => ({ find: () => undefined }) as unknown as ClaimTable,
    reachable: () => true,
  })
  const hold = (id: string, now: number, revision: string): void => {
    for (const kind of ['grant', 'mark']) {
      const call = nodeLease.due(now).find((one) => one.kind === kind)!
      nodeLease.replied(call, ok({ ID: id, TTL: '6', header: { revision } }), now)
    }
  }
  hold('7', 0, '5')
  const outcomes: [id: string, outcome: ClaimOutcome][] = []
  for (const id of ['a', 'b']) {
    const done = (outcome: ClaimOutcome): boolean => {
      outcomes.push([id, outcome])
      if (id === 'a') lease.move(Number.NEGATIVE_INFINITY, 10)
      return false
    }
    const claim = { scope: 'c:x', id, pid: undefined, force: false, deadline: 9_000, done }
    claims.start(claim, 0)
  }
  const granted = { response_txn: { succeeded: true } }
  const first = claims.take(0)!
  const reply = ok({
    header: { revision: '8' },
    succeeded: true,
    responses: [granted, granted],
  })
  claims.replied(first, reply, 10)
  expect(outcomes).toEqual([['a', { type: 'granted', epoch: 8 }]])
  expect(claims.take(10)).toBeUndefined()
  hold('8', 20, '9')
  // Only what is still wanted, and once: two works on one key in a batch are refused by etcd.
  expect(claims.take(20)!.works.map(({ name }) => name)).toEqual(['p/c:x/b'])
})

/** Node `a@h` with a lease, that knows these claims of others. */
function machine(known: () => Claim | undefined = () => undefined) {
  const lease = new Lease()
  const nodeLease = new NodeLease({ lease, ttlSeconds: 60, markKey: 'm', markValue: '{}' })
  const table = { find: known, own: { rows: new Map() } } as unknown as ClaimTable
  const parts = { node: 'a@h', creation: 1, prefix: 'p/', lease, nodeLease }
  const claims = new EtcdClaims({ ...parts, tables: () => table, reachable: () => true })
  let revision = 5
  const hold = (kind: 'grant' | 'mark', now: number): void => {
    const call = nodeLease.due(now).find((one) => one.kind === kind)!
    nodeLease.replied(call, ok({ ID: '7', TTL: '60', header: { revision: `${revision++}` } }), now)
  }
  hold('grant', 0)
  hold('mark', 0)
  const mark = (now: number): void => hold('mark', now)
  const outcomes: ClaimOutcome[] = []
  const start = (over?: number, deadline = 9_000, isUsed = true): void => {
    const done = (outcome: ClaimOutcome): boolean => outcomes.push(outcome) > 0 && isUsed
    const claim = { scope: 'c:x', id: 'k', pid: undefined, force: false, deadline, done }
    claims.start(over === undefined ? claim : { ...claim, over }, 0)
  }
  return { claims, outcomes, start, mark }
}

const batch = (revision: number, response: object): EtcdReply =>
  ok({
    header: { revision: String(revision) },
    succeeded: true,
    responses: [{ response_txn: response }],
  })
const found = (revision: number, node: string, epoch?: number): object => {
  const value = toBase64(ownerText({ node, creation: 1, pid: undefined, epoch }, 1))
  const kv = { key: 'k', value, create_revision: '1', mod_revision: String(revision), lease: '9' }
  return { responses: [{ response_range: { kvs: [kv] } }] }
}
const doesWhat = (call: { body: object } | undefined): string => JSON.stringify(call?.body)

test('two nodes: a key that etcd has free is not had while its owner is known, which may be about to get it again', () => {
  const pid = new Pid('b@h', 1, 0, 1)
  let known: Claim | undefined = { pid, epoch: 3, origin: { node: 'b@h' } } as Claim
  const { claims, outcomes, start } = machine(() => known)
  start()
  claims.replied(claims.take(0)!, batch(8, { succeeded: true }), 1)
  expect(outcomes).toEqual([])
  const back = claims.take(1)
  expect(doesWhat(back)).toContain('request_delete_range')
  claims.replied(back!, batch(9, { succeeded: true }), 2)
  expect(claims.take(2)).toBeUndefined()
  known = undefined
  claims.tick(claims.nextTick)
  claims.replied(claims.take(60)!, batch(10, { succeeded: true }), 61)
  expect(outcomes).toEqual([{ type: 'granted', epoch: 10 }])
})

test('two nodes: a claim that ends while nobody knows whether it was written says so, others do not', () => {
  const answered = machine()
  answered.start(3, 2_000)
  answered.claims.replied(answered.claims.take(0)!, batch(8, found(4, 'b@h')), 1)
  answered.claims.tick(2_000)
  expect(answered.outcomes).toEqual([{ type: 'timeout' }])
  const lost = machine()
  lost.start(3)
  const call = lost.claims.take(0)!
  lost.claims.replied(call, { ok: false, failure: 'unreachable', message: 'no answer' }, 700)
  lost.claims.tick(2_000)
  expect(lost.outcomes).toEqual([{ type: 'unavailable', mayStand: true }])
  const underWay = machine()
  underWay.start(3, 2_000)
  underWay.claims.take(1_999)
  underWay.claims.tick(2_000)
  expect(underWay.outcomes).toEqual([{ type: 'timeout', mayStand: true }])
})

test('one node: a claim goes on while etcd writes the mark of the node, though other requests get no answer in time', () => {
  const { claims, outcomes, start, mark } = machine()
  const lost: EtcdReply = { ok: false, failure: 'unreachable', message: 'no answer' }
  start()
  for (let now = 700; now < 8_000; now += 900) {
    claims.replied(claims.take(now - 700)!, lost, now)
    claims.tick(now)
    mark(now + 100)
    claims.tick(now + 200)
  }
  expect(outcomes).toEqual([])
  claims.tick(9_000)
  expect(outcomes).toEqual([{ type: 'timeout', mayStand: true }])
})

test('two nodes: a claim over another owner that wrote over a rest of its own node, and is not used, leaves nothing', () => {
  const { claims, start } = machine()
  // Of an owner of this node, which has let the key go: etcd is told of that after this.
  start(3, 9_000, false)
  claims.freed('c:x', 'k', 6)
  claims.replied(claims.take(0)!, batch(8, found(6, 'a@h')), 1)
  const over = { responses: [{ response_txn: { succeeded: true } }] }
  claims.replied(claims.take(1)!, batch(9, over), 2)
  const back = claims.take(2)
  expect(doesWhat(back)).toContain('request_delete_range')
  expect(doesWhat(back)).not.toContain('request_put')
})

test('two nodes: a key that was let go while another node had written over it is deleted when it comes back', () => {
  const { claims } = machine()
  claims.freed('c:x', 'k', 6)
  claims.replied(claims.take(0)!, batch(8, found(7, 'b@h')), 1)
  expect(claims.take(1)).toBeUndefined()
  const at = claims.nextTick
  claims.tick(at)
  // Given back by the other node, to this one, under its old epoch.
  claims.replied(claims.take(at)!, batch(9, found(9, 'a@h', 6)), at)
  const last = claims.take(at)
  expect(doesWhat(last)).toContain('"mod_revision":"9"')
  claims.replied(last!, batch(10, { succeeded: true }), at)
  expect(claims.nextTick).toBe(Number.POSITIVE_INFINITY)
})

test('two nodes: a key that was let go and has an owner that this node knows is left alone', () => {
  const pid = new Pid('b@h', 1, 0, 1)
  const { claims } = machine(() => ({ pid, epoch: 7, origin: { node: 'b@h' } }) as Claim)
  claims.freed('c:x', 'k', 6)
  claims.replied(claims.take(0)!, batch(8, found(7, 'b@h')), 1)
  expect(claims.nextTick).toBe(Number.POSITIVE_INFINITY)
})
