/**
 * Who may act in quorum mode: a pure machine. Every node numbers its heads to each other node (its
 * *beats*) and the other one says which it has taken (a *renewal*). A renewal is a promise: for a
 * little longer than a lease this node helps nobody to what the other one owns. A node may act until
 * 0.99 leases after it *sent* what a majority has accepted. Why that is enough is in
 * docs/decisions/0016-quorum.md. Invariant: at most `size - 1` other nodes are served.
 */
import type { Lease } from '../../base/lease.js'
import { Acceptances } from './quorum-acceptances.js'

export interface QuorumSize {
  /** The most nodes that ever run at the same time. */
  readonly size: number
  readonly leaseMs: number
}

/** Clocks may run apart by one percent. */
const OWN_SHARE = 0.99
const PROMISE_SHARE = 1.01
const PROMISE_MARGIN_MS = 100
/** Of a lease must be left without a node that is over before what it has accepted is let go. */
const SPARE_SHARE = 0.5
/** Votes older than this part of a lease are asked for anew. */
const VOTE_SHARE = 0.75
const BEATS_MAX = 64

interface Served {
  readonly creation: number
  /** Beats sent to it and not renewed yet, oldest first. */
  readonly beats: { readonly number: number; readonly at: number }[]
  lastBeat: number
  /** Nobody is helped to its keys before. */
  promisedUntil: number
  /** It has shown that it serves this start of this node. */
  serves: boolean
  /** That start of it is over; what it has accepted is still needed. */
  isOver: boolean
}

export const majorityOf = (size: number): number => Math.floor(size / 2) + 1

export class Quorum {
  readonly majority: number
  private readonly served = new Map<string, Served>()
  /** Nodes that are up and for which there is no room yet. */
  private readonly waiting = new Map<string, number>()
  private readonly acceptances: Acceptances
  private hasBeenReady = false

  constructor(
    private readonly options: QuorumSize,
    private readonly lease: Lease,
    private readonly startedAt: number,
  ) {
    this.majority = majorityOf(options.size)
    this.acceptances = new Acceptances(this.majority - 1, options.leaseMs)
    this.moveLease(startedAt)
  }

  /**
   * Whether this node's word counts. An earlier start of it may have made promises that this one does
   * not know: it waits until they are over, or until all others need that start no more.
   */
  isReady(now: number): boolean {
    this.hasBeenReady ||= now >= this.startedAt + this.promiseMs || this.isServedByAll()
    return this.hasBeenReady
  }

  private isServedByAll(): boolean {
    const serving = [...this.served.values()].filter(({ serves, isOver }) => serves && !isOver)
    return serving.length >= this.options.size - 1
  }

  serves(node: string): boolean {
    return this.served.get(node)?.isOver === false
  }

  /** A node is reachable. False: there are more than `size`, and it is not served. */
  nodeUp(node: string, creation: number, now: number): boolean {
    const known = this.served.get(node)
    if (known?.creation === creation && !known.isOver) return true
    if (known) known.isOver = true
    this.waiting.set(node, creation)
    this.makeRoom(now)
    return !this.waiting.has(node) || [...this.served.values()].some(({ isOver }) => isOver)
  }

  /** A node cannot be reached: another one may have taken its place. */
  nodeDown(node: string): void {
    const one = this.served.get(node)
    if (one) one.serves = false
  }

  /** A node will not come back as the start that it was. */
  nodeGone(node: string, now: number): void {
    this.waiting.delete(node)
    const known = this.served.get(node)
    if (!known) return
    known.isOver = true
    this.makeRoom(now)
  }

  /** The number of the beat that goes out to `node` now; 0: it is not served. */
  beatTo(node: string, now: number): number {
    this.makeRoom(now)
    const one = this.served.get(node)
    if (!one || one.isOver) return 0
    if (one.beats.length === BEATS_MAX) one.beats.shift()
    one.beats.push({ number: ++one.lastBeat, at: now })
    return one.lastBeat
  }

  /** A beat of `node` came; 0: that node does not serve this one. */
  beatFrom(node: string, beat: number): void {
    const one = this.served.get(node)
    if (one && !one.isOver) one.serves = beat > 0
  }

  /** `node` has renewed the beat that this node sent it. */
  renewedBy(node: string, beat: number, now: number): void {
    const one = this.served.get(node)
    if (!one || one.isOver) return
    const sent = one.beats.find(({ number }) => number === beat)
    if (!sent) return
    while (one.beats[0] && one.beats[0].number <= beat) one.beats.shift()
    // What has run out stays so, whatever was on its way meanwhile.
    this.lease.check(now)
    this.acceptances.renewed(node, sent.at)
    this.moveLease(now)
  }

  /** From now on, for a little longer than a lease, nobody is helped to what `node` owns. */
  promise(node: string, now: number): void {
    const one = this.served.get(node)
    if (one) one.promisedUntil = now + this.promiseMs
  }

  isPromised(node: string, now: number): boolean {
    return now < this.promisedUntil(node)
  }

  promisedUntil(node: string): number {
    return this.served.get(node)?.promisedUntil ?? Number.NEGATIVE_INFINITY
  }

  /**
   * This node has got a key by the votes of `voters`, for which it began to ask at `askedAt`. False: it has
   * not, since these are too few, or so old that the lease would soon end for all other keys as well.
   */
  claimed(askedAt: number, voters: readonly string[], now: number): boolean {
    const needed = Math.min(this.acceptances.since(), now - VOTE_SHARE * this.options.leaseMs)
    const since = this.acceptances.sinceVotes(askedAt, voters)
    if (since < needed || since === Number.NEGATIVE_INFINITY) return false
    this.acceptances.claimed(askedAt, voters, now)
    this.moveLease(now)
    return true
  }

  private get promiseMs(): number {
    return this.options.leaseMs * PROMISE_SHARE + PROMISE_MARGIN_MS
  }

  /** Takes leave of starts that are over as soon as they are not needed, and serves those that wait. */
  private makeRoom(now: number): void {
    const { leaseMs, size } = this.options
    for (const [node, { isOver }] of this.served) {
      if (!isOver) continue
      const isStale = this.acceptances.latestOf(node) < now - leaseMs
      if (!isStale && this.acceptances.since(node) < now - SPARE_SHARE * leaseMs) continue
      this.served.delete(node)
      this.acceptances.forget(node)
      this.moveLease(now)
    }
    for (const [node, creation] of this.waiting) {
      if (this.served.has(node) || this.served.size >= size - 1) continue
      this.waiting.delete(node)
      this.served.set(node, newcomer(creation))
    }
  }

  private moveLease(now: number): void {
    this.acceptances.prune(now, this.beatsUnderWay(now))
    this.lease.move(this.acceptances.since() + this.options.leaseMs * OWN_SHARE, now)
  }

  /** For each node, the oldest beat whose renewal would still count. */
  private beatsUnderWay(now: number): [node: string, at: number][] {
    const since = now - this.options.leaseMs
    return [...this.served].flatMap(([node, { beats }]) => {
      const oldest = beats.find(({ at }) => at > since)
      return oldest ? [[node, oldest.at] as [string, number]] : []
    })
  }
}

const newcomer = (creation: number): Served => ({
  creation,
  beats: [],
  lastBeat: 0,
  promisedUntil: Number.NEGATIVE_INFINITY,
  serves: false,
  isOver: false,
})
