/** One timer for the earliest of several moments. */
import type { Clock, Timer } from '../../base/clock.js'

export class EarliestTimer {
  private armed: { at: number; timer: Timer } | undefined

  constructor(
    private readonly clock: Clock,
    private readonly run: () => void,
  ) {}

  /** It runs at that time at the latest. */
  at(time: number): void {
    if (this.armed && this.armed.at <= time) return
    this.cancel()
    const delayMs = Math.max(0, time - this.clock.now())
    const timer = this.clock.after(delayMs, () => {
      this.armed = undefined
      this.run()
    })
    this.armed = { at: time, timer }
  }

  cancel(): void {
    this.armed?.timer.cancel()
    this.armed = undefined
  }
}
