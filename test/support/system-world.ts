/** The world of a real node, for tests that use the machine's clock, chance and TCP. */
import { systemClock } from '../../src/base/system-clock.js'
import { systemRandom } from '../../src/base/system-random.js'
import type { World } from '../../src/base/world.js'
import { TcpTransport } from '../../src/mesh/tcp-transport.js'

export const systemWorld = (): World => ({
  clock: systemClock,
  random: systemRandom(),
  transport: new TcpTransport(),
})
