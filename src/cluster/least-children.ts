/**
 * Placement by count: a child starts where the fewest run, relative to weight. Guarantee: if children
 * only start, one after another, then `a.children / a.weight <= (b.children + 1) / b.weight` for any
 * two members; with equal weights they are at most one apart. Each start that the chooser did not
 * know of yet can add one.
 */
import { attempt } from '../base/arguments.js'
import { hash32 } from './hash.js'
import { type Placement, type PlacementMember, rendezvousScore } from './placement.js'

export const leastChildren: Placement = {
  sticky: true,
  choose: (key, members) => attempt(() => fewest(key, members)),
}

function fewest(key: string, members: readonly PlacementMember[]): string | undefined {
  const keyHash = hash32(key)
  let best: PlacementMember | undefined
  let bestLoad = 0
  let bestScore = 0
  for (const member of members) {
    if (!(member.weight > 0)) continue
    // What its load would be with the child: so an empty member of little weight is not first.
    const load = (member.children + 1) / member.weight
    if (best && load > bestLoad) continue
    // Equal loads are told apart by the key, so that starts of one moment go to different members.
    const own = rendezvousScore(keyHash, member)
    const wins = own > bestScore || (own === bestScore && best && member.node < best.node)
    if (!best || load < bestLoad || wins) {
      best = member
      bestLoad = load
      bestScore = own
    }
  }
  return best?.node
}
