/**
 * Warnings about things that may happen very often: the first of a kind is logged at once, then at
 * most one line a second says how many more there were. Every occurrence is counted, and counting
 * builds no string.
 */
import type { Clock, Timer } from '../base/clock.js'
import { details } from '../base/error-text.js'
import type { Logger } from '../base/log.js'

const PERIOD_MS = 1_000

type Sentence = (subject: unknown, detail: unknown) => string

interface Open {
  sinceLogged: number
  subject: unknown
  detail: unknown
  timer: Timer | undefined
}

export class Notices<Kind extends string> {
  readonly counts: Record<Kind, number>
  readonly #sentences: Record<Kind, Sentence>
  readonly #clock: Clock
  readonly #log: Logger
  /** At most one per kind, and the kinds are a closed set. */
  readonly #open = new Map<Kind, Open>()
  #stopped = false

  constructor(sentences: Record<Kind, Sentence>, clock: Clock, log: Logger) {
    const kinds = Object.keys(sentences) as Kind[]
    this.counts = Object.fromEntries(kinds.map((kind) => [kind, 0])) as Record<Kind, number>
    this.#sentences = sentences
    this.#clock = clock
    this.#log = log
  }

  note(kind: Kind, subject: unknown, detail?: unknown): void {
    this.counts[kind]++
    if (this.#stopped) return
    const open = this.#open.get(kind)
    if (open === undefined) {
      this.#log.warn(this.#sentences[kind](subject, detail), details(detail))
      this.#arm(kind, { sinceLogged: 0, subject, detail, timer: undefined })
      return
    }
    open.sinceLogged++
    open.subject = subject
    open.detail = detail
  }

  stop(): void {
    this.#stopped = true
    for (const open of this.#open.values()) open.timer?.cancel()
    this.#open.clear()
  }

  #arm(kind: Kind, open: Open): void {
    this.#open.set(kind, open)
    open.timer = this.#clock.after(PERIOD_MS, () => {
      if (open.sinceLogged === 0) {
        this.#open.delete(kind)
        return
      }
      const sentence = this.#sentences[kind](open.subject, open.detail)
      const times = `(${open.sinceLogged} times in the last second)`
      this.#log.warn(`${sentence} ${times}`, details(open.detail))
      open.sinceLogged = 0
      this.#arm(kind, open)
    })
  }
}
