/**
 * Nodes in the test's own process, with real sockets, in quorum mode, whose leases the test moves by
 * hand: what the quorum says about them is not heard. Their clocks can jump, as after a freeze.
 */
import type { Clock } from '../../src/base/clock.js'
import type { Lease } from '../../src/base/lease.js'
import { systemClock } from '../../src/base/system-clock.js'
import { systemWorld } from '../../src/base/system-world.js'
import { Citadel } from '../../src/citadel.js'
import type {
  DistributedSupervisor,
  SupervisorOptions,
} from '../../src/cluster/supervisor/distributed-supervisor.js'
import type { ServerModule } from '../../src/kernel/process-port.js'
import { Node } from '../../src/node.js'
import { eventually } from './eventually.js'
import { freePort } from './free-port.js'
import { LogRecorder } from './log-recorder.js'

/** The lease of the nodes' settings: what is said may go out for a hundredth of it longer. */
export const LEASE_MS = 6_000

class JumpingClock implements Clock {
  #ahead = 0

  now = (): number => systemClock.now() + this.#ahead
  wallTime = (): number => systemClock.wallTime()
  after = systemClock.after
  soon = systemClock.soon

  jump(ms: number): void {
    this.#ahead += ms
  }
}

export class LeasedNode {
  readonly clock = new JumpingClock()
  readonly log = new LogRecorder()
  readonly node: Node
  readonly citadel: Citadel
  readonly lease: Lease
  readonly #move: Lease['move']
  workers!: DistributedSupervisor

  constructor(name: string, epmdPort: number, modules: Record<string, ServerModule>) {
    const bind = (process: ConstructorParameters<typeof Citadel>[0], node: Node) =>
      new Citadel(process, node)
    this.node = new Node(
      {
        name,
        cookie: 'leased nodes',
        epmdPort,
        discovery: false,
        logger: this.log,
        modules,
        arbiter: { type: 'mesh', quorum: { size: 2, leaseMs: LEASE_MS } },
        world: { ...systemWorld(), clock: this.clock },
      },
      bind,
    )
    this.citadel = this.node.root as Citadel
    const { lease } = this.node as unknown as { lease: Lease }
    this.lease = lease
    this.#move = lease.move.bind(lease)
    lease.move = () => {}
  }

  get name(): string {
    return this.node.name
  }

  /** It may act for so long from now on. */
  grant(ms: number): void {
    const now = this.clock.now()
    this.#move(now + ms, now)
  }

  /** The lease is not renewed, and its end comes on time. */
  async expire(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.lease.onEnd(() => resolve())
    })
    this.grant(20)
    await ended
  }
}

export class LeasedNodes {
  readonly nodes: LeasedNode[] = []

  /** `n1`, `n2`, ... connected, with leases of an hour, and members of the supervisor `workers`. */
  static async start(
    size: number,
    modules: Record<string, ServerModule>,
    options: SupervisorOptions = {},
  ): Promise<LeasedNodes> {
    const all = new LeasedNodes()
    const epmdPort = await freePort()
    for (let n = 1; n <= size; n++) {
      const node = new LeasedNode(`n${n}@127.0.0.1`, epmdPort, modules)
      all.nodes.push(node)
      await node.node.start()
      node.grant(3_600_000)
      const [first] = all.nodes
      if (n > 1) await eventually(() => node.citadel.connect(first!.name), { what: 'connected' })
    }
    for (const node of all.nodes) node.workers = await node.citadel.supervisor('workers', options)
    const hasAll = ({ workers }: LeasedNode): boolean => workers.nodes().length === size
    await eventually(() => all.nodes.every(hasAll), { what: 'all are members' })
    return all
  }

  async stop(): Promise<void> {
    for (const { citadel } of this.nodes) await citadel.stop({ budgetMs: 0 })
  }
}
