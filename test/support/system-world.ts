/** The world of a real node, for tests that use the machine's clock, chance and TCP. */
import { createServer } from 'node:net'
import { systemClock } from '../../src/base/system-clock.js'
import { systemRandom } from '../../src/base/system-random.js'
import type { World } from '../../src/base/world.js'
import { TcpTransport } from '../../src/mesh/tcp-transport.js'

export const systemWorld = (): World => ({
  clock: systemClock,
  random: systemRandom(),
  transport: new TcpTransport(),
})

/** A port of 127.0.0.1 that nobody listens on at this moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
