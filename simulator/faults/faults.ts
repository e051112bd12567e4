/**
 * The faults of a scenario, drawn from its seed: which kinds there are, how often, how long. Two at
 * least of the nodes are left to work; everything else may happen at the same time. What justifies
 * declaring a node dead is told to the ledgers.
 */

import type { SeededRandom } from '../../src/testing/seeded-random.js'
import type { Ledgers } from '../checks/ledgers.js'
import { type ClusterSimulation, nodeName } from '../cluster/cluster-simulation.js'
import { CONNECTION_FAULT_KINDS, ConnectionFaults } from './connection-faults.js'
import { EtcdFaults } from './etcd-faults.js'
import { type Blow, HandoffFaults } from './handoff-faults.js'
import { RedisFaults } from './redis-faults.js'

export const FAULT_KINDS = [
  'crash',
  'crash, back at once',
  'power off',
  'stall, short',
  'stall, long',
  'partition',
  'isolated node',
  'one-way cut',
  'flapping cut',
  'slow way',
  'leave and rejoin',
  ...CONNECTION_FAULT_KINDS,
] as const

export type FaultKind = (typeof FAULT_KINDS)[number]

const WORKING_MIN = 2
/** How many of the seeds strike at steps of handoffs. */
const STRIKES = 0.6
const CLOCK_RATES = [0.99, 1.01] as const

export class Faults {
  readonly counts = new Map<FaultKind, number>()
  /** In some seeds; undefined in the others. */
  readonly handoffs: HandoffFaults | undefined
  /** In seeds whose nodes find each other through Redis. */
  readonly redis: RedisFaults | undefined
  readonly etcd: EtcdFaults | undefined
  private readonly kinds: readonly FaultKind[]
  private readonly connections: ConnectionFaults
  /** Told of a tear in both directions: the larger side, and for how long. */
  onSplit: (larger: readonly number[], forMs: number) => void = () => {}
  private running = false
  /** One network is torn in one way at a time; stalls, ends and resets come on top. */
  private torn = false

  constructor(
    private readonly cluster: ClusterSimulation,
    private readonly ledgers: Ledgers,
    private readonly random: SeededRandom,
  ) {
    this.kinds = draw(random)
    this.connections = new ConnectionFaults(cluster, random, (ms, task) => this.later(ms, task))
    if (cluster.redis) {
      this.redis = new RedisFaults(cluster, cluster.redis, ledgers, random.fork('redis'))
    }
    if (cluster.etcd) {
      this.etcd = new EtcdFaults(cluster, cluster.etcd, ledgers, random.fork('etcd'))
    }
    const strikes = random.fork('strikes')
    if (!strikes.chance(STRIKES)) return
    this.handoffs = new HandoffFaults(cluster, ledgers.handoffs, strikes, (...blow) =>
      this.strike(...blow),
    )
  }

  get total(): number {
    let total = 0
    for (const count of this.counts.values()) total += count
    return total
  }

  /** All kinds, or those of one service only. */
  start(everyMs: number, only?: 'redis'): void {
    this.running = true
    this.redis?.start()
    if (only === 'redis') return
    this.etcd?.start()
    this.handoffs?.start()
    const next = (): void => {
      if (!this.running) return
      this.fault(this.random.pick(this.kinds))
      this.after(everyMs * (0.1 + this.random.float() * 1.8), next)
    }
    this.after(2_000 + this.random.float() * 5_000, next)
  }

  /** No more faults; what is broken is mended, and every host runs its node again. */
  stop(): void {
    this.running = false
    this.redis?.stop()
    this.etcd?.stop()
    this.handoffs?.stop()
    this.cluster.healAll()
    this.ledgers.disruptions.allOver()
    for (let index = 0; index < this.cluster.names.length; index++) this.bringUp(index)
  }

  startNode(index: number): void {
    this.cluster.start(index, { rate: this.random.between(CLOCK_RATES) })
  }

  private after(ms: number, task: () => void): void {
    this.cluster.simulation.after(ms, 'fault', task)
  }

