/** All parts, in the order in which they run. Another one is a file beside these and a line here. */
import type { Part } from '../part.js'
import { abuse } from './abuse.js'
import { etcd } from './etcd.js'
import { freeze } from './freeze.js'
import { hostile } from './hostile.js'
import { network, quorum } from './network.js'
import { redis } from './redis.js'
import { simulator } from './simulator.js'
import { stalls } from './stalls.js'

export const parts: readonly Part[] = [
  freeze,
  stalls,
  network,
  quorum,
  redis,
  etcd,
  abuse,
  hostile,
  simulator,
]
