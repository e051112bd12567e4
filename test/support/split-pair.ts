/**
 * Nodes in the test's own process with real sockets between them, of which the second can be cut off until
 * each side holds the other for dead, and healed. For what cannot be told to a node in another process: functions, classes.
 */
import { systemClock } from '../../src/base/system-clock.js'
import { systemRandom } from '../../src/base/system-random.js'
import {
  Citadel,
  type CitadelOptions,
  type DistributedSupervisor,
  type SupervisorOptions,
} from '../../src/index.js'
import { CuttableTransport } from './cuttable-transport.js'
import { eventually } from './eventually.js'
import { freePort } from './free-port.js'
import { LogRecorder } from './log-recorder.js'

export interface SplitNode {
  readonly citadel: Citadel
  readonly workers: DistributedSupervisor
  readonly log: LogRecorder
  readonly transport: CuttableTransport
}

export interface SplitOptions {
  node?: Pick<CitadelOptions, 'resolve'>
  supervisor?: SupervisorOptions
  /** How many nodes; two unless given. */
  size?: number
}

export class SplitPair {
  readonly nodes: SplitNode[] = []

  static async start({
    node = {},
    supervisor = {},
    size = 2,
  }: SplitOptions = {}): Promise<SplitPair> {
    const pair = new SplitPair()
    const epmdPort = await freePort()
    try {
      for (let n = 1; n <= size; n++) {
        const name = `n${n}@127.0.0.1`
        const transport = new CuttableTransport(epmdPort)
        const log = new LogRecorder()
        const world = { clock: systemClock, random: systemRandom(), transport }
        const base = { name, cookie: 'split', epmdPort, discovery: false, logger: log } as const
        const citadel = await Citadel.start({ ...base, world, ...node })
        const workers = await citadel.supervisor('workers', { rebalance: 'manual', ...supervisor })
        pair.nodes.push({ citadel, workers, log, transport })
      }
      await pair.together()
    } catch (error) {
      await pair.stop()
      throw error
    }
    return pair
  }

  get first(): SplitNode {
    return this.nodes[0]!
  }

  get second(): SplitNode {
    return this.nodes[1]!
  }

  /** Until each side holds the other for dead. */
  async split(): Promise<void> {
    this.second.transport.cut()
    for (const node of this.nodes) {
      const left = node === this.second ? 1 : this.nodes.length - 1
      await this.sees(node, left)
    }
  }

  async heal(): Promise<void> {
    this.second.transport.heal()
    await this.together()
  }

  private async together(): Promise<void> {
    for (const { citadel } of this.nodes) {
      for (const other of this.nodes) {
        const { name } = other.citadel
        if (name <= citadel.name) continue
        await eventually(() => citadel.connect(name), {
          timeoutMs: 20_000,
          what: `${citadel.name} and ${name} are connected`,
        })
      }
    }
    for (const node of this.nodes) await this.sees(node, this.nodes.length)
  }

  private async sees({ citadel, workers }: SplitNode, count: number): Promise<void> {
    await eventually(() => workers.nodes().length === count, {
      timeoutMs: 20_000,
      what: `${citadel.name} sees ${count} members`,
    })
  }

  async stop(): Promise<void> {
    for (const { transport } of this.nodes) transport.heal()
    await Promise.all(this.nodes.map(({ citadel }) => citadel.stop({ budgetMs: 0 })))
    for (const { transport } of this.nodes) transport.dispose()
  }
}
