/**
 * Warnings that a peer can cause: of each kind so many in ten seconds, with how many were left out.
 * What they quote may be the peer's words, so a line is one line, and not a long one.
 */
import type { Clock } from './clock.js'
import { oneLine } from './describe.js'
import { logFailure } from './guard.js'
import type { Logger } from './log.js'

const PAUSE_MS = 10_000
const LINE_MAX = 500

export class QuietLog {
  private readonly kinds = new Map<string, { at: number; said: number; leftOut: number }>()

  constructor(
    private readonly log: Logger,
    private readonly clock: Clock,
    private readonly mostAtOnce = 1,
  ) {}

  /** `kind` is one of a few literals, never text from a peer. */
  warn(kind: string, message: string): void {
    const more = this.admit(kind)
    if (more !== undefined) this.log.warn(`${oneLine(message, LINE_MAX)}${more}`)
  }

  error(kind: string, message: string): void {
    const more = this.admit(kind)
    if (more !== undefined) this.log.error(`${oneLine(message, LINE_MAX)}${more}`)
  }

  /** The same of what failed, an error with its stack. */
  failure(kind: string, what: string, error: unknown): void {
    const more = this.admit(kind)
    if (more !== undefined) logFailure(this.log, `${what}${more}`, error)
  }

  /** Undefined: not now. Else what was left out, in words. */
  private admit(kind: string): string | undefined {
    const now = this.clock.now()
    const last = this.kinds.get(kind)
    const isRecent = last !== undefined && now - last.at < PAUSE_MS
    if (isRecent && last.said >= this.mostAtOnce) {
      last.leftOut++
      return undefined
    }
    const more = last && last.leftOut > 0 ? ` (and ${last.leftOut} more like it)` : ''
    if (isRecent) last.said++
    else this.kinds.set(kind, { at: now, said: 1, leftOut: 0 })
    return more
  }
}
