/** A deadline for something that may never end. */
import type { Clock, Timer } from './clock.js'

/** Undefined when it took longer. */
export async function within<T>(
  clock: Clock,
  ms: number,
  work: Promise<T>,
): Promise<T | undefined> {
  let timer: Timer | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = clock.after(ms, () => resolve(undefined))
  })
  try {
    return await Promise.race([work, late])
  } finally {
    timer?.cancel()
  }
}
