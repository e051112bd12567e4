/** How a key, an id or a group is shown to people: as they wrote it, and not longer than a line. */
import { inspect } from 'node:util'

export function showKey(key: unknown): string {
  return inspect(key, {
    depth: 3,
    breakLength: Number.POSITIVE_INFINITY,
    maxArrayLength: 10,
    maxStringLength: 100,
  })
}
