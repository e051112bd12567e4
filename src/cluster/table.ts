/**
 * What a scope holds. The engine (`replica.ts`) moves rows between nodes and knows nothing of their
 * meaning; a table gives it: claims of keys, memberships of groups, specs of children.
 */
import type { Origin } from './origin.js'

/** A row in its wire form; the first element is its id in its origin's stream. */
export type Put = readonly [id: string, ...fields: unknown[]]
/** An update: a row to put, or the id of a row to delete. */
export type Op = Put | string

/** Why a row came or went. The set is closed; users see it in events. */
export type ChangeReason =
  | 'normal'
  | 'process_down'
  | 'node_down'
  | 'node_up'
  | 'conflict'
  | 'forced'

export interface Table {
  /** The rows this node's snapshot consists of. Iteration tolerates changes in between. */
  snapshot(): Iterable<Put>
  /** Applies a row of a remote origin. Throws `bad_format` when it makes no sense. */
  put(origin: Origin, put: Put, mark: number, reason: ChangeReason): void
  /** Removes a row of an origin; an unknown id is not an error. */
  delete(origin: Origin, id: string, reason: ChangeReason): void
  /** False for tables whose rows belong to no single node and outlive their writer. */
  readonly owned: boolean
}
