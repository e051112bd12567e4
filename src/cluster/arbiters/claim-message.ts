/** What a node asks of those who decide about keys, and what they answer. */
import type { Pid } from '../../term/pid.js'
import type { Lineage } from '../tables/claim.js'

/** One key asked of its home. */
export type ClaimRequest = readonly [
  request: number,
  /** The view under which the receiver is the key's home. */
  view: number,
  scope: string,
  id: string,
  pid: Pid | null,
  force: boolean,
  /** The latest epoch that the claimant knows of: what is granted must be later. */
  epochMax: number,
  /** The epoch of a claim that this one may take the key from, and 0 otherwise: a conditional write. */
  over: number,
  /** The claim with that epoch is the claimant's own, and has won against those of others. */
  renews?: boolean,
]

export type ClaimAnswer =
  | readonly [request: number, 'granted', epoch: number]
  /** Over an owner of which the claimant may not have heard. */
  | readonly [request: number, 'granted', epoch: number, lineage: Lineage]
  | readonly [request: number, 'taken', pid: Pid]
  /** Somebody is about to get it, or gets started under it. */
  | readonly [request: number, 'busy', null]
  | readonly [request: number, 'wrong_view', null]
