/**
 * When what was written goes out: a little later than what else is due in this turn, so that what that
 * writes goes along. Whoever writes again as soon as it was flushed must not keep timers and sockets
 * waiting.
 */
import type { Clock } from '../../base/clock.js'

/** Enough for a child to be claimed, started and known by its pid in one update. */
const STEPS = 8
/** How long writes may follow each other within a turn, and what is no pause between them. */
const BURST_MS = 5
const PAUSE_MS = 1

export class FlushTurns {
  private flushing: Promise<void> | undefined
  private flushedAt = 0
  private burstStart = 0

  constructor(
    private readonly clock: Clock,
    private readonly flush: () => void,
  ) {}

  /** Resolves when what is written by now has gone out. */
  soon(): Promise<void> {
    this.flushing ??= this.flushSoon()
    return this.flushing
  }

  private async flushSoon(): Promise<void> {
    const now = this.clock.now()
    if (now - this.flushedAt > PAUSE_MS) this.burstStart = now
    if (now - this.burstStart >= BURST_MS) {
      await new Promise<void>((resolve) => this.clock.soon(resolve))
      this.burstStart = this.clock.now()
    }
    for (let step = 0; step < STEPS; step++) await undefined
    this.flushing = undefined
    this.flush()
    this.flushedAt = this.clock.now()
  }
}
