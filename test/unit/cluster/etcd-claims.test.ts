/** Claims at etcd as a machine: what becomes of grants when the lease ends while they are handed out. */
import { expect, test } from 'vitest'
import type { EtcdReply } from '../../../src/base/etcd-port.js'
import { Lease } from '../../../src/base/lease.js'
import type { ClaimOutcome } from '../../../src/cluster/arbiter.js'
import { EtcdClaims } from '../../../src/cluster/etcd-claims.js'
import { NodeLease } from '../../../src/etcd/node-lease.js'

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
    tables: () => {
      throw new Error('no owner is looked for')
    },
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
