/**
 * One start of one node in a simulated cluster: a real node on a simulated program, with what an
 * outside observer notes of it: how often each of its connections went down, and what it says. Work
 * given to it runs as an event of its program: later while it is stalled, never once it is gone.
 */
import type { Logger } from '../../src/base/log.js'
import { Citadel } from '../../src/citadel.js'
import type { ArbiterOption } from '../../src/cluster/arbiters/arbiter-options.js'
import type { HandoffStep } from '../../src/cluster/handoff/handoff-offer.js'
import type { SupervisorOptions } from '../../src/cluster/supervisor/distributed-supervisor.js'
import type { JoinedSupervisor } from '../../src/cluster/supervisor/joined-supervisor.js'
import { RedisDiscovery } from '../../src/discovery/redis-discovery.js'
import type { ServerModule } from '../../src/kernel/process-port.js'
import type { MeshEvent } from '../../src/mesh/mesh-event.js'
import { Node } from '../../src/node.js'
import type { Pid } from '../../src/term/pid.js'
import type { Program } from '../../src/testing/program.js'
import type { SimulatedEtcd } from '../../src/testing/simulated-etcd.js'
import type { SimulatedRedis } from '../../src/testing/simulated-redis.js'

export interface MemberSetting {
  name: string
  hostName: string
  program: Program
  /** Every name of the cluster. */
  names: readonly string[]
  /** How nodes find each other; undefined: by a list of all names. */
  redis: SimulatedRedis | undefined
  etcd: SimulatedEtcd | undefined
  modules: Readonly<Record<string, ServerModule>>
  supervisor: Partial<SupervisorOptions>
  /** Told what the node logs, at warning level and above. */
  said: (level: string, text: string) => void
  /** Updates kept per scope: small, so that snapshots are needed often. */
  logMax: number
  arbiter: ArbiterOption
}

export const SUPERVISOR = 'workers'
export const DOMAIN = 'simulated'
const WORK_DELAY_MS = 0.01

const environment = {
  redisUrl: undefined,
  domain: undefined,
  epmdPort: undefined,
  cookie: () => 'simulated',
}

export class ClusterMember {
  readonly name: string
  readonly program: Program
  readonly node: Node
  readonly citadel: Citadel
  readonly creation: number
  supervisor!: JoinedSupervisor
  /** Has joined its supervisor; takes work. */
  ready = false
  /** When that was; nothing that went on before does it know first-hand. */
  readyAt = Number.POSITIVE_INFINITY
  /** Is on its way out, or gone. */
  leaving = false
  readonly hostName: string
  /** Has handed over what it had and is about to say goodbye. */
  closing = false
  /** How often the connection to each node has gone down. */
  readonly cuts = new Map<string, number>()
  /** Told of each connection that goes down. */
  onCut: (node: string) => void = () => {}
  /** Told of each step of a handoff on this node. */
  onStep: (step: HandoffStep, childId: unknown) => void = () => {}

  constructor(private readonly setting: MemberSetting) {
    const { name, program, hostName, etcd } = setting
    this.name = name
    this.hostName = hostName
    this.program = program
    const logger = listener((level, text) => {
      if (program.alive) setting.said(level, text)
    })
    this.node = new Node(
      {
        name,
        cookie: 'simulated',
        world: etcd ? { ...program.world, etcd: () => etcd.port(program) } : program.world,
        environment,
        insecure: true,
        listen: { host: hostName },
        discovery: discoveryOf(setting, logger),
        logger,
        strictMessages: true,
        logMax: setting.logMax,
        arbiter: setting.arbiter,
        mailboxMax: 1_000,
      },
      (process, node) => new Citadel(process, node),
    )
    this.citadel = this.node.root as Citadel
    this.creation = this.node.creation
    this.countCuts()
    this.noticeClosing()
  }

  get alive(): boolean {
    return this.program.alive
  }

  get working(): boolean {
    return this.ready && !this.leaving && this.alive
  }

  /** Stands still, or is on its way out: something of the faults goes on here. */
  get troubled(): boolean {
    return this.program.stalled || this.leaving
  }

  cutsOf(node: string): number {
    return this.cuts.get(node) ?? 0
  }

  async start(): Promise<void> {
    await this.node.start()
    const { modules, supervisor } = this.setting
    this.supervisor = (await this.citadel.supervisor(SUPERVISOR, {
      ...supervisor,
      modules,
      maxRestarts: 50,
      restart: 'permanent',
      onStep: (step, childId) => this.onStep(step, childId),
    })) as JoinedSupervisor
    this.ready = true
  }

  async stop(): Promise<void> {
    this.leaving = true
    await this.citadel.stop()
  }

  /** Runs something in this program: now, or when it wakes. */
  run(task: () => void): void {
    this.program.clock.after(WORK_DELAY_MS, task)
  }

  isAlive(pid: Pid): boolean {
    return this.alive && pid.creation === this.creation && this.node.kernel.isAlive(pid)
  }

  onEvent(listen: (event: MeshEvent) => void): void {
    this.node.mesh.onEvent(listen)
  }

  private countCuts(): void {
    const { kernel } = this.node
    const disconnected = kernel.disconnected.bind(kernel)
    kernel.disconnected = (node) => {
      this.cuts.set(node, this.cutsOf(node) + 1)
      if (this.alive) this.onCut(node)
      disconnected(node)
    }
  }

  private noticeClosing(): void {
    const close = this.node['close'].bind(this.node)
    this.node['close'] = () => {
      this.closing = true
      return close()
    }
  }
}

function discoveryOf({ name, names, program, redis }: MemberSetting, log: Logger) {
  if (redis === undefined) return { static: names.filter((other) => other !== name) }
  return new RedisDiscovery({
    url: 'redis://redis',
    domain: DOMAIN,
    clock: program.world.clock,
    random: program.world.random,
    log,
    open: () => redis.open(program),
  })
}

const listener = (said: MemberSetting['said']): Logger => ({
  debug() {},
  info() {},
  warn: (message, details) => said('warning', withDetails(message, details)),
  error: (message, details) => said('error', withDetails(message, details)),
})

function withDetails(message: string, details: unknown): string {
  if (details === undefined) return message
  if (details instanceof Error) return `${message} ${details.message}`
  return `${message} ${typeof details === 'string' ? details : JSON.stringify(details)}`
}
