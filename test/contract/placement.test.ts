import { leastChildren } from '../../src/cluster/placement/least-children.js'
import { pinned } from '../../src/cluster/placement/pinned.js'
import { rendezvous } from '../../src/cluster/placement/placement.js'
import { placementContract } from './placement.contract.js'

const pins = { 'child-7': 'n2@127.0.0.1', 'child-8': 'nobody@127.0.0.1', lobby: 'a' }

/** A tenth of the share; hashing knows no better. */
const byHash = (share: number): number => share / 10
const byCount = (): number => 1

placementContract('rendezvous', { placement: rendezvous, apart: byHash })
placementContract('leastChildren', { placement: leastChildren, apart: byCount })
placementContract('leastChildren with a maxSkew', {
  placement: leastChildren.with({ maxSkew: 5 }),
  apart: byCount,
})
placementContract('pinned', { placement: pinned(pins), apart: byHash })
placementContract('pinned, else leastChildren', {
  placement: pinned(pins, leastChildren),
  apart: byCount,
})
