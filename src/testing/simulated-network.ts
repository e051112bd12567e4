/**
 * The network of a simulation with the programs in it. Its conditions (latency, cuts) are in
 * `network-conditions.ts`; here is what happens to programs, machines and open connections.
 */
import type { Transport } from '../base/transport.js'
import { type CutPoint, NetworkConditions } from './network-conditions.js'
import { Program, type ProgramOptions } from './program.js'
import type { SimulatedConnection } from './simulated-connection.js'
import type { SimulatedListener } from './simulated-transport.js'

export class SimulatedNetwork extends NetworkConditions<SimulatedListener> {
  /** Both ends of every open connection. */
  readonly connections = new Set<SimulatedConnection>()

  /** A new program on a host. */
  start(hostName: string, options: ProgramOptions): Program {
    const host = this.host(hostName)
    if (host.down) throw new Error(`the host ${hostName} has no power: call powerOn first`)
    return new Program(this, host, this.connections, options)
  }

  /** Sockets on a host for a test that needs no node: those of a new program. */
  transport(hostName: string): Transport {
    const name = `${hostName} sockets`
    return this.start(hostName, { name, random: this.random.fork(name) }).transport
  }

  /**
   * Resets every connection between two hosts: at once, or when `afterBytes` more bytes have
   * arrived in one of its directions. Answers how many there were.
   */
  reset(one: string, other: string, options: { afterBytes?: number } = {}): number {
    const victims = this.#between(one, other)
    for (const victim of victims) victim.resetAfter(options.afterBytes ?? 0)
    return victims.length
  }

  /** Breaks every connection between two hosts at a byte of one of its directions. */
  cutConnections(one: string, other: string, cut: CutPoint): void {
    for (const victim of this.#between(one, other)) victim.cutAfter(cut)
  }

  /** The ends that dialled. */
  #between(one: string, other: string): SimulatedConnection[] {
    const [a, b] = [this.host(one), this.host(other)]
    return [...this.connections].filter((end) => end.isDialler && end.joins(a, b))
  }

  /** The machine is gone with all its programs, and nobody is told. */
  powerOff(hostName: string): void {
    const host = this.host(hostName)
    host.down = true
    for (const program of [...host.programs]) program.vanish()
    host.listeners.clear()
  }

  /** The machine is back, empty. Who still writes to its old connections is told by a reset. */
  powerOn(hostName: string): void {
    this.host(hostName).down = false
    this.wakeHeld()
  }
}
