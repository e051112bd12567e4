/** Work on many things that lets others have a turn every few milliseconds. */
import type { Clock } from './clock.js'

const SLICE_MS = 4
/** How often the clock is looked at. */
const CHECK_EVERY = 64

export async function inSlices<T>(
  clock: Clock,
  items: Iterable<T>,
  work: (item: T) => void,
): Promise<void> {
  let until = clock.now() + SLICE_MS
  let done = 0
  for (const item of items) {
    work(item)
    if (++done % CHECK_EVERY !== 0 || clock.now() < until) continue
    await new Promise<void>((resolve) => clock.soon(resolve))
    until = clock.now() + SLICE_MS
  }
}
