/**
 * Updates that delete a row, as they stand in the log and cross the wire: the id alone, or the id
 * and why. The reason is a number, its place in a list that only ever grows at its end.
 */
import type { Deletion, Op, RemovalReason } from './table.js'

/** By their codes. Part of the wire protocol. */
const REASONS: readonly RemovalReason[] = ['normal', 'process_down', 'conflict', 'forced', 'moved']

export function deletionOf(id: string, reason: RemovalReason): Deletion {
  return reason === 'normal' ? id : [id, REASONS.indexOf(reason)]
}

/** A row has more fields than two, whatever it is a row of. */
export const isDeletion = (op: Op): op is Deletion => typeof op === 'string' || op.length === 2

export const deletedId = (op: Deletion): string => (typeof op === 'string' ? op : op[0])

/** One that only a later release knows is no reason to refuse the deletion. */
export const removalReason = (op: Deletion): RemovalReason =>
  typeof op === 'string' ? 'normal' : (REASONS[op[1]] ?? 'normal')
