/**
 * How much is asked of etcd at once, and whether it answers at all. The time that an answer takes says how
 * much is right: a request that names too many keys for a slow server gets no answer in time, as
 * does all that stands behind it.
 */

const KEYS_FIRST = 10
const KEYS_MAX = 100
/** An answer within this: the next requests may name twice as many keys. */
const QUICK_MS = 100
/** One that took longer than this: half as many. */
const SLOW_MS = 250
/** How long a claim waits for an etcd that does not answer. */
const PATIENCE_MS = 1_200

export class EtcdPace {
  /** How many keys a request may name. */
  keys = KEYS_FIRST
  private isFailing = false
  private heardAt = Number.NEGATIVE_INFINITY
  private mark: number | undefined

  answered(sentAt: number, now: number): void {
    this.isFailing = false
    this.heardAt = now
    if (now - sentAt <= QUICK_MS) this.keys = Math.min(KEYS_MAX, this.keys * 2)
    else if (now - sentAt > SLOW_MS) this.halve()
  }

  failed(): void {
    this.isFailing = true
    this.halve()
  }

  /** The revision of the node's mark. Another one than before: etcd has answered a write. */
  marked(mark: number | undefined, now: number): void {
    if (mark === undefined || mark === this.mark) return
    this.mark = mark
    this.heardAt = now
  }

  /** Etcd says nothing, neither to a claim that has waited since then nor to any other. */
  isSilent(since: number, now: number, hasTerms: boolean): boolean {
    if (hasTerms && !this.isFailing) return false
    return now - Math.max(since, this.heardAt) >= PATIENCE_MS
  }

  private halve(): void {
    this.keys = Math.max(1, Math.floor(this.keys / 2))
  }
}
