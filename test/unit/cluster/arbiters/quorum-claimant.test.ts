/** A claim in quorum mode while voters come and go: whose votes count. */
import { describe, expect, test } from 'vitest'
import { Lease } from '../../../../src/base/lease.js'
import type { Claiming, ClaimOutcome } from '../../../../src/cluster/arbiters/arbiter.js'
import type { ClaimRequest } from '../../../../src/cluster/arbiters/claim-message.js'
import { Quorum } from '../../../../src/cluster/arbiters/quorum.js'
import { Acceptor } from '../../../../src/cluster/arbiters/quorum-acceptor.js'
import { QuorumClaimant } from '../../../../src/cluster/arbiters/quorum-claimant.js'
import { Origin } from '../../../../src/cluster/replication/origin.js'
import { ClaimTable } from '../../../../src/cluster/tables/claim-table.js'

const LEASE_MS = 6_000
const OTHERS = ['b', 'c', 'd', 'e']

/** Node `a` of five, which has its lease since all others have renewed a beat. */
class Claimer {
  readonly lease = new Lease()
  readonly quorum = new Quorum({ size: 5, leaseMs: LEASE_MS }, this.lease, 0)
  readonly table = new ClaimTable(new Origin('a', 1), () => {})
  readonly outcomes: ClaimOutcome[] = []
  private readonly tables = () => this.table
  readonly claimant = new QuorumClaimant(
    { node: 'a', creation: 1 },
    this.quorum,
    this.lease,
    new Acceptor('a', this.quorum, this.tables),
    this.tables,
    () => ['a', ...OTHERS].map((node) => ({ node, weight: 1, roles: [], children: 0 })),
  )

  constructor() {
    for (const node of OTHERS) {
      this.quorum.nodeUp(node, 1, 0)
      this.quorum.beatFrom(node, 1)
      this.quorum.renewedBy(node, this.quorum.beatTo(node, 10), 20)
    }
    this.quorum.isReady(20)
  }

  claim(id: string, now: number): void {
    const done = (outcome: ClaimOutcome): boolean => {
      this.outcomes.push(outcome)
      return true
    }
    const claim: Claiming = { scope: 's', id, pid: undefined, force: false, deadline: 60_000, done }
    this.claimant.start(claim, now)
  }

  /** What has been asked since the last look, by node. */
  asked(): Map<string, ClaimRequest> {
    const asked = new Map<string, ClaimRequest>()
    for (const [node, [request]] of this.claimant.requests) asked.set(node, request!)
    this.claimant.requests.clear()
    return asked
  }

  grant(node: string, request: ClaimRequest, epoch: number, now: number): void {
    this.claimant.answered(node, [[request[0], 'granted', epoch]], now)
  }

  lost(node: string, now: number): void {
    this.quorum.nodeDown(node)
    this.claimant.nodeLost(node, now)
  }
}

/** A key that this node asks itself for first. */
function keyOfItsOwn(): string {
  for (let index = 0; index < 100; index++) {
    const claimer = new Claimer()
    claimer.claim(`key ${index}`, 100)
    if (claimer.asked().size === OTHERS.length) return `key ${index}`
  }
  throw new Error('no key of a hundred is asked for here first')
}

describe('five nodes, a claim', () => {
  const id = keyOfItsOwn()

  function asking(): [Claimer, Map<string, ClaimRequest>, epoch: number] {
    const claimer = new Claimer()
    claimer.claim(id, 100)
    return [claimer, claimer.asked(), claimer.table.epochMax]
  }

  test('has the key when two others have granted it', () => {
    const [claimer, asked, epoch] = asking()
    claimer.grant('b', asked.get('b')!, epoch, 110)
    expect(claimer.outcomes).toEqual([])
    claimer.grant('c', asked.get('c')!, epoch, 120)
    expect(claimer.outcomes).toMatchObject([{ type: 'granted', epoch }])
  })

  test('does not count the vote of a node that was started anew since', () => {
    const [claimer, asked, epoch] = asking()
    claimer.grant('b', asked.get('b')!, epoch, 110)
    claimer.lost('b', 120)
    // The other start of b is served, and knows nothing of that vote.
    claimer.quorum.nodeUp('b', 2, 130)
    expect(claimer.quorum.serves('b')).toBe(true)
    claimer.grant('c', asked.get('c')!, epoch, 140)
    expect(claimer.outcomes).toEqual([])
    claimer.grant('d', asked.get('d')!, epoch, 150)
    expect(claimer.outcomes).toMatchObject([{ type: 'granted', epoch }])
  })

  test('costs the node nothing else when a voter has said goodbye before it was decided', () => {
    const [claimer, asked, epoch] = asking()
    claimer.grant('b', asked.get('b')!, epoch, 110)
    claimer.lost('b', 120)
    claimer.quorum.nodeGone('b', 120)
    claimer.grant('c', asked.get('c')!, epoch, 130)
    expect(claimer.outcomes).toEqual([])
    expect(claimer.lease.isValid(140)).toBe(true)
    claimer.grant('d', asked.get('d')!, epoch, 140)
    expect(claimer.outcomes).toMatchObject([{ type: 'granted', epoch }])
    expect(claimer.lease.isValid(140)).toBe(true)
  })
})
