/**
 * When each member last said how far it is. Its heads speak of all scopes at once, so this is kept once
 * for all of them. Pure.
 */

/** Heads come each second. After a longer silence what comes may be as old as the last ones. */
export const HEADS_LATE_MS = 2_000
/** So long it takes at most until all has come that was held up. */
const BURST_MS = 500

interface Heads {
  /** Some have come on this connection. */
  areKnown: boolean
  /** When they last came, or it was connected. */
  at: number
  /** What comes until then was perhaps written long before: it comes after a silence. */
  lateUntil: number
  /** When they last came and were no late ones. */
  currentAt: number | undefined
}

export class MemberHeads {
  private readonly ofNode = new Map<string, Heads>()

  connected(node: string, now: number): void {
    const heads = this.ofNode.get(node)
    if (heads === undefined) {
      const none = { areKnown: false, lateUntil: Number.NEGATIVE_INFINITY, currentAt: undefined }
      this.ofNode.set(node, { ...none, at: now })
    } else if (heads.areKnown) {
      heads.areKnown = false
      heads.at = now
    }
  }

  lost(node: string): void {
    this.ofNode.delete(node)
  }

  came(node: string, now: number): void {
    const heads = this.ofNode.get(node)
    if (heads === undefined) return
    if (now - heads.at > HEADS_LATE_MS) heads.lateUntil = now + BURST_MS
    heads.at = now
    heads.areKnown = true
    if (now >= heads.lateUntil) heads.currentAt = now
  }

  /** Whether what comes of a member now is no older than it seems. */
  areCurrent(node: string, now: number): boolean {
    const heads = this.ofNode.get(node)
    return heads?.areKnown === true && now >= heads.lateUntil
  }

  /** When a member last said, on this connection and not late, what it has. */
  currentAt(node: string): number | undefined {
    return this.ofNode.get(node)?.currentAt
  }
}
