/**
 * Where the node calls what may fail: turns of the scheduler, timers, callbacks of users. What fails
 * there is logged, and the node goes on.
 */

import { types } from 'node:util'
import type { Clock } from './clock.js'
import { details, thrown } from './error-text.js'
import type { Logger } from './log.js'

/** Says what failed, with the stack of an error. */
export function logFailure(log: Logger, what: string, error: unknown): void {
  log.error(`${what} ${thrown(error)}`, details(error))
}

/** What an asynchronous callback answers, nobody waits for: `failed` is told when it fails later. */
export function failsLater(answer: unknown, failed: (error: unknown) => void): void {
  if (!types.isPromise(answer)) return
  try {
    Promise.prototype.then.call(answer, undefined, failed)
  } catch (error) {
    failed(error)
  }
}

/** The clock, except that a timer that fails ends nothing but itself. */
export function guardedClock(clock: Clock, log: Logger): Clock {
  const safely = (task: () => void) => (): void => {
    try {
      task()
    } catch (error) {
      logFailure(log, 'a timer', error)
    }
  }
  return {
    now: () => clock.now(),
    wallTime: () => clock.wallTime(),
    after: (delayMs, task) => clock.after(delayMs, safely(task)),
    soon: (task) => clock.soon(safely(task)),
  }
}
