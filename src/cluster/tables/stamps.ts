/**
 * Which numbers of other nodes can be true. Epochs, versions and marks begin with microseconds since
 * 1970 and are raised by one at a time, so none is far beyond this node's own clock. One that is
 * comes from a broken node or a hostile one, and would leave no numbers for all others to go on
 * with. Up to some 12 days ahead a number is learned from; a little more is taken as it is and
 * learned from by nobody, so that nodes whose clocks differ do not refuse each other's.
 */
import { type Check, isCount } from '../replication/wire-check.js'

const AHEAD_MAX = 2 ** 40
/** Some two hours, in microseconds. */
const SLACK = 2 ** 33

export class Stamps {
  private known = 0

  constructor(private readonly wallTime: () => number) {}

  /** Whether what is numbered from now on may go on from it. */
  readonly mayRaise = (stamp: number): boolean => {
    if (stamp <= this.known) return true
    this.known = Math.floor(this.wallTime() * 1_000) + AHEAD_MAX
    return stamp <= this.known
  }

  /** Whether an honest node can have sent it. */
  readonly isPossible: Check = (value) =>
    isCount(value) && ((value as number) <= SLACK || this.mayRaise((value as number) - SLACK))
}

/** For tables on their own: whatever counts exactly. */
export const anyStamps = new Stamps(() => (Number.MAX_SAFE_INTEGER - AHEAD_MAX) / 1_000)
