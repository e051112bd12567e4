/**
 * Ends a lease on time when nothing else happens on its node. One timer, which is left alone while
 * the end only moves later: when it fires, it looks where the end is now.
 */
import type { Clock, Timer } from './clock.js'
import type { Lease } from './lease.js'

export class LeaseTimer {
  private armed: { readonly at: number; readonly timer: Timer } | undefined
  private readonly unsubscribe: () => void

  constructor(
    private readonly lease: Lease,
    private readonly clock: Clock,
  ) {
    this.unsubscribe = lease.onMove((until) => this.arm(until))
  }

  stop(): void {
    this.unsubscribe()
    this.armed?.timer.cancel()
    this.armed = undefined
  }

  private arm(until: number): void {
    if (this.armed && this.armed.at <= until) return
    this.armed?.timer.cancel()
    const delayMs = Math.max(0, until - this.clock.now())
    this.armed = { at: until, timer: this.clock.after(delayMs, () => this.due()) }
  }

  private due(): void {
    this.armed = undefined
    if (this.lease.check(this.clock.now())) this.arm(this.lease.validUntil)
  }
}
