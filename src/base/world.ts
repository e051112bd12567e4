/** The only door to what is not deterministic. Tests swap the world and nothing else. */
import type { Clock } from './clock.js'
import type { Random } from './random.js'
import type { Transport } from './transport.js'

export interface World {
  clock: Clock
  random: Random
  transport: Transport
}
