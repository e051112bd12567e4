/** What two replicas of one table say to each other. */
import type { Op, Put } from './table.js'

export type ReplicaMessage =
  /** updates, from number `first` on. */
  | readonly ['u', scope: string, first: number, ops: readonly Op[], wantAck: boolean]
  /** acknowledgement of updates up to `seq`. */
  | readonly ['a', scope: string, seq: number]
  /** need: send updates from this number on, or a snapshot when 0. */
  | readonly ['n', scope: string, first: number]
  /** a chunk of a snapshot that began at update `seq`. */
  | readonly [
      's',
      scope: string,
      snapshot: number,
      index: number,
      seq: number,
      puts: readonly Put[],
    ]
  /** commit of a snapshot: it is exact as of update `seq`. */
  | readonly ['c', scope: string, snapshot: number, seq: number]
  /** digests of the parts of a shared table, from somebody whose table differs from the receiver's. */
  | readonly ['d', scope: string, partDigests: readonly number[]]
  /** rows of the parts that differ. */
  | readonly ['o', scope: string, puts: readonly Put[]]
