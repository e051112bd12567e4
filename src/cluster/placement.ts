/**
 * Which node something belongs on. Rendezvous hashing (Thaler and Ravishankar, 1998): every node
 * scores the key, the best score wins, so that when a node comes or goes only its own share moves.
 */
import { hash32, mix32 } from './hash.js'

export interface PlacementMember {
  readonly node: string
  /** Its share relative to the others; 1 is normal, 0 takes nothing. */
  readonly weight: number
}

/** Chooses a node for a key; must be a pure function of its arguments, equal on all nodes. */
export interface Placement {
  choose(key: string, members: readonly PlacementMember[]): string | undefined
}

/**
 * The score of `node` for a key, `-weight / ln(u)`: the weighted form of rendezvous hashing. `u` is
 * the pair's hash, strictly between 0 and 1.
 */
function score(keyHash: number, member: PlacementMember): number {
  const pair = mix32(keyHash ^ hash32(member.node))
  return -member.weight / Math.log((pair + 0.5) / 0x1_0000_0000)
}

export const rendezvous: Placement = {
  choose(key, members) {
    const keyHash = hash32(key)
    let best: string | undefined
    let bestScore = 0
    for (const member of members) {
      const own = score(keyHash, member)
      if (own > bestScore || (own === bestScore && best !== undefined && member.node < best)) {
        best = member.node
        bestScore = own
      }
    }
    return best
  },
}
