/** A grant that is kept for the claimant until it has prepared for it. */
import type { Claiming } from './arbiter.js'

/** Resolves with whether the grant is still wanted; what it rejects with means that it is not. */
export type Prepare = (epoch: number) => Promise<boolean>

export function heldGrant(
  prepare: Prepare,
  now: () => number,
  changed: () => void,
): NonNullable<Claiming['prepare']> {
  return (epoch, goOn) => {
    const decided = (isWanted: boolean): void => {
      goOn(isWanted, now())
      changed()
    }
    prepare(epoch).then(decided, () => decided(false))
  }
}