  /** While faults go on: what `stop` has mended must not be mended, or broken, again. */
  private later(ms: number, task: () => void): void {
    this.after(ms, () => {
      if (this.running) task()
    })
  }

  private fault(kind: FaultKind): void {
    const done = this.carryOut(kind)
    if (done === undefined) return
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
    this.ledgers.oracle.tell(`-- ${kind}: ${done}`)
  }

  /** What was done, or undefined when the moment does not allow it. */
  private carryOut(kind: FaultKind): string | undefined {
    const { random } = this
    switch (kind) {
      case 'crash':
        return this.takeDown((index) => this.cluster.crash(index), random.between([500, 20_000]))
      case 'crash, back at once':
        return this.takeDown((index) => this.cluster.crash(index), random.between([1, 400]))
      case 'power off':
        return this.takeDown((index) => this.cluster.powerOff(index), random.between([200, 25_000]))
      case 'leave and rejoin':
        return this.leave()
      case 'stall, short':
        return this.stall(random.between([100, 3_000]))
      case 'stall, long':
        return this.stall(random.between([3_000, 9_000]))
      default:
        return this.connections.isKind(kind) ? this.connections.carryOut(kind) : this.tear(kind)
    }
  }

  // Nodes.

  private takeDown(how: (index: number) => void, downMs: number): string | undefined {
    const index = this.victim()
    if (index === undefined) return undefined
    how(index)
    this.later(downMs, () => this.bringUp(index))
    return `${nodeName(index)} for ${downMs.toFixed(0)} ms`
  }

  private leave(): string | undefined {
    const index = this.victim()
    if (index === undefined) return undefined
    const downMs = this.random.between([10, 15_000])
    this.stopNode(index, () =>
      this.running ? this.later(downMs, () => this.bringUp(index)) : this.bringUp(index),
    )
    return `${nodeName(index)} for ${downMs.toFixed(0)} ms`
  }

  /** As a deploy does it: the node hands its children over and is started again. */
  replace(index: number): void {
    this.stopNode(index, () => this.bringUp(index))
  }

  private stopNode(index: number, stopped: () => void): void {
    const { lives, oracle } = this.ledgers
    const member = this.cluster.members[index]!
    lives.drainBegins(member)
    this.cluster
      .stop(index)
      .then(stopped, (error) =>
        oracle.breaks('I11', `${member.name} could not stop: ${String(error)}`),
      )
  }

  private bringUp(index: number): void {
    if (!this.cluster.members[index]?.alive) this.startNode(index)
  }

  private stall(ms: number): string | undefined {
    return this.stallNode(this.someNode().index, ms)
  }

  private stallNode(index: number, ms: number): string | undefined {
    const member = this.cluster.members[index]
    if (!member?.alive || member.program.stalled) return undefined
    this.ledgers.stalled(member.name, ms)
    this.cluster.stall(index, ms)
    return `${member.name} for ${ms.toFixed(0)} ms`
  }

  /** Something befalls one side of a handoff. */
  private strike(blow: Blow, index: number, childId: unknown): boolean {
    const member = this.cluster.members[index]
    if (!member?.alive) return false
    const mayFall = this.cluster.working.length > WORKING_MIN || member.leaving
    const told = this.befall(blow, index, childId, mayFall)
    if (told) this.ledgers.oracle.tell(`-- ${blow} in a handoff of child ${childId}: ${told}`)
    return told !== undefined
  }

  private befall(blow: Blow, index: number, id: unknown, mayFall: boolean): string | undefined {
    const { random } = this
    const member = this.cluster.members[index]!
    switch (blow) {
      case 'crash':
      case 'power off': {
        if (!mayFall) return undefined
        if (blow === 'crash') this.cluster.crash(index)
        else this.cluster.powerOff(index)
        this.later(random.between([1, 10_000]), () => this.bringUp(index))
        return member.name
      }
      case 'stall':
        return this.stallNode(index, random.between([50, 6_000]))
      case 'cut off': {
        if (this.torn) return undefined
        const others = this.cluster.names.map((_, one) => one).filter((one) => one !== index)
        return this.tearFor([[index], others], random.between([100, 12_000]), random.chance(0.3))
      }
      case 'kill the child': {
        const pid = this.ledgers.lives.latestOn(id as number, member)
        if (!pid) return undefined
        this.ledgers.lives.tell(id as number)
        member.run(() => member.citadel.exit(pid, 'kill'))
        return `${pid}`
      }
    }
  }

