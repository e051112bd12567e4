/**
 * What a scope holds. The engine (`replica.ts`) moves rows between nodes and knows nothing of their
 * meaning; a table gives it: claims of keys, memberships of groups, specs of children.
 */
import type { Origin } from './origin.js'

/** A row in its wire form; the first element is its id in its origin's stream. */
export type Put = readonly [id: string, ...fields: unknown[]]
/** An update: a row to put, or the id of one to delete, or that and the code of why. */
export type Op = Put | Deletion
export type Deletion = string | readonly [id: string, reason: number]

/** Why the author of a row deletes it: crosses the wire, see deletion.ts. */
export type RemovalReason = 'normal' | 'process_down' | 'conflict' | 'forced' | 'moved'

/** Why a row came or went. The set is closed; users see it in events. */
export type ChangeReason = RemovalReason | 'node_down' | 'node_up'

export interface Table {
  /** The rows this node's snapshot consists of. Iteration tolerates changes in between. */
  snapshot(): Iterable<Put>
  /** Applies a row of a remote origin. Throws `bad_format` when it makes no sense. */
  put(origin: Origin, put: Put, mark: number, reason: ChangeReason): void
  /** Removes a row of an origin; an unknown id is not an error. */
  delete(origin: Origin, id: string, reason: ChangeReason): void
  /** There is no row, those of dead nodes included until they are removed. */
  readonly isEmpty: boolean
  /** Whether each row is its origin's: `OwnedTable` or `SharedTable`. */
  readonly owned: boolean
}

/** Each row is its origin's: what an origin does not have is deleted, and it goes with its node. */
export interface OwnedTable extends Table {
  readonly owned: true
}

/** Equal on two nodes when their rows are. */
export interface Digests {
  readonly living: number
  /** Also of what was ended, which is forgotten after a time, here sooner than there. */
  readonly all: number
}

/**
 * Rows belong to no single node and outlive their writer: of two rows with one id the same one wins
 * everywhere. So tables become equal once those that differ, as their digests tell, exchange rows.
 */
export interface SharedTable extends Table {
  readonly owned: false
  readonly digests: Digests
  /** The digests of the parts of the table. */
  partDigests(): number[]
  /** The rows here in those parts of which somebody else has these other digests. */
  rowsWhereOther(partDigests: readonly number[]): Iterable<Put>
}
