/**
 * The stream of one origin as this node follows it. Pure. Invariants: `applied` counts a contiguous
 * prefix of the origin's updates; while `exact`, this node's rows of the origin are those of the
 * origin at `applied`. An update that is older is skipped, one that leaves a gap is refused and
 * asked for; a snapshot counts only if it was asked for on this connection and arrives whole.
 */
import { HEADS_LATE_MS } from './members.js'
import type { Origin } from './origin.js'

/** From then on the comparisons are an hour and a half apart at most. */
const SKIPS_MAX = 9

export class InStream {
  applied = 0
  exact = false
  /** The snapshot in progress, or 0. */
  snapshot = 0
  private nextChunk = 0
  /** The snapshot that rows arriving now belong to: the last one begun. */
  mark = 0
  /** What the last heads of the origin said. */
  head = 0
  /** When all that the origin had written was last known to be here; undefined: never yet. */
  completeAt: number | undefined
  /** When a repair was last asked for, on the caller's clock; undefined: none outstanding. */
  askedAt: number | undefined
  /** When all rows of a shared table were last compared on this connection. */
  comparedAt: number | undefined

  /** How often in a row rows of that comparison made no sense here, up to a limit. */
  skips = 0
  /** The last update that the origin waits to hear of; 0: none. */
  private ackDue = 0

  constructor(readonly origin: Origin) {}

  get behind(): boolean {
    return !this.exact || this.applied < this.head
  }

  /** How many leading updates of a batch that starts at `first` are known; undefined: there is a gap. */
  known(first: number): number | undefined {
    if (!this.exact && this.snapshot === 0) return undefined
    return first > this.applied + 1 ? undefined : this.applied + 1 - first
  }

  /** Something of the origin has been taken in, and was no older than it seemed. */
  heard(now: number): void {
    if (!this.behind) this.completeAt = now
  }

  /** Since when, at the earliest, the origin has a row that comes now; undefined: that cannot be known. */
  hasSince(now: number): number | undefined {
    const { completeAt } = this
    return completeAt !== undefined && now - completeAt <= HEADS_LATE_MS ? now : completeAt
  }

  advance(count: number): void {
    this.applied += count
    if (!this.behind) this.askedAt = undefined
  }

  /** The origin waits until update `seq` is here. */
  wantAck(seq: number): void {
    this.ackDue = Math.max(this.ackDue, seq)
  }

  /** Whether the origin can be told now what it waits for; true once. */
  takeAckDue(): boolean {
    if (this.ackDue === 0 || !this.exact || this.applied < this.ackDue) return false
    this.ackDue = 0
    return true
  }

  /** Whether a chunk is the next one of the snapshot that was asked for. */
  admitChunk(id: number, index: number, seq: number): boolean {
    // Also when exact: the origin's log did not reach back to what was asked for.
    if (index === 0 && this.askedAt !== undefined && this.behind) {
      this.exact = false
      this.snapshot = id
      this.mark = id
      this.applied = seq
      this.nextChunk = 0
    }
    if (id !== this.snapshot || index !== this.nextChunk) return false
    this.nextChunk++
    return true
  }

  /** Whether a commit completes the snapshot in progress: every update up to `seq` came as well. */
  admitCommit(id: number, seq: number): boolean {
    return id === this.snapshot && seq === this.applied
  }

  committed(): void {
    this.snapshot = 0
    this.exact = true
    this.askedAt = undefined
  }

  /** Rows that differed have come; `skipped`: some of them were left out. */
  compared(skipped: boolean): void {
    this.skips = skipped ? Math.min(this.skips + 1, SKIPS_MAX) : 0
  }

  /** What is here cannot be continued: only a new snapshot makes it exact again. */
  restart(): void {
    this.exact = false
    this.snapshot = 0
    this.askedAt = undefined
  }

  /** The connection was lost: what was on its way will not come. */
  interrupted(): void {
    this.askedAt = undefined
    this.comparedAt = undefined
    this.ackDue = 0
    if (this.snapshot !== 0) this.restart()
  }
}