  private tearFor(sides: [number[], number[]], forMs: number, oneWay: boolean): string {
    this.tornFor(forMs)
    this.cut(sides, forMs, oneWay)
    return `${sides.map((side) => side.map(nodeName).join(' ')).join(' | ')} for ${forMs.toFixed(0)} ms`
  }

  private victim(): number | undefined {
    if (this.cluster.working.length <= WORKING_MIN) return undefined
    const { member, index } = this.someNode()
    return member?.working ? index : undefined
  }

  private someNode() {
    const index = this.random.below(this.cluster.names.length)
    const member = this.cluster.members[index]
    return { index, member: member?.alive ? member : undefined }
  }

  // The network.

  private tear(kind: FaultKind): string | undefined {
    if (this.torn) return undefined
    const forMs = this.random.between([500, 25_000])
    const order = this.random.shuffled(this.cluster.names.map((_, index) => index))
    this.tornFor(forMs)
    const groups = this.sides(kind, order)
    switch (kind) {
      case 'slow way':
        return this.slow(order, forMs)
      case 'flapping cut':
        this.flap(groups, forMs)
        break
      case 'one-way cut':
        this.cut(groups, forMs, true)
        break
      default:
        this.cut(groups, forMs, false)
        this.onSplit(groups[1], forMs)
    }
    return `${groups.map((side) => side.map(nodeName).join(' ')).join(' | ')} for ${forMs.toFixed(0)} ms`
  }

  private tornFor(forMs: number): void {
    this.torn = true
    this.after(forMs + 1_000, () => {
      this.torn = false
    })
  }

  private sides(kind: FaultKind, order: readonly number[]): [number[], number[]] {
    if (kind === 'isolated node') return [[order[0]!], order.slice(1)]
    if (kind === 'partition') {
      const small = Math.floor(order.length / 2)
      return [order.slice(0, small), order.slice(small)]
    }
    const first = 1 + this.random.below(2)
    const second = 1 + this.random.below(order.length - first)
    return [order.slice(0, first), order.slice(first, first + second)]
  }

  private cut([one, other]: [number[], number[]], forMs: number, oneWay: boolean): void {
    for (const a of one) {
      for (const b of other) this.ledgers.deaths.cut(nodeName(a), nodeName(b), forMs)
    }
    this.ledgers.disrupted(forMs)
    this.cluster.cutOneWay(one, other)
    if (!oneWay) this.cluster.cutOneWay(other, one)
    this.later(forMs, () => {
      this.cluster.heal(one, other)
      this.cluster.heal(other, one)
      this.ledgers.oracle.tell('-- healed')
    })
  }

  private flap(sides: [number[], number[]], forMs: number): void {
    const periodMs = this.random.between([300, 3_000])
    for (let at = 0; at < forMs; at += periodMs * 2) {
      this.later(at, () => this.cut(sides, Math.min(periodMs, forMs - at), false))
    }
  }

  private slow(order: readonly number[], forMs: number): string {
    const [from, to] = [order[0]!, order[1]!]
    const mostMs = this.random.between([20, 700])
    this.ledgers.disrupted(forMs)
    this.cluster.slow(from, to, [mostMs / 4, mostMs])
    this.later(forMs, () => this.cluster.slow(from, to))
    return `${nodeName(from)} to ${nodeName(to)}, up to ${mostMs.toFixed(0)} ms, for ${forMs.toFixed(0)} ms`
  }
}

/** Each seed has at least five kinds, some of them more often than others. */
function draw(random: SeededRandom): FaultKind[] {
  const kinds = random.shuffled(FAULT_KINDS).slice(0, 5 + random.below(FAULT_KINDS.length - 4))
  return kinds.flatMap((kind) => Array<FaultKind>(1 + random.below(3)).fill(kind))
}
