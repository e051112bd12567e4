/**
 * What two nodes compare to see whether they keep the same rows: a digest of all rows, and one of
 * each part of them. Kept up to date by each change, whatever the order of the changes. The
 * number of parts and the way hashes add up are the same on all nodes: part of the wire protocol.
 */
import { hash32 } from '../placement/hash.js'

/** Few enough to send, and many enough that a part of 10,000 rows is about 20 of them. */
export const PARTS = 512
/** Hashes are below this, so that the sum of two is still an exact number. */
const MODULUS = 2 ** 52

interface Part {
  digest: number
  /** The hash of each row by its id. */
  readonly rows: Map<string, number>
}

export class RowDigests {
  /** 0 without rows. */
  total = 0
  private readonly parts = new Map<number, Part>()

  /** Counts a row in place of the one of that id. */
  set(id: string, hash: number): void {
    const part = this.partOf(id)
    this.count(part, hash - (part.rows.get(id) ?? 0))
    part.rows.set(id, hash)
  }

  delete(id: string): void {
    const part = this.partOf(id)
    this.count(part, -(part.rows.get(id) ?? 0))
    part.rows.delete(id)
  }

  /** The digest of each part. */
  list(): number[] {
    return Array.from({ length: PARTS }, (_, at) => this.parts.get(at)?.digest ?? 0)
  }

  /**
   * The ids of the rows here, in all parts in which somebody with these digests has other ones now:
   * what changes while they are gone through makes no part differ.
   */
  idsWhereOther(digests: readonly number[]): IterableIterator<string> {
    const others: Part[] = []
    for (const [at, part] of this.parts) if (part.digest !== digests[at]) others.push(part)
    return idsOf(others)
  }

  private partOf(id: string): Part {
    const at = hash32(id) % PARTS
    let part = this.parts.get(at)
    if (!part) {
      part = { digest: 0, rows: new Map() }
      this.parts.set(at, part)
    }
    return part
  }

  private count(part: Part, change: number): void {
    part.digest = addHash(part.digest, change)
    this.total = addHash(this.total, change)
  }
}

function* idsOf(parts: readonly Part[]): IterableIterator<string> {
  for (const { rows } of parts) yield* rows.keys()
}

/** Digests are sums of hashes. */
export function addHash(digest: number, change: number): number {
  const sum = digest + change
  return sum < 0 ? sum + MODULUS : sum % MODULUS
}
