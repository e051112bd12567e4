/**
 * The home's side of the mesh arbiter: grants keys whose home this node is under a view that it
 * holds or held since it last settled. Pure. Guarantee: while a grant is reserved or its claim is
 * in the table, nobody else is granted the key, except by force.
 */
import type { Pid } from '../term/pid.js'
import type { ClaimTable } from './claim-table.js'
import { rendezvous } from './placement.js'
import type { ClaimAnswer, ClaimRequest } from './scope-message.js'
import type { View, ViewTracker } from './view.js'

/** The node that decides about a key under a view. */
export function homeOf(view: View, id: string): string {
  return rendezvous.choose(id, view.members)!
}

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
    const epoch = Math.max(table.epochMax, epochMax, over) + 1
    table.epochMax = epoch
    table.reserved.set(id, { node, creation, request: number, pid, epoch, over })
    return [number, 'granted', epoch]
  }

  /** Who has the key, if that is not the claimant. */
  private taken(
    table: ClaimTable,
    [, , , id, pid, , , over]: ClaimRequest,
    node: string,
    creation: number,
  ): Pid | 'busy' | undefined {
    const owner = table.find(id)
    if (owner && owner.epoch !== over) {
      const own = owner.origin.node === node && owner.origin.creation === creation
      if (!own || (owner.pid && pid && !owner.pid.equals(pid))) return owner.pid ?? 'busy'
    }
    const reserved = table.reserved.get(id)
    if (!reserved || (reserved.node === node && reserved.creation === creation)) return undefined
    return reserved.pid ?? 'busy'
  }
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
