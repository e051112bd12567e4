/**
 * The end of a lease, seen by the node: it comes on time by a timer. If it is found out late, since
 * the node was frozen, what was said before and has not gone out must not go out any more.
 */
import type { Clock } from './clock.js'
import type { Lease } from './lease.js'
import { LeaseTimer } from './lease-timer.js'
import type { Logger } from './log.js'

export interface LeaseWatchParts {
  readonly clock: Clock
  readonly log: Logger
  /** How long after its end what was queued before may still go out. */
  readonly marginMs: number
  /** Drops all that was queued for other nodes. */
  cutPending(): void
}

export class LeaseWatch {
  private readonly timer: LeaseTimer
  /** Until when what was queued as the lease ended may go out; undefined: it has. */
  private queuedUntil: number | undefined
  private readonly unsubscribe: () => void

  /** Made before all else that listens to the lease, so that nothing is sent in between. */
  constructor(
    lease: Lease,
    private readonly parts: LeaseWatchParts,
  ) {
    this.unsubscribe = lease.onEnd((now, until) => this.ended(now, until))
    this.timer = new LeaseTimer(lease, parts.clock)
  }

  /** When all that was owned has ended in order, so that giving the lease back is no news and cuts nothing. */
  stop(): void {
    this.unsubscribe()
    this.timer.stop()
  }

  /** Called before anything goes out. */
  goesOut(now: number): void {
    if (this.queuedUntil === undefined || now <= this.queuedUntil) return
    this.queuedUntil = undefined
    this.parts.cutPending()
  }

  private ended(now: number, until: number): void {
    const { clock, log, marginMs } = this.parts
    const lateMs = now - until
    const late = lateMs > marginMs ? lateness(lateMs) : ''
    log.warn(
      `the lease of this node has ended${late}: its processes that own keys, and its supervised children, end; other nodes take over`,
    )
    if (lateMs > marginMs) return this.parts.cutPending()
    // What is queued goes out in this turn of the loop. A handler that holds it up, or a freeze, may make it late.
    this.queuedUntil = until + marginMs
    clock.soon(() => {
      this.queuedUntil = undefined
    })
  }
}

/** When it was taken away, nobody here knows how long ago. */
const lateness = (ms: number): string =>
  Number.isFinite(ms) ? `, which it noticed ${Math.round(ms)} ms late` : ' before its time'
