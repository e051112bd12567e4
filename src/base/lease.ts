/**
 * Until when this node may act for what it owns. Whoever decides about keys (a quorum, etcd) moves
 * the end; whoever runs the owners stops them there. Invariant: a lease that has run out is ended
 * before it is renewed, so that nothing owned before goes on under the new one.
 */
export class Lease {
  /** On the node's monotonic clock. */
  private until = Number.NEGATIVE_INFINITY
  private readonly endings = new Set<(now: number, until: number) => void>()
  private readonly moves = new Set<(until: number) => void>()
  private isRunning = false

  get validUntil(): number {
    return this.until
  }

  isValid(now: number): boolean {
    return now < this.until
  }

  /**
   * Calls back when the lease has ended, late if nobody looked at the clock before: `until` is when.
   * In the order of the calls of `onEnd`.
   */
  onEnd(listener: (now: number, until: number) => void): () => void {
    this.endings.add(listener)
    return () => void this.endings.delete(listener)
  }

  /** Calls back whenever the end is another one, unless it has passed already. */
  onMove(listener: (until: number) => void): () => void {
    this.moves.add(listener)
    return () => void this.moves.delete(listener)
  }

  /** Ends the lease if its time is over. False: it is not valid. Cheap: for every message of an owner. */
  check(now: number): boolean {
    if (now < this.until) return true
    if (this.isRunning) this.end(now)
    return false
  }

  /** Moves the end of the lease to `until`, earlier or later. */
  move(until: number, now: number): void {
    this.check(now)
    this.until = until
    if (now >= until) {
      this.check(now)
      return
    }
    this.isRunning = true
    for (const listener of this.moves) listener(until)
  }

  private end(now: number): void {
    const { until } = this
    this.isRunning = false
    this.until = Number.NEGATIVE_INFINITY
    for (const listener of this.endings) listener(now, until)
  }
}
