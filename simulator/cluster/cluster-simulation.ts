/**
 * A whole cluster in one simulated world: real nodes, one per host, all their bytes included, and
 * the things that happen to nodes and networks. Whoever builds a scenario on it decides what
 * happens when; nothing happens here by itself.
 */
import type { ArbiterOption } from '../../src/cluster/arbiters/arbiter-options.js'
import type { SupervisorOptions } from '../../src/cluster/supervisor/distributed-supervisor.js'
import type { ServerModule } from '../../src/kernel/process-port.js'
import type { CutPoint, DialTrouble, NetworkOptions } from '../../src/testing/network-conditions.js'
import { SimulatedEtcd } from '../../src/testing/simulated-etcd.js'
import { SimulatedRedis } from '../../src/testing/simulated-redis.js'
import { Simulation } from '../../src/testing/simulation.js'
import { ClusterMember } from './cluster-member.js'

export interface ClusterSimulationOptions {
  seed: number
  nodes: number
  network?: Partial<NetworkOptions>
  modules?: Readonly<Record<string, ServerModule>>
  /** How the members of the supervisor are set up, all alike. */
  supervisor?: Partial<SupervisorOptions>
  logMax?: number
  /** Who decides about keys; the mesh unless given. */
  arbiter?: ArbiterOption
  /** Nodes find each other through a simulated Redis; else by a static list. */
  redis?: boolean
  said?: (member: string, level: string, text: string) => void
}

export interface ClusterEvents {
  /** Before its first event. */
  made(member: ClusterMember): void
  ready(member: ClusterMember): void
  /** Gone, however it went. What it knew cannot be asked any more. */
  ended(member: ClusterMember): void
  startFailed(member: ClusterMember, error: unknown): void
}

export class ClusterSimulation {
  readonly simulation: Simulation
  readonly redis: SimulatedRedis | undefined
  /** Where it is the arbiter. */
  readonly etcd: SimulatedEtcd | undefined
  readonly names: readonly string[]
  /** The present start of the node of each host; undefined while it is down. */
  readonly members: (ClusterMember | undefined)[]
  events: ClusterEvents = { made() {}, ready() {}, ended() {}, startFailed: throwError }

  constructor(private readonly options: ClusterSimulationOptions) {
    const { seed, network, nodes } = options
    this.simulation = new Simulation({ seed, network })
    const { arbiter } = options
    if (typeof arbiter === 'object' && arbiter.type === 'etcd') {
      this.etcd = new SimulatedEtcd(this.simulation.timeline, this.simulation.random.fork('etcd'))
    }
    if (options.redis) {
      const random = this.simulation.random.fork('redis')
      this.redis = new SimulatedRedis(this.simulation.timeline, random)
    }
    this.names = Array.from({ length: nodes }, (_, index) => nodeName(index))
    this.members = this.names.map(() => undefined)
  }

  /** Owners have to stop when their node's lease ends. */
  get hasLease(): boolean {
    return (this.options.arbiter ?? 'mesh') !== 'mesh'
  }

  get living(): ClusterMember[] {
    return this.members.filter((member) => member?.alive === true) as ClusterMember[]
  }

  /** Those that take work. */
  get working(): ClusterMember[] {
    return this.living.filter((member) => member.working)
  }

  get allReady(): boolean {
    return this.living.every((member) => member.ready)
  }

  /** All that live are connected to each other. */
  get allMet(): boolean {
    const { living } = this
    return living.every(({ citadel }) => citadel.nodes().length === living.length - 1)
  }

  memberNamed(name: string): ClusterMember | undefined {
    const member = this.members[this.names.indexOf(name)]
    return member?.alive ? member : undefined
  }

  /** Starts the node of a host, with a new creation. */
  start(index: number, clock: { rate?: number } = {}): ClusterMember {
    if (this.members[index]?.alive) throw new Error(`${nodeName(index)} runs already`)
    const { modules = {}, supervisor = {}, logMax = 64, arbiter = 'mesh', said } = this.options
    const name = nodeName(index)
    const host = hostName(index)
    if (this.simulation.network.host(host).down) this.simulation.network.powerOn(host)
    const program = this.simulation.program(host, clock)
    const member = new ClusterMember({
      name,
      hostName: host,
      program,
      names: this.names,
      redis: this.redis,
      etcd: this.etcd,
      modules,
      supervisor,
      logMax,
      arbiter,
      said: (level, text) => said?.(name, level, text),
    })
    this.members[index] = member
    this.events.made(member)
    member.run(() => this.bringUp(member))
    return member
  }

  /** SIGKILL: its ports are free at once, and its peers hear of it. */
  crash(index: number): void {
    this.end(index, (member) => member.program.crash())
  }

  /** The machine is gone and nobody is told. */
  powerOff(index: number): void {
    this.end(index, () => this.simulation.network.powerOff(hostName(index)))
  }

  /** Stops it as a deploy does; it is gone when the promise resolves. */
  async stop(index: number): Promise<void> {
    const member = this.members[index]
    if (!member?.alive) return
    await new Promise<void>((resolve, reject) => {
      member.run(() => member.stop().then(resolve, reject))
    })
    if (this.members[index] === member) this.crash(index)
  }

  stall(index: number, ms: number): void {
    this.members[index]?.program.stall(ms)
  }

  partition(groups: readonly (readonly number[])[]): void {
    this.simulation.network.partition(groups.map((group) => group.map(hostName)))
  }

  /** Nothing from one of `from` reaches any of `to`. */
  cutOneWay(from: readonly number[], to: readonly number[]): void {
    for (const one of from) {
      for (const other of to) this.simulation.network.cut(hostName(one), hostName(other))
    }
  }

  heal(from: readonly number[], to: readonly number[]): void {
    for (const one of from) {
      for (const other of to) this.simulation.network.heal(hostName(one), hostName(other))
    }
  }

  healAll(): void {
    this.simulation.network.healAll()
  }

  reset(one: number, other: number, afterBytes = 0): void {
    this.simulation.network.reset(hostName(one), hostName(other), { afterBytes })
  }

  cutConnections(one: number, other: number, cut: CutPoint): void {
    this.simulation.network.cutConnections(hostName(one), hostName(other), cut)
  }

  troubleDial(from: number, to: number, trouble: DialTrouble): void {
    this.simulation.network.troubleDial(hostName(from), hostName(to), trouble)
  }

  /** What one host sends another takes so long from now on. */
  slow(from: number, to: number, latencyMs?: readonly [number, number]): void {
    this.simulation.network.setLatency(hostName(from), hostName(to), latencyMs)
  }

  private bringUp(member: ClusterMember): void {
    member.start().then(
      () => this.events.ready(member),
      (error) => {
        if (member.alive && !member.leaving) this.events.startFailed(member, error)
      },
    )
  }

  private end(index: number, how: (member: ClusterMember) => void): void {
    const member = this.members[index]
    if (!member?.alive) return
    member.leaving = true
    how(member)
    this.events.ended(member)
  }
}

export const nodeName = (index: number): string => `n${index + 1}@${hostName(index)}`
export const hostName = (index: number): string => `h${index + 1}`

function throwError(_member: unknown, error: unknown): never {
  throw error
}
