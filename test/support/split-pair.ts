/**
 * Two nodes in the test's own process with real sockets between them, which can be cut until each holds
 * the other for dead, and healed. For what cannot be told to a node in another process: functions, classes.
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
}

export class SplitPair {
  readonly nodes: SplitNode[] = []

  static async start({ node = {}, supervisor = {} }: SplitOptions = {}): Promise<SplitPair> {
    const pair = new SplitPair()
    const epmdPort = await freePort()
    try {
      for (const name of ['n1@127.0.0.1', 'n2@127.0.0.1']) {
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

  /** Until each holds the other for dead. */
  async split(): Promise<void> {
    for (const { transport } of this.nodes) transport.cut()
    for (const { workers } of this.nodes) {
      await eventually(() => workers.nodes().length === 1, {
        timeoutMs: 20_000,
        what: 'each node is alone',
      })
    }
  }

  async heal(): Promise<void> {
    for (const { transport } of this.nodes) transport.heal()
    await this.together()
  }

  private async together(): Promise<void> {
    const { first, second } = this
    await eventually(() => first.citadel.connect(second.citadel.name), {
      timeoutMs: 20_000,
      what: 'the nodes are connected',
    })
    for (const { workers } of this.nodes) {
      await eventually(() => workers.nodes().length === 2, { what: 'both are members' })
    }
  }

  async stop(): Promise<void> {
    for (const { transport } of this.nodes) transport.heal()
    await Promise.all(this.nodes.map(({ citadel }) => citadel.stop({ budgetMs: 0 })))
  }
}
