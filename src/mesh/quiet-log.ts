/** Warnings that a peer can cause: at most one in ten seconds of a kind, with how many were left out. */
import type { Clock } from '../base/clock.js'
import type { Logger } from '../base/log.js'

const PAUSE_MS = 10_000

export class QuietLog {
  private readonly kinds = new Map<string, { at: number; leftOut: number }>()

  constructor(
    private readonly log: Logger,
    private readonly clock: Clock,
  ) {}

  /** `kind` is one of a few literals, never text from a peer. */
  warn(kind: string, message: string): void {
    const now = this.clock.now()
    const last = this.kinds.get(kind)
    if (last && now - last.at < PAUSE_MS) {
      last.leftOut++
      return
    }
    const more = last && last.leftOut > 0 ? ` (and ${last.leftOut} more like it)` : ''
    this.kinds.set(kind, { at: now, leftOut: 0 })
    this.log.warn(`${message}${more}`)
  }
}
