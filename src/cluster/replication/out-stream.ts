/**
 * What this node has written in one scope, as a numbered stream. Keeps the last `logMax` updates so
 * that a peer that missed some gets just these; a peer further behind gets a snapshot.
 */
import { deletedId, isDeletion } from './deletion.js'
import type { Op, Put } from './table.js'

export class OutStream {
  /** The number of the last update; the first is 1. */
  seq = 0
  private log: Op[] = []
  /** Updates not yet broadcast: the last `unsent` ones of the log. */
  private unsent = 0
  /** The numbers of the puts among them, by row: a later one takes the place of an earlier one. */
  private readonly unsentPuts = new Map<string, number>()

  constructor(private readonly logMax: number) {}

  append(op: Op): void {
    if (isDeletion(op)) this.unsentPuts.delete(deletedId(op))
    else if (this.replaced(op)) return
    this.seq++
    this.unsent++
    this.log.push(op)
    if (this.log.length >= this.logMax * 2 && this.unsent <= this.logMax) {
      this.log = this.log.slice(this.log.length - Math.max(this.logMax, this.unsent))
    }
  }

  /** A row written twice in a turn is told once: as a child that is claimed, then has its pid. */
  private replaced(put: Put): boolean {
    const seq = this.unsentPuts.get(put[0])
    if (seq === undefined) this.unsentPuts.set(put[0], this.seq + 1)
    else this.log[this.log.length - 1 - (this.seq - seq)] = put
    return seq !== undefined
  }

  get unsentCount(): number {
    return this.unsent
  }

  /** The updates since the last call, to broadcast; undefined when there are none. */
  takeUnsent(): { first: number; ops: Op[] } | undefined {
    if (this.unsent === 0) return undefined
    const ops = this.log.slice(this.log.length - this.unsent)
    this.unsent = 0
    this.unsentPuts.clear()
    return { first: this.seq - ops.length + 1, ops }
  }

  /** The updates from number `first` on, or undefined when the log does not reach back so far. */
  since(first: number): Op[] | undefined {
    const floor = this.seq - this.log.length
    return first > floor ? this.log.slice(first - floor - 1) : undefined
  }
}
