/**
 * The claimant's side of quorum mode. Pure. A claim asks one node first, the same for all who want
 * the key, so that of two at the same time one gets ahead; then all others. It has the key when a
 * majority has granted it, knows the epoch it gets, and this node may act.
 */
import type { Lease } from '../../base/lease.js'
import { type PlacementMember, rendezvous } from '../placement/placement.js'
import type { ClaimTable } from '../tables/claim-table.js'
import { type Attempt, ClaimAttempts, type Self } from './claim-attempts.js'
import type { ClaimAnswer, ClaimRequest } from './claim-message.js'
import type { Quorum } from './quorum.js'
import type { Acceptor } from './quorum-acceptor.js'

interface Ballot extends Attempt {
  askedAt: number
  /** Those that may be asked, the first one first. */
  voters: string[]
  readonly granted: Map<string, number>
  readonly refused: Set<string>
  /** The epoch that those who granted less have been told of. */
  raisedTo: number
}

export class QuorumClaimant extends ClaimAttempts<Ballot> {
  constructor(
    self: Self,
    private readonly quorum: Quorum,
    private readonly lease: Lease,
    private readonly acceptor: Acceptor,
    tables: (scope: string) => ClaimTable,
    /** The members that can be reached, this node included. */
    private readonly reachable: () => readonly PlacementMember[],
  ) {
    super(self, tables)
  }

  answer(node: string, creation: number, request: ClaimRequest, now: number): ClaimAnswer {
    return this.acceptor.answer(node, creation, request, now)
  }

  nodeLost(node: string, now: number): void {
    for (const ballot of [...this.asking.values()]) {
      if (!ballot.asked.includes(node)) continue
      // If it comes back as another start, it does not know what it has granted.
      ballot.granted.delete(node)
      if (ballot.preparing === 'now') continue
      this.refused(ballot, node, now)
    }
  }

  protected newAttempt(attempt: Attempt): Ballot {
    return {
      ...attempt,
      askedAt: 0,
      voters: [],
      granted: new Map(),
      refused: new Set(),
      raisedTo: 0,
    }
  }

  protected plan(ballot: Ballot, now: number): boolean {
    const { node: self } = this.self
    const members = this.reachable().filter(({ node }) => node === self || this.quorum.serves(node))
    const first = rendezvous.choose(ballot.claim.id, members)
    ballot.voters = members.map(({ node }) => node)
    if (first !== undefined) ballot.voters.sort((a, b) => +(b === first) - +(a === first))
    ballot.askedAt = now
    ballot.granted.clear()
    ballot.refused.clear()
    ballot.raisedTo = 0
    return true
  }

  protected ask(ballot: Ballot, now: number): void {
    if (!this.lease.check(now) || ballot.voters.length < this.quorum.majority)
      return this.blocked(ballot, now)
    ballot.blockedSince = undefined
    this.request(ballot, ballot.voters[0]!, this.tables(ballot.claim.scope).epochMax, now)
  }

  protected take(ballot: Ballot, node: string, answer: ClaimAnswer, now: number): void {
    switch (answer[1]) {
      case 'granted':
        return this.grantedBy(ballot, node, answer[2], now)
      case 'taken':
        if (node === ballot.voters[0]) return this.taken(ballot, answer[2], now)
        return this.refused(ballot, node, now)
      default:
        return this.refused(ballot, node, now)
    }
  }

  private grantedBy(ballot: Ballot, node: string, epoch: number, now: number): void {
    const isFirst = ballot.granted.size === 0
    ballot.granted.set(node, epoch)
    if (!isFirst) return this.count(ballot, now)
    // So that they answer the same epoch, where they can.
    for (const other of ballot.voters.slice(1)) {
      if (!this.goesOn(ballot)) return
      this.request(ballot, other, epoch - 1, now)
    }
    if (this.goesOn(ballot)) this.count(ballot, now)
  }

  /** Whether a majority has granted the key and knows the epoch; if only that is missing, tells them. */
  private count(ballot: Ballot, now: number): void {
    const { granted, preparing } = ballot
    if (preparing === 'now') return
    if (granted.size < this.quorum.majority) return
    const epoch = Math.max(...granted.values())
    const knowing = [...granted.values()].filter((one) => one === epoch).length
    if (knowing >= this.quorum.majority) return this.won(ballot, epoch, now)
    if (ballot.raisedTo === epoch) return
    ballot.raisedTo = epoch
    for (const [node, known] of [...granted]) {
      if (known < epoch && this.goesOn(ballot)) this.request(ballot, node, epoch - 1, now)
    }
  }

  private won(ballot: Ballot, epoch: number, now: number): void {
    if (!this.lease.check(now)) return this.blocked(ballot, now)
    const { self, quorum } = this
    const voters = [...ballot.granted.keys()].filter((node) => node !== self.node)
    const counted = voters.filter((node) => quorum.serves(node))
    if (!quorum.claimed(ballot.askedAt, counted, now)) return this.retry(ballot, now)
    if (!this.lease.check(now)) return this.blocked(ballot, now)
    this.granted(ballot, epoch, now)
  }

  protected confirm(ballot: Ballot, epoch: number, now: number): void {
    const { granted } = ballot
    const knowing = [...granted.values()].filter((one) => one === epoch).length
    if (knowing >= this.quorum.majority) this.won(ballot, epoch, now)
    else this.retry(ballot, now)
  }

  private refused(ballot: Ballot, node: string, now: number): void {
    ballot.refused.add(node)
    if (ballot.preparing === 'now') return
    const isLost = ballot.voters.length - ballot.refused.size < this.quorum.majority
    // Whoever is first at the node that all ask first gets ahead of the others.
    if (isLost || node === ballot.voters[0]) this.retry(ballot, now)
  }

  private goesOn(ballot: Ballot): boolean {
    return this.asking.get(ballot.request) === ballot
  }

  private request(ballot: Ballot, node: string, epochMax: number, now: number): void {
    const { claim } = ballot
    const { scope, id, pid = null, over = 0 } = claim
    const request: ClaimRequest = [ballot.request, 0, scope, id, pid, false, epochMax, over]
    if (!ballot.asked.includes(node)) ballot.asked.push(node)
    if (node !== this.self.node) return this.sendRequest(node, request)
    const answer = this.acceptor.answer(node, this.self.creation, request, now)
    this.take(ballot, node, answer, now)
  }
}
