/**
 * What happens to the etcd of a scenario: killed, frozen, slow, without a leader, out of reach of some
 * nodes. Owners may end for it; two at once there must never be.
 */

import type { SeededRandom } from '../../src/testing/seeded-random.js'
import type { SimulatedEtcd } from '../../src/testing/simulated-etcd.js'
import type { Ledgers } from '../checks/ledgers.js'
import { type ClusterSimulation, hostName } from '../cluster/cluster-simulation.js'
import { ServiceFaults } from './service-faults.js'

export const ETCD_FAULT_KINDS = [
  'etcd killed',
  'etcd frozen',
  'etcd slow',
  'etcd without a leader',
  'etcd out of reach',
] as const

export type EtcdFaultKind = (typeof ETCD_FAULT_KINDS)[number]

const TIMES = { everyMs: [2_000, 25_000], forMs: [200, 12_000] } as const
const SLOW_MS = [50, 1_500] as const

export class EtcdFaults extends ServiceFaults<EtcdFaultKind> {
  constructor(
    cluster: ClusterSimulation,
    private readonly etcd: SimulatedEtcd,
    ledgers: Ledgers,
    random: SeededRandom,
  ) {
    super('etcd', ETCD_FAULT_KINDS, TIMES, cluster, ledgers, random)
  }

  protected carryOut(kind: EtcdFaultKind, until: number): void {
    this.ledgers.disrupted(until - this.ledgers.oracle.now)
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

  protected mend(): void {
    const { service } = this.etcd
    service.slowMs = [0, 0]
    this.etcd.hasNoLeader = false
    service.healAll()
    if (service.state === 'down') this.etcd.start()
    else service.start()
  }
}
