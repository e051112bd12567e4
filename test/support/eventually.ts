/** Waits until a condition holds, asking again and again; fails at a deadline with what it saw. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface EventuallyOptions {
  timeoutMs?: number
  everyMs?: number
  /** For the error message. */
  what?: string
}

/** Until `condition` answers something truthy, which is returned. A throw counts as "not yet". */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 10_000, everyMs = 10, what = 'the condition' }: EventuallyOptions = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  let seen: unknown
  for (;;) {
    try {
      const answer = await condition()
      if (answer) return answer
      seen = answer
    } catch (error) {
      seen = error
    }
    if (performance.now() > deadline) {
      throw new Error(`${what} does not hold after ${timeoutMs} ms`, { cause: seen })
    }
    await sleep(everyMs)
  }
}
