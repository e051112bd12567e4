/**
 * Time as the rest of the node sees it. The system clock is in `system-clock.ts`, the virtual one
 * in `testing/`. Protocols use `now()` only; `wallTime()` is for logs, creations and expiry dates
 * that another program reads.
 */
export interface Timer {
  /** Cancels the timer; does nothing when it has fired already. */
  cancel(): void
}

export interface Clock {
  /** Monotonic milliseconds, fractional, from an arbitrary start. */
  now(): number
  /** Milliseconds since 1970, as the machine believes. */
  wallTime(): number
  /** Runs `task` once, `delayMs` milliseconds from now or a little later, however many; after Infinity never. */
  after(delayMs: number, task: () => void): Timer
  /** Runs `task` in a later turn of the event loop, after sockets had a chance to be served. */
  soon(task: () => void): void
}
