/**
 * One node's vote in quorum mode: grants a key unless it knows another owner, or somebody who is
 * about to become one, to whom it has promised to help nobody else. Pure. Guarantee: of two nodes
 * that this one has granted a key, the later one was granted it after the promise to the earlier one
 * was over, or after that one had given the key up.
 */
import type { Pid } from '../../term/pid.js'
import type { ClaimTable, Reservation } from '../tables/claim-table.js'
import type { ClaimAnswer, ClaimRequest } from './claim-message.js'
import type { Quorum } from './quorum.js'

type Rows = ReadonlyMap<string, { readonly epoch: number }>

export class Acceptor {
  constructor(
    private readonly self: string,
    private readonly quorum: Quorum,
    private readonly tables: (scope: string) => ClaimTable,
  ) {}

  answer(node: string, creation: number, request: ClaimRequest, now: number): ClaimAnswer {
    const [number, , scope, id, pid, , epochMax, over] = request
    if (!this.votesFor(node, now)) return [number, 'wrong_view', null]
    const table = this.tables(scope)
    const reserved = this.reservation(table, id, now)
    const isOurs = reserved?.node === node && reserved.creation === creation
    const refusal = this.owner(table, request, node, now) ?? (reserved && !isOurs && reserved)
    if (refusal) {
      const owner = refusal.pid
      return owner ? [number, 'taken', owner] : [number, 'busy', null]
    }
    // Asked a second time by the same claim, this node is to know the epoch that the claim will have.
    const epoch =
      isOurs && reserved.request === number
        ? Math.max(reserved.epoch, epochMax + 1)
        : Math.max(table.epochMax, epochMax, over) + 1
    table.sawEpoch(epoch)
    table.reserved.set(id, { node, creation, request: number, pid, epoch, over })
    if (node !== this.self) this.quorum.promise(node, now)
    return [number, 'granted', epoch]
  }

  /**
   * Whether this node may renew what `node` has told it: not while it has granted somebody else a key
   * that `node` believes to be its own.
   */
  mayRenew(node: string, table: ClaimTable, rows: Rows, now: number): boolean {
    for (const [id, reserved] of table.reserved) {
      if (reserved.node === node) continue
      const row = rows.get(id)
      if (row && row.epoch !== reserved.over && this.holds(reserved.node, now)) return false
    }
    return true
  }

  private votesFor(node: string, now: number): boolean {
    return this.quorum.isReady(now) && (node === this.self || this.quorum.serves(node))
  }

  private owner(
    table: ClaimTable,
    [, , , id, pid, , , over]: ClaimRequest,
    node: string,
    now: number,
  ): { readonly pid: Pid | null | undefined } | undefined {
    const owner = table.find(id)
    if (!owner || owner.epoch === over) return undefined
    if (owner.origin.node !== node) return this.holds(owner.origin.node, now) ? owner : undefined
    // Its own, for the same process or for one that is still starting.
    return owner.pid && pid && !owner.pid.equals(pid) ? owner : undefined
  }

  private reservation(table: ClaimTable, id: string, now: number): Reservation | undefined {
    const reserved = table.reserved.get(id)
    return reserved && this.holds(reserved.node, now) ? reserved : undefined
  }

  private holds(node: string, now: number): boolean {
    return node === this.self || this.quorum.isPromised(node, now)
  }
}
