/**
 * Deadlines of pending calls without a timer per call: calls with the same time-out end in the order
 * they began, so each time-out length has a list, and one timer waits for the earliest of all.
 */
import type { Clock, Timer } from '../base/clock.js'
import type { PendingCall } from '../process/request.js'

/** Lists that are empty are kept for reuse up to this number. */
const LISTS_KEPT = 64

interface DeadlineList {
  first: PendingCall | undefined
  last: PendingCall | undefined
}

export class CallDeadlines {
  readonly #clock: Clock
  readonly #expired: (call: PendingCall) => void
  readonly #lists = new Map<number, DeadlineList>()
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY

  constructor(clock: Clock, expired: (call: PendingCall) => void) {
    this.#clock = clock
    this.#expired = expired
  }

  /** Calls with an infinite time-out have no deadline and must not be added. */
  add(call: PendingCall): void {
    call.deadline = this.#clock.now() + call.timeoutMs
    const list = this.#listOf(call.timeoutMs)
    call.previous = list.last
    if (list.last === undefined) list.first = call
    else list.last.next = call
    list.last = call
    if (call.deadline < this.#timerAt) this.#arm(call.deadline)
  }

  remove(call: PendingCall): void {
    const list = this.#lists.get(call.timeoutMs)
    if (list === undefined) return
    const { previous, next } = call
    if (previous === undefined && list.first !== call) return
    if (previous === undefined) list.first = next
    else previous.next = next
    if (next === undefined) list.last = previous
    else next.previous = previous
    call.previous = undefined
    call.next = undefined
    if (list.first === undefined && this.#lists.size > LISTS_KEPT) {
      this.#lists.delete(call.timeoutMs)
    }
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
  }

  #listOf(timeoutMs: number): DeadlineList {
    let list = this.#lists.get(timeoutMs)
    if (list === undefined) {
      list = { first: undefined, last: undefined }
      this.#lists.set(timeoutMs, list)
    }
    return list
  }

  #arm(deadline: number): void {
    this.#timer?.cancel()
    this.#timerAt = deadline
    const delayMs = Math.max(deadline - this.#clock.now(), 1)
    this.#timer = this.#clock.after(delayMs, () => this.#sweep())
  }

  /** Ends what is over its deadline, then waits for the next one, if there is any. */
  #sweep(): void {
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
    const now = this.#clock.now()
    let earliest = Number.POSITIVE_INFINITY
    for (const list of [...this.#lists.values()]) {
      while (list.first !== undefined && list.first.deadline <= now) {
        const call = list.first
        this.remove(call)
        this.#expired(call)
      }
      if (list.first !== undefined) earliest = Math.min(earliest, list.first.deadline)
    }
    if (earliest < this.#timerAt) this.#arm(earliest)
  }
}
