/**
 * The tombstones of a spec table by age, so that the old ones are found without a look at the rest.
 * They are learned out of order: one that comes from another member has its age from there.
 */
interface Dated {
  readonly learnedAt: number
}

const SPAN_MS = 60_000

export class Tombstones<Row extends Dated> {
  private readonly spans = new Map<number, Set<Row>>()

  add(row: Row): void {
    const at = spanOf(row)
    const span = this.spans.get(at)
    if (span) span.add(row)
    else this.spans.set(at, new Set([row]))
  }

  delete(row: Row): void {
    const at = spanOf(row)
    const span = this.spans.get(at)
    span?.delete(row)
    if (span?.size === 0) this.spans.delete(at)
  }

  /** Those of before `before`. */
  *olderThan(before: number): IterableIterator<Row> {
    for (const [at, rows] of this.spans) {
      if (at * SPAN_MS >= before) continue
      for (const row of rows) if (row.learnedAt < before) yield row
    }
  }
}

const spanOf = ({ learnedAt }: Dated): number => Math.floor(learnedAt / SPAN_MS)
