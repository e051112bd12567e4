/**
 * What happens to the etcd of a scenario: killed, frozen, slow, without a leader, out of reach of some
 * nodes. Owners may end for it; two at once there must never be.
 */
import { type ClusterSimulation, hostName } from './cluster-simulation.js'
import type { Ledgers } from './ledgers.js'
import type { SeededRandom } from './seeded-random.js'
import type { SimulatedEtcd } from './simulated-etcd.js'

export const ETCD_FAULT_KINDS = [
  'etcd killed',
  'etcd frozen',
  'etcd slow',
  'etcd without a leader',
  'etcd out of reach',
] as const

export type EtcdFaultKind = (typeof ETCD_FAULT_KINDS)[number]

const FOR_MS = [200, 12_000] as const
const SLOW_MS = [50, 1_500] as const
const EVERY_MS = [2_000, 25_000] as const

export class EtcdFaults {
  readonly counts = new Map<EtcdFaultKind, number>()
  private running = false

  constructor(
    private readonly cluster: ClusterSimulation,
    private readonly etcd: SimulatedEtcd,
    private readonly ledgers: Ledgers,
    private readonly random: SeededRandom,
  ) {}

  start(): void {
    this.running = true
    this.next()
  }

  /** No more faults; what is broken is mended. */
  stop(): void {
    this.running = false
    this.mend()
  }

  private next(): void {
    this.later(this.random.between(EVERY_MS), () => {
      const kind = this.random.pick(ETCD_FAULT_KINDS)
      const forMs = this.random.between(FOR_MS)
      this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
      this.ledgers.oracle.tell(`-- ${kind} for ${forMs.toFixed(0)} ms`)
      this.ledgers.disrupted(forMs)
      this.carryOut(kind)
      this.later(forMs, () => {
        this.mend()
        this.ledgers.oracle.tell('-- etcd is well')
        this.next()
      })
    })
  }

  private carryOut(kind: EtcdFaultKind): void {
    const { service } = this.etcd
    switch (kind) {
      case 'etcd killed':
        return service.kill()
      case 'etcd frozen':
        return service.freeze()
      case 'etcd slow':
        service.slowMs = SLOW_MS
        return
      case 'etcd without a leader':
        this.etcd.hasNoLeader = true
        return
      case 'etcd out of reach': {
        const hosts = this.cluster.names.map((_, index) => hostName(index))
        return service.cutFrom(hosts.filter(() => this.random.chance(0.4)))
      }
    }
  }

  private mend(): void {
    const { service } = this.etcd
    service.slowMs = [0, 0]
    this.etcd.hasNoLeader = false
    service.healAll()
    if (service.state === 'down') this.etcd.start()
    else service.start()
  }

  private later(ms: number, task: () => void): void {
    this.cluster.simulation.after(ms, 'etcd', () => {
      if (this.running) task()
    })
  }
}
