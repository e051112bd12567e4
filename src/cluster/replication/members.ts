/**
 * The members that are connected, and when each last said how far it is. Its heads speak of all scopes at
 * once, so this is kept once for all of them. Pure.
 */

/** Heads come each second. After a longer silence what comes may be as old as the last ones. */
export const HEADS_LATE_MS = 2_000
/** So long it takes at most until all has come that was held up. */
const BURST_MS = 500

interface Member {
  readonly creation: number
  /** The number of its last heads on this connection, counted over all members; 0: none yet. */
  round: number
  /** When they came, or it was connected. */
  at: number
  /** What comes until then was perhaps written long before: it comes after a silence. */
  lateUntil: number
  /** When heads last came that were no late ones. */
  currentAt: number | undefined
  /** The same of the heads before. */
  roundBefore: number
  currentBefore: number | undefined
}

/** What a member had said of a scope that it did not name. */
export interface Silence {
  /** The number of the heads that did not name it; 0: none. */
  readonly round: number
  readonly currentAt: number | undefined
}

export class Members {
  /** How many heads have come, of all members. */
  rounds = 0
  private readonly connectedOnes = new Map<string, Member>()

  /** Called again for the same connection, it changes nothing. */
  connected(node: string, creation: number, at: number): void {
    const known = this.connectedOnes.get(node)
    if (known?.creation === creation && known.round === 0) return
    const lateUntil = Number.NEGATIVE_INFINITY
    const none = { round: 0, currentAt: undefined, roundBefore: 0, currentBefore: undefined }
    this.connectedOnes.set(node, { creation, at, lateUntil, ...none })
  }

  lost(node: string): void {
    this.connectedOnes.delete(node)
  }

  /** Heads of a member, before they are looked at. */
  came(node: string, now: number): void {
    const member = this.connectedOnes.get(node)
    if (member === undefined) return
    if (now - member.at > HEADS_LATE_MS) member.lateUntil = now + BURST_MS
    member.at = now
    member.roundBefore = member.round
    member.currentBefore = member.currentAt
    member.round = ++this.rounds
    if (now >= member.lateUntil) member.currentAt = now
  }

  has(node: string): boolean {
    return this.connectedOnes.has(node)
  }

  creationOf(node: string): number | undefined {
    return this.connectedOnes.get(node)?.creation
  }

  /** The number of the last heads of a member on this connection; 0: none. */
  roundOf(node: string): number {
    return this.connectedOnes.get(node)?.round ?? 0
  }

  /** Whether what comes of a member now is no older than it seems. */
  areCurrent(node: string, now: number): boolean {
    const member = this.connectedOnes.get(node)
    return member !== undefined && member.round > 0 && now >= member.lateUntil
  }

  /** Of a scope that its last heads do name: the heads before may not. */
  silenceBefore(node: string): Silence {
    const member = this.connectedOnes.get(node)
    return { round: member?.roundBefore ?? 0, currentAt: member?.currentBefore }
  }

  /** Of a scope that its last heads do not name. */
  silence(node: string): Silence {
    const member = this.connectedOnes.get(node)
    return { round: member?.round ?? 0, currentAt: member?.currentAt }
  }
}
