/**
 * `citadel/testing`: a simulated world to run whole clusters in, in one Node.js process, from one
 * seed. Unstable: names may change between minor releases.
 */
export { type NetworkOptions, networkDefaults } from './network-conditions.js'
export type { Program } from './program.js'
export { SeededRandom } from './seeded-random.js'
export type { SimulatedClock, SimulatedClockOptions } from './simulated-clock.js'
export type { SimulatedNetwork } from './simulated-network.js'
export { Simulation, type SimulationOptions } from './simulation.js'
export { Trace } from './trace.js'
