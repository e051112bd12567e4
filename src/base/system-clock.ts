/** The Clock of a real node: Node's monotonic clock, timers and `setImmediate`. */
import type { Clock, Timer } from './clock.js'

/** A timer of Node.js holds 31 bits, and fires at once when it is given more. */
const DELAY_MS_MAX = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  after(delayMs, task) {
    if (delayMs > DELAY_MS_MAX) return longAfter(delayMs, task)
    const timer = setTimeout(task, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
  soon: (task) => void setImmediate(task),
}

/** A long wait is made of several; one without end never ends. */
function longAfter(delayMs: number, task: () => void): Timer {
  let timer = systemClock.after(DELAY_MS_MAX, () => {
    timer = systemClock.after(delayMs - DELAY_MS_MAX, task)
  })
  return { cancel: () => timer.cancel() }
}
