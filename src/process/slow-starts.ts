/** Processes whose `init` waits for something: one that does not return is told of, once. */
import type { Clock, Timer } from '../base/clock.js'
import { describeQuoted } from '../base/describe.js'
import type { Logger } from '../base/log.js'
import type { Pid } from '../term/pid.js'
import type { ChildIdentity } from './child-identity.js'

/** What is to be known of a process that has not begun. */
export interface Beginner {
  readonly pid: Pid
  readonly kind: string
  readonly name: string | undefined
  readonly status: string
  readonly knownTies: { readonly child: ChildIdentity | undefined } | undefined
}

const SLOW_MS = 5_000

export class SlowStarts {
  readonly #clock: Clock
  readonly #log: Logger
  /** Since when, oldest first. */
  readonly #waiting = new Map<Beginner, number>()
  #timer: Timer | undefined

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock
    this.#log = log
  }

  add(process: Beginner): void {
    this.#waiting.set(process, this.#clock.now())
    this.#timer ??= this.#clock.after(SLOW_MS, () => this.#sweep())
  }

  remove(process: Beginner): void {
    this.#waiting.delete(process)
    if (this.#waiting.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #sweep(): void {
    this.#timer = undefined
    const now = this.#clock.now()
    for (const [process, since] of this.#waiting) {
      const leftMs = since + SLOW_MS - now
      if (leftMs > 0) {
        this.#timer = this.#clock.after(leftMs, () => this.#sweep())
        return
      }
      this.#waiting.delete(process)
      if (process.status === 'starting') this.#warn(process)
    }
  }

  #warn({ pid, kind, name, knownTies }: Beginner): void {
    const child = knownTies?.child
    const isChild =
      child && `, child ${describeQuoted(child.id)} of supervisor '${child.supervisor}',`
    const isNamed = name === undefined ? '' : `, named '${name}',`
    this.#log.warn(
      `${pid} ${kind}${isChild ?? isNamed} has not begun for ${SLOW_MS / 1_000} s: its init has not returned, and ` +
        'whoever starts it waits',
    )
  }
}
