/**
 * What the rows of one other node take here, over all scopes, about: as many as a node may write, of
 * the largest size each, would be far more than there is memory. Updates of rows that are here may
 * always make them smaller.
 */
import { CitadelError } from '../../base/errors.js'
import { sizeOf } from './wire-check.js'

export const ROW_BYTES_MAX = 512 * 1024 * 1024
/** A row with its places in the tables, without what the user has put into it. */
const ROW_BYTES = 300

export class RowBytes {
  total = 0

  constructor(private readonly max = Number.POSITIVE_INFINITY) {}

  /** @throws CitadelError `limit_exceeded` when a row of `node` would be too much. */
  check(node: string, bytes: number, before: number): void {
    if (bytes <= before || this.total + bytes - before <= this.max) return
    const sentence = `the rows of ${node} take ${this.max} bytes here already`
    throw new CitadelError('limit_exceeded', sentence)
  }
}

/** Those of each node, by its name. */
export class RowBytesOfNodes {
  private readonly known = new Map<string, RowBytes>()

  constructor(private readonly max = ROW_BYTES_MAX) {}

  of(node: string): RowBytes {
    const known = this.known.get(node) ?? new RowBytes(this.max)
    this.known.set(node, known)
    return known
  }
}

/** What a row takes that consists of these. */
export const rowBytes = (id: string, key: unknown, rest: unknown): number =>
  ROW_BYTES + id.length + (key === id ? 0 : sizeOf(key)) + sizeOf(rest)
