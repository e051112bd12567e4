/**
 * How many keys have an owner that can be found, without a look at each of them: a node that dies
 * takes all its keys out of the count at once, as its claims become invisible at once.
 */

import type { Origin } from '../replication/origin.js'
import type { Claim } from './claim.js'

type Entry = Claim | Claim[]

export class KeyCount {
  /** The keys that one node alone has a claim of, with a process, by that node. */
  private readonly alone = new Map<Origin, number>()
  /** The few that several nodes claim, as after a split. */
  private readonly contested = new Map<string, Claim[]>()

  /** `isOwned` says of a key that several claim whether somebody of them can be found. */
  of(isOwned: (claims: Claim[]) => boolean): number {
    let count = 0
    for (const [origin, keys] of this.alone) if (!origin.dead) count += keys
    for (const claims of this.contested.values()) if (isOwned(claims)) count++
    return count
  }

  changed(id: string, before: Entry | undefined, after: Entry | undefined): void {
    if (Array.isArray(before)) this.contested.delete(id)
    else if (before?.pid) this.add(before.origin, -1)
    if (Array.isArray(after)) this.contested.set(id, after)
    else if (after?.pid) this.add(after.origin, 1)
  }

  private add(origin: Origin, change: number): void {
    const keys = (this.alone.get(origin) ?? 0) + change
    if (keys === 0) this.alone.delete(origin)
    else this.alone.set(origin, keys)
  }
}
