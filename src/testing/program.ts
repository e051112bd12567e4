/**
 * One program (an operating system process) in the simulated world: its clock, its chance and its
 * sockets, as a World to start a node on. It can be stalled, as by SIGSTOP, and crashed, as by
 * SIGKILL; a restart is a new program on the same host.
 */
import type { World } from '../base/world.js'
import type { NetworkConditions } from './network-conditions.js'
import { ProgramRuntime } from './program-runtime.js'
import type { SeededRandom } from './seeded-random.js'
import type { SimulatedClock, SimulatedClockOptions } from './simulated-clock.js'
import type { SimulatedConnection } from './simulated-connection.js'
import type { Hosted, SimulatedHost } from './simulated-host.js'
import { type SimulatedListener, SimulatedTransport } from './simulated-transport.js'

export interface ProgramOptions extends SimulatedClockOptions {
  /** Unique in the simulation. */
  name: string
  random: SeededRandom
}

export class Program implements Hosted {
  readonly name: string
  readonly host: SimulatedHost<SimulatedListener>
  readonly world: World
  readonly transport: SimulatedTransport
  readonly #runtime: ProgramRuntime

  constructor(
    network: NetworkConditions<SimulatedListener>,
    host: SimulatedHost<SimulatedListener>,
    connections: Set<SimulatedConnection>,
    options: ProgramOptions,
  ) {
    this.name = options.name
    this.host = host
    this.#runtime = new ProgramRuntime(network.timeline, options.name, options)
    this.transport = new SimulatedTransport(network, host, this.#runtime, connections)
    this.world = { clock: this.clock, random: options.random, transport: this.transport }
    host.programs.add(this)
  }

  get clock(): SimulatedClock {
    return this.#runtime.clock
  }

  get alive(): boolean {
    return this.#runtime.alive
  }

  get stalled(): boolean {
    return this.#runtime.stalled
  }

  /** Runs nothing of it for `ms`; bytes that arrive wait in the kernel below it. */
  stall(ms: number): void {
    this.#runtime.stall(ms)
  }

  /** Ends at once. Its ports are free again and its peers hear of the end of their connections. */
  crash(): void {
    if (!this.alive) return
    this.#end()
    this.transport.crash()
  }

  vanish(): void {
    this.#end()
    this.transport.vanish()
  }

  #end(): void {
    this.#runtime.end()
    this.host.programs.delete(this)
  }
}
