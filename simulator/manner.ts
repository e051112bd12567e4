/** How the supervisor of a seed is set up: drawn from the seed, and the same on all its members. */
import { leastChildren } from '../src/cluster/placement/least-children.js'
import { type Placement, rendezvous } from '../src/cluster/placement/placement.js'
import { SeededRandom } from '../src/testing/seeded-random.js'

export interface Manner {
  readonly rebalance: 'auto' | 'manual'
  readonly settleMs: number
  readonly placement: Placement
  readonly handoffMs: number
  readonly movesMax: number
}

export function drawManner(seed: number): Manner {
  const random = new SeededRandom(seed).fork('manner')
  return {
    rebalance: random.chance(0.6) ? 'auto' : 'manual',
    settleMs: random.pick([50, 200, 1_000]),
    placement: random.chance(0.25) ? leastChildren : rendezvous,
    handoffMs: random.pick([1_000, 2_000, 4_000]),
    movesMax: random.pick([1, 4, 64]),
  }
}
