/**
 * The placement port, which node something belongs on, and its default, rendezvous hashing (Thaler
 * and Ravishankar, 1998): every node scores the key, the best score wins, so that when a node comes
 * or goes only its own share moves.
 */
import { asCitadelError } from '../../base/arguments.js'
import { hash32, mix32 } from './hash.js'

/** As much of a member as rendezvous hashing needs. */
export interface Weighted {
  readonly node: string
  /** Its share relative to the others; 1 is normal, 0 takes nothing. */
  readonly weight: number
}

/** A node that may run the child in question. */
export interface PlacementMember extends Weighted {
  /** What its node was started as. */
  readonly roles: readonly string[]
  /** How many children of this supervisor it runs now, as far as the asking node knows. */
  readonly children: number
}

/** Chooses a node for a key; must be a pure function of its arguments, equal on all nodes. */
export interface Placement {
  /** One of the members, whose order means nothing; undefined: none of them takes anything. */
  choose(key: string, members: readonly PlacementMember[]): string | undefined
  /**
   * A child that runs stays where it is as long as its node may run it; `choose` is asked for new and
   * orphaned ones only. Needed where the answer depends on `children`, which changes all the time.
   */
  readonly sticky?: boolean
  /**
   * Of a sticky one: how many children apart its members may be. When they are further apart, children
   * move until no member would have to be given more than so many to be as loaded, relative to its
   * weight, as any other that they could come from. Unless given, what runs stays.
   */
  readonly maxSkew?: number
  /** Whether a child is never moved away from a node for that. */
  stays?(key: string, node: string): boolean
}

/**
 * The score of `node` for a key, `-weight / ln(u)`: the weighted form of rendezvous hashing. `u` is
 * the pair's hash, strictly between 0 and 1.
 */
export function rendezvousScore(keyHash: number, member: Weighted): number {
  const pair = mix32(keyHash ^ hash32(member.node))
  return -member.weight / Math.log((pair + 0.5) / 0x1_0000_0000)
}

/** Also decides the homes of keys, so it allocates nothing. */
function highestScore(key: string, members: readonly Weighted[]): string | undefined {
  const keyHash = hash32(key)
  let best: string | undefined
  let bestScore = -1
  for (const member of members) {
    // The score of a very small weight can be 0, as no weight has it.
    if (!(member.weight > 0)) continue
    const own = rendezvousScore(keyHash, member)
    if (own > bestScore || (own === bestScore && best !== undefined && member.node < best)) {
      best = member.node
      bestScore = own
    }
  }
  return best
}

export const rendezvous = {
  choose(key: string, members: readonly Weighted[]): string | undefined {
    try {
      return highestScore(key, members)
    } catch (error) {
      throw asCitadelError(error)
    }
  },
} satisfies Placement
