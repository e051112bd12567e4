/** Says that a user's `resolve` is wrong, not more than once in a while: it is asked again and again. */
import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/log.js'

const EVERY_MS = 10_000

export function resolveWarnings(
  log: Logger,
  clock: Clock,
  whose: string,
): (sentence: string) => void {
  let quietUntil = Number.NEGATIVE_INFINITY
  let unsaid = 0
  return (sentence) => {
    unsaid++
    const now = clock.now()
    if (now < quietUntil) return
    const times = unsaid === 1 ? '' : ` (${unsaid} times since it was last said)`
    log.warn(`resolve of ${whose} was not followed, ${sentence}; the later epoch stays${times}`)
    quietUntil = now + EVERY_MS
    unsaid = 0
  }
}
