/** The keys that a home has granted, until their claims arrive; how many each node has is known. */
import type { Reservation } from './claim.js'

/** So many at a time one node may have of one table: then it is busy, and asks again. */
export const RESERVATIONS_MAX = 100_000

export class Reservations extends Map<string, Reservation> {
  private readonly counts = new Map<string, number>()

  /** How many that node has. */
  of(node: string): number {
    return this.counts.get(node) ?? 0
  }

  override set(id: string, reservation: Reservation): this {
    this.delete(id)
    this.counts.set(reservation.node, this.of(reservation.node) + 1)
    return super.set(id, reservation)
  }

  override delete(id: string): boolean {
    const known = this.get(id)
    if (!known) return false
    const left = this.of(known.node) - 1
    if (left === 0) this.counts.delete(known.node)
    else this.counts.set(known.node, left)
    return super.delete(id)
  }

  override clear(): void {
    this.counts.clear()
    super.clear()
  }
}
