/** The world of a real node: the machine's clock, chance and TCP. */
import { systemClock } from './system-clock.js'
import { systemRandom } from './system-random.js'
import { TcpTransport } from './tcp-transport.js'
import type { World } from './world.js'

export const systemWorld = (): World => ({
  clock: systemClock,
  random: systemRandom(),
  transport: new TcpTransport(),
})
