/**
 * Placement by count: a child starts where the fewest run, relative to weight. Guarantee: if children
 * only start, one after another, then `a.children / a.weight <= (b.children + 1) / b.weight` for any
 * two members; with equal weights they are at most one apart. Each start that the chooser did not
 * know of yet can add one. `maxSkew` says how far apart members may come to be before children move.
 */
import { attempt } from '../../base/arguments.js'
import { type Rules, readOptions, rule } from '../../base/options.js'
import { hash32 } from './hash.js'
import { type Placement, type PlacementMember, rendezvousScore } from './placement.js'

export interface LeastChildrenOptions {
  /**
   * How many children more than another one a member may run, relative to weight, before some move: 1
   * unless given. `Infinity`: none ever moves for that.
   */
  maxSkew?: number | undefined
}

export interface LeastChildren extends Placement {
  /** The same placement with other options. */
  with(options: LeastChildrenOptions): LeastChildren
}

const RULES: Rules<LeastChildrenOptions> = { maxSkew: rule.count }

function withSkew(maxSkew: number): LeastChildren {
  return {
    sticky: true,
    maxSkew,
    choose: (key, members) => attempt(() => fewest(key, members)),
    with: (options) =>
      withSkew(readOptions('leastChildren.with', options, RULES).maxSkew ?? maxSkew),
  }
}

export const leastChildren: LeastChildren = withSkew(1)

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
