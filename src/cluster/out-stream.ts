/**
 * What this node has written in one scope, as a numbered stream. Keeps the last `logMax` updates so
 * that a peer that missed some gets just these; a peer further behind gets a snapshot.
 */
import type { Op } from './table.js'

export class OutStream {
  /** The number of the last update; the first is 1. */
  seq = 0
  private log: Op[] = []
  /** Updates not yet broadcast: the last `unsent` ones of the log. */
  private unsent = 0

  constructor(private readonly logMax: number) {}

  append(op: Op): void {
    this.seq++
    this.unsent++
    this.log.push(op)
    if (this.log.length >= this.logMax * 2 && this.unsent <= this.logMax) {
      this.log = this.log.slice(this.log.length - Math.max(this.logMax, this.unsent))
    }
  }

  get unsentCount(): number {
    return this.unsent
  }

  /** The updates since the last call, to broadcast; undefined when there are none. */
  takeUnsent(): { first: number; ops: Op[] } | undefined {
    if (this.unsent === 0) return undefined
    const ops = this.log.slice(this.log.length - this.unsent)
    this.unsent = 0
    return { first: this.seq - ops.length + 1, ops }
  }

  /** The updates from number `first` on, or undefined when the log does not reach back so far. */
  since(first: number): Op[] | undefined {
    const floor = this.seq - this.log.length
    return first > floor ? this.log.slice(first - floor - 1) : undefined
  }
}
