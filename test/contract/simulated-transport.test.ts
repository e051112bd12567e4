import { Simulation } from '../../src/testing/simulation.js'
import { transportContract } from './transport.contract.js'

const HIGH_MARK_BYTES = 256 * 1024

for (const seed of [1, 2, 3]) {
  transportContract(`simulated network, seed ${seed}`, () => {
    const network = { highMarkBytes: HIGH_MARK_BYTES, splitProbability: 0.3 }
    const simulation = new Simulation({ seed, network })
    const { transport } = simulation.world('h1')
    simulation.network.powerOff('dark')
    return {
      transport,
      host: 'h1',
      highMarkBytes: HIGH_MARK_BYTES,
      silent: { host: 'dark', port: 1 },
      until: (condition) => simulation.runUntil(condition, 60_000),
      settle: () => simulation.runFor(1000),
      close: () => simulation.runFor(1000),
    }
  })
}
