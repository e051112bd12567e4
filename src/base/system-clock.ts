/** The Clock of a real node: Node's monotonic clock, timers and `setImmediate`. */
import type { Clock } from './clock.js'

export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
  soon: (task) => void setImmediate(task),
}
