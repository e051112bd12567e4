/**
 * Who decides that a key is this node's, as the driver of the scopes sees it. One of these: `Claimant`
 * (mesh), with a quorum, or etcd. Each is told of everything and uses what it needs.
 */
import type { Pid } from '../../term/pid.js'
import type { Lineage } from '../tables/claim.js'
import type { ClaimAnswer, ClaimRequest } from './claim-message.js'

export type ClaimOutcome =
  /** With the lineage of the claim, if whoever decides knows that it comes after another one. */
  | { type: 'granted'; epoch: number; lineage?: Lineage | undefined }
  | { type: 'taken'; pid: Pid; mayStand?: boolean }
  /**
   * The deadline passed while the home could not be asked, or while another was about to get it. With
   * `mayStand` it is not known whether the claim was made, and may yet be found to stand.
   */
  | { type: 'unavailable' | 'timeout'; mayStand?: boolean }

export type Refusal = Exclude<ClaimOutcome, { type: 'granted' }>

/** Called once: the grant is used, or it is not wanted any more. */
export type GoOn = (isWanted: boolean, now: number) => void

export interface Claiming {
  readonly scope: string
  readonly id: string
  readonly pid: Pid | undefined
  readonly force: boolean
  /** Takes the key from a claim with exactly this epoch, or if it is free. */
  readonly over?: number
  /**
   * Writes the claim with the epoch `over` again, since it has won against others: whoever decides may
   * see one of these as the owner.
   */
  readonly renews?: boolean
  /** On the clock that the driver hands in. */
  readonly deadline: number
  /**
   * With this a grant is not used at once: whoever decides keeps the key for the claimant until `goOn`
   * is called. Only then comes `done`, with the same epoch, or a later one if it had to ask again.
   */
  readonly prepare?: ((epoch: number, goOn: GoOn) => void) | undefined
  /** When granted, writes the claim before it returns, or answers false if it has no use for it. */
  done(outcome: ClaimOutcome): boolean
}

export interface Arbiter {
  /** What is to be sent to other nodes, by node. The driver takes it. */
  readonly requests: Map<string, ClaimRequest[]>
  readonly releases: Map<string, number[]>
  /** Begins a claim; `done` is called once, a second after its deadline at the latest. */
  start(claim: Claiming, now: number): void
  /** This node's word on the request of another one. */
  answer(node: string, creation: number, request: ClaimRequest, now: number): ClaimAnswer
  /** The words of other nodes. */
  answered(node: string, answers: readonly ClaimAnswer[], now: number): void
  /** The connection to `node` is gone: what it was asked, it may not have heard. */
  nodeLost(node: string, now: number): void
  /** The view changed or settled, or a node is back: whatever waits may go on now. */
  wake(now: number): void
  /** Carries on with what waits, and ends what is past its deadline. */
  tick(now: number): void
  /** When `tick` is wanted next, besides once a second; undefined: nothing waits. */
  readonly nextTick: number | undefined
  /** Something is to be sent, or waits for `tick`. */
  readonly hasOutput: boolean
  /** The oldest request that still waits for an answer, or the next one to be made. */
  oldestRequest(): number
  /** A claim of this node's own is gone from the table: the key is free. */
  freed(scope: string, id: string, epoch: number): void
  /** The node stops: nothing that waits will be decided. */
  stop(): void
}
