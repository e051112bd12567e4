/**
 * Who may act in quorum mode: a pure machine. Every node numbers its heads to each other node (its
 * *beats*) and the other one says which it has taken (a *renewal*). A renewal is a promise: for a
 * little longer than a lease this node helps nobody to what the other one owns. A node may act until
 * 0.99 leases after it *sent* the beats that a majority has renewed. Why that is enough is in
 * docs/decisions/0016-quorum.md. Invariant: at most `size - 1` other nodes are served.
 */
import type { Lease } from '../base/lease.js'

export interface QuorumSize {
  /** The most nodes that ever run at the same time. */
  readonly size: number
  readonly leaseMs: number
}

/** Clocks may run apart by one percent. */
const OWN_SHARE = 0.99
const PROMISE_SHARE = 1.01
const PROMISE_MARGIN_MS = 100
/** Claims made within such a time are looked at as one. */
const BUCKET_MS = 50

interface Served {
  creation: number
  /** Beats sent to it and not renewed yet, oldest first. */
  readonly beats: { readonly number: number; readonly at: number }[]
  lastBeat: number
  /** When the latest beat that it has renewed was sent. */
  renewedAt: number
  /** Nobody is helped to its keys before. */
  promisedUntil: number
  /** It has shown that it serves this start of this node. */
  serves: boolean
}

/** Claims that no renewal has covered yet: they hold for a lease from when they were asked for. */
interface Uncovered {
  askedAt: number
  writtenAt: number
}

const BEATS_MAX = 64

export class Quorum {
  private readonly served = new Map<string, Served>()
  /** Nodes that are up and for which there is no room: more than `size` run. */
  private readonly surplus = new Map<string, number>()
  private uncovered: Uncovered[] = []

  constructor(
    private readonly options: QuorumSize,
    private readonly lease: Lease,
    private readonly startedAt: number,
  ) {
    this.renewLease(startedAt)
  }

  /** How many nodes make a majority, this one included. */
  get majority(): number {
    return Math.floor(this.options.size / 2) + 1
  }

  /**
   * Whether this node's word counts. An earlier start of it may have made promises that this one does
   * not know: it waits until they are over, or until all others have forgotten that start.
   */
  isReady(now: number): boolean {
    if (now >= this.startedAt + this.promiseMs) return true
    let serving = 0
    for (const { serves } of this.served.values()) if (serves) serving++
    return serving >= this.options.size - 1
  }

  serves(node: string): boolean {
    return this.served.has(node)
  }

  /** A node is reachable. False: there are more than `size`, and it is not served. */
  nodeUp(node: string, creation: number, now: number): boolean {
    const known = this.served.get(node)
    if (known?.creation === creation) return true
    if (known) this.nodeGone(node, now)
    if (this.served.size >= this.options.size - 1) {
      this.surplus.set(node, creation)
      return false
    }
    this.served.set(node, {
      creation,
      beats: [],
      lastBeat: 0,
      renewedAt: Number.NEGATIVE_INFINITY,
      promisedUntil: Number.NEGATIVE_INFINITY,
      serves: false,
    })
    return true
  }

  /** A node will not come back as that start of it: what it has renewed counts no more. */
  nodeGone(node: string, now: number): void {
    this.surplus.delete(node)
    if (!this.served.delete(node)) return
    this.renewLease(now)
    for (const [waiting, creation] of this.surplus) {
      this.surplus.delete(waiting)
      this.nodeUp(waiting, creation, now)
      return
    }
  }

  /** The number of the beat that goes out to `node` now; 0: it is not served. */
  beatTo(node: string, now: number): number {
    const one = this.served.get(node)
    if (!one) return 0
    if (one.beats.length === BEATS_MAX) one.beats.shift()
    one.beats.push({ number: ++one.lastBeat, at: now })
    return one.lastBeat
  }

  /** A beat of `node` came; 0: that node does not serve this one. */
  beatFrom(node: string, beat: number): void {
    const one = this.served.get(node)
    if (one) one.serves = beat > 0
  }

  /** `node` has renewed the beat that this node sent it. */
  renewedBy(node: string, beat: number, now: number): void {
    const one = this.served.get(node)
    const sent = one?.beats.find(({ number }) => number === beat)
    if (!one || !sent) return
    while (one.beats[0] && one.beats[0].number <= beat) one.beats.shift()
    // What it could have kept up too late is over before the renewal counts.
    this.lease.check(now)
    one.renewedAt = Math.max(one.renewedAt, sent.at)
    this.renewLease(now)
  }

  /** From now on, for a little longer than a lease, nobody is helped to what `node` owns. */
  promise(node: string, now: number): void {
    const one = this.served.get(node)
    if (one) one.promisedUntil = now + this.promiseMs
  }

  isPromised(node: string, now: number): boolean {
    const one = this.served.get(node)
    return one !== undefined && now < one.promisedUntil
  }

  promisedUntil(node: string): number {
    return this.served.get(node)?.promisedUntil ?? Number.NEGATIVE_INFINITY
  }

  /** This node has got a key that it began to ask for at `askedAt`. */
  claimed(askedAt: number, now: number): void {
    const last = this.uncovered.at(-1)
    if (last && now - last.askedAt < BUCKET_MS) {
      last.askedAt = Math.min(last.askedAt, askedAt)
      last.writtenAt = now
    } else this.uncovered.push({ askedAt, writtenAt: now })
    this.renewLease(now)
  }

  private get promiseMs(): number {
    return this.options.leaseMs * PROMISE_SHARE + PROMISE_MARGIN_MS
  }

  /** A majority with this node has renewed all that was sent until then. */
  private renewedUntil(): number {
    const others = this.majority - 1
    if (others === 0) return Number.POSITIVE_INFINITY
    const times = [...this.served.values()].map(({ renewedAt }) => renewedAt).sort((a, b) => b - a)
    return times[others - 1] ?? Number.NEGATIVE_INFINITY
  }

  private renewLease(now: number): void {
    const renewed = this.renewedUntil()
    this.uncovered = this.uncovered.filter(({ writtenAt }) => writtenAt >= renewed)
    let from = renewed
    for (const { askedAt } of this.uncovered) from = Math.min(from, askedAt)
    this.lease.move(from + this.options.leaseMs * OWN_SHARE, now)
  }
}
