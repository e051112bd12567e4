/**
 * What a node does about its own claims of keys that others claim as well, as after a split. A winner
 * whose epoch is not the latest writes its claim again with a later one; a loser gives up only when it
 * sees a winner with a later epoch. So of all claims ever written the latest is never given up, however
 * the sides judge, and a key's epoch only grows; docs/decisions/0015-conflicts.md.
 */
import type { Claim, Lineage } from '../tables/claim.js'
import { lineageOfWinner, relation } from '../tables/lineage.js'
import type { Scope } from '../tables/scope.js'
import type { Scopes } from './scopes.js'

export interface ConflictsParts {
  readonly scopes: Scopes
  readonly scope: Scope<'c'>
  /** Writes an own claim again, with this epoch. False: not now. */
  renew(own: Claim, epoch: number, lineage: Lineage): boolean
  /** An own claim has lost. False: it is too early to act on that. */
  lost(own: Claim, by: Claim): boolean
  /** An own claim has come after these, which are still there; asked again while they are. */
  follows?(own: Claim, earlier: readonly Claim[]): void
}

const CLAIM_MS = 5_000

export class Conflicts {
  /** Keys to look at again when the view or the rows of a member have changed, and each second. */
  private readonly open = new Set<string>()
  private readonly renewing = new Set<string>()
  /** The epochs of later owners to whom it was too early to give way. */
  private readonly later = new Map<string, number>()
  private readonly unsubscribe: () => void

  constructor(private readonly parts: ConflictsParts) {
    const { table } = parts.scope
    const look = (id: string): void => this.look(id)
    table.onRivals = look
    const stopViews = parts.scopes.onView(() => {
      for (const id of [...this.open]) this.look(id)
    })
    this.unsubscribe = () => {
      stopViews()
      if (table.onRivals === look) table.onRivals = () => {}
    }
  }

  close(): void {
    this.unsubscribe()
    this.open.clear()
    this.later.clear()
  }

  private look(id: string): void {
    const { own: origin, table } = this.parts.scope
    const own = origin.rows.get(id) as Claim | undefined
    const owner = own && table.find(id)
    const isOpen = own !== undefined && owner !== undefined && this.judge(own, owner)
    if (isOpen) this.open.add(id)
    else this.settle(id)
  }

  private settle(id: string): void {
    this.open.delete(id)
    this.later.delete(id)
  }

  /** Whether the key stays in dispute. */
  private judge(own: Claim, owner: Claim): boolean {
    if (owner !== own) return owner.epoch <= own.epoch || this.staysFor(own, owner)
    const rivals = this.parts.scope.table.rivals(own.id, own)
    const isFollowing = this.follows(own, rivals)
    // Also over a later owner that has gone meanwhile: its epoch may be known outside.
    const isLatest = own.epoch > (this.later.get(own.id) ?? 0)
    if (isLatest && rivals.every(({ epoch }) => epoch < own.epoch)) return isFollowing
    if (!this.renewing.has(own.id)) void this.renew(own)
    return true
  }

  private staysFor(own: Claim, owner: Claim): boolean {
    if (this.parts.lost(own, owner)) return false
    this.later.set(own.id, Math.max(owner.epoch, this.later.get(own.id) ?? 0))
    return true
  }

  private follows(own: Claim, rivals: readonly Claim[]): boolean {
    if (!this.parts.follows) return false
    const earlier = rivals.filter((rival) => rival.pid && relation(own, rival))
    if (earlier.length > 0) this.parts.follows(own, earlier)
    return earlier.length > 0
  }

  /** Over its own epoch, so that a move, or whoever takes the key by force, comes before or after it. */
  private async renew({ id, epoch: over, pid }: Claim): Promise<void> {
    const { scopes, scope } = this.parts
    this.renewing.add(id)
    const request = { scope: scope.replica.scope, id, pid, force: false, over, renews: true }
    const timed = { ...request, timeoutMs: CLAIM_MS }
    await scopes.claim(timed, (epoch) => this.write(id, over, epoch))
    this.renewing.delete(id)
  }

  private write(id: string, over: number, epoch: number): boolean {
    const { table, own: origin } = this.parts.scope
    const own = origin.rows.get(id) as Claim | undefined
    if (own?.epoch !== over || table.find(id) !== own) return false
    const beaten = table.rivals(id, own).filter((rival) => !relation(own, rival))
    return this.parts.renew(own, epoch, lineageOfWinner(own, beaten))
  }
}
