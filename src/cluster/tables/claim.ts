/** A claim of a key, and the grant of one that has not arrived yet: rows of `claim-table.ts`. */
import type { Pid } from '../../term/pid.js'
import type { PidRow } from './pid-table.js'

/** All claims of a line up to that epoch. A line is named after the node that began it. */
export type LineageStep = readonly [line: number, epoch: number]

/**
 * Of which earlier claims a claim knew: its own line and the epoch it was granted over; then claims of
 * other lines that it has won against in a conflict. See `lineage.ts`.
 */
export type Lineage = readonly [LineageStep, ...LineageStep[]]

export interface Claim extends PidRow {
  readonly key: unknown
  /** Undefined while the owner is starting: the key is taken and nobody answers yet. */
  readonly pid: Pid | undefined
  /** Raised with every change of owner: the fencing token. */
  readonly epoch: number
  /** Took the key from an owner that lives on. */
  readonly forced: boolean
  /** Of a key in the registry: its process has moved, and took it along from this one. */
  readonly from?: Pid | undefined
  readonly meta: unknown
  /** Undefined: it took a free key, and begins a line of its own. */
  readonly lineage?: Lineage | undefined
}

/** A key that its home has granted and whose claim has not arrived yet. */
export interface Reservation {
  readonly node: string
  readonly creation: number
  readonly request: number
  readonly pid: Pid | null
  readonly epoch: number
  /** The epoch of the claim that it is granted over; 0: none. */
  readonly over: number
  /** That of the claim to come. */
  readonly lineage?: Lineage | undefined
}
