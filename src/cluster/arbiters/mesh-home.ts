/**
 * The home's side of the mesh arbiter: grants keys whose home this node is under a view that it
 * holds or held since it last settled. Pure. Guarantee: while a grant is reserved or its claim is
 * in the table, nobody else is granted the key, except by force.
 */
import type { Pid } from '../../term/pid.js'
import { rendezvous } from '../placement/placement.js'
import type { Lineage } from '../tables/claim.js'
import type { ClaimTable } from '../tables/claim-table.js'
import { latestLineage, lineageAfter, lineageAfterGrant, lineageUpTo } from '../tables/lineage.js'
import { RESERVATIONS_MAX } from '../tables/reservations.js'
import type { ClaimAnswer, ClaimRequest } from './claim-message.js'
import type { View, ViewTracker } from './view.js'

/** The node that decides about a key under a view. */
export function homeOf(view: View, id: string): string {
  return rendezvous.choose(id, view.members)!
}

/**
 * By force a key is granted to one while the claim of another is on its way. That one gets a later epoch
 * than it was granted, if later claims of the key came to its node meanwhile, but not by that much.
 */
export const LEAP = 1_000

export class Home {
  constructor(
    private readonly views: ViewTracker,
    private readonly tables: (scope: string) => ClaimTable,
  ) {}

  answer(node: string, creation: number, request: ClaimRequest): ClaimAnswer {
    const [number, viewId, scope, id, pid, force, epochMax, over] = request
    if (!this.views.history.some((view) => view.id === viewId)) return [number, 'wrong_view', null]
    const table = this.tables(scope)
    const refusal = force ? undefined : this.taken(table, request, node, creation)
    if (refusal === 'busy') return [number, 'busy', null]
    if (refusal) return [number, 'taken', refusal]
    const before = table.reserved.get(id)
    if (!before && table.reserved.of(node) >= RESERVATIONS_MAX) return [number, 'busy', null]
    const isRace = before !== undefined && before.node !== node
    const epoch = Math.max(table.epochMax, epochMax, over) + (isRace ? LEAP : 1)
    table.sawEpoch(epoch)
    const known = force || over > 0 ? lineageKnown(table, id) : undefined
    // Of several that race the one granted first may write its claim last, with an epoch later than the next one's.
    const lineage = known && isRace ? lineageUpTo(epoch - 1, known) : known
    table.wasWritten = true
    table.reserved.set(id, { node, creation, request: number, pid, epoch, over, lineage })
    return lineage ? [number, 'granted', epoch, lineage] : [number, 'granted', epoch]
  }

  /** Who has the key, if that is not the claimant. */
  private taken(
    table: ClaimTable,
    [, , , id, pid, , , over, renews]: ClaimRequest,
    node: string,
    creation: number,
  ): Pid | 'busy' | undefined {
    const owner = table.find(id)
    // One of the owners that a split has left writes its claim anew: those who run them decide that.
    const contends = renews === true && table.contends(id, node, creation, over)
    if (owner && owner.epoch !== over && !contends) {
      const own = owner.origin.node === node && owner.origin.creation === creation
      if (!own || (owner.pid && pid && !owner.pid.equals(pid))) return owner.pid ?? 'busy'
    }
    if (!owner && table.isContested(id) && !this.knowsAll(table)) return 'busy'
    const reserved = table.reserved.get(id)
    if (!reserved || (reserved.node === node && reserved.creation === creation)) return undefined
    return reserved.pid ?? 'busy'
  }

  /**
   * As a split heals, one node may meet the other side's owner of a key and give its own claim up before
   * that owner's claim is here: the key is not free then.
   */
  private knowsAll(table: ClaimTable): boolean {
    if (!this.views.allReported) return false
    table.settleContested()
    return true
  }
}

/** The lineage of a claim that takes a key from whoever has it, or is about to. */
function lineageKnown(table: ClaimTable, id: string): Lineage | undefined {
  const owner = table.find(id)
  const reserved = table.reserved.get(id)
  return latestLineage(owner && lineageAfter(owner), reserved && lineageAfterGrant(reserved))
}

/** Drops the reservations of a claimant in one table that `unused` picks. */
export function dropReservations(
  table: ClaimTable,
  node: string,
  unused: (request: number, creation: number) => boolean,
): void {
  for (const [id, one] of table.reserved) {
    if (one.node === node && unused(one.request, one.creation)) table.reserved.delete(id)
  }
}
