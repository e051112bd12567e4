/**
 * What happens to a server beside the cluster, such as Redis or etcd: one fault after the other, with a
 * while of peace between most of them. Which there are, and what each does, is the service's affair.
 */

import type { SeededRandom } from '../../src/testing/seeded-random.js'
import type { Ledgers } from '../checks/ledgers.js'
import type { ClusterSimulation } from '../cluster/cluster-simulation.js'

export interface ServiceFaultTimes {
  readonly everyMs: readonly [number, number]
  readonly forMs: readonly [number, number]
}

export abstract class ServiceFaults<Kind extends string> {
  readonly counts = new Map<Kind, number>()
  private running = false

  constructor(
    /** As the story calls it. */
    private readonly service: string,
    private readonly kinds: readonly Kind[],
    private readonly times: ServiceFaultTimes,
    protected readonly cluster: ClusterSimulation,
    protected readonly ledgers: Ledgers,
    protected readonly random: SeededRandom,
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

  protected abstract carryOut(kind: Kind, until: number): void
  /** `after`: the fault that is over. */
  protected abstract mend(after?: Kind): void

  protected later(ms: number, task: () => void): void {
    this.cluster.simulation.after(ms, this.service, () => {
      if (this.running) task()
    })
  }

  private next(): void {
    const { oracle } = this.ledgers
    this.later(this.random.between(this.times.everyMs), () => {
      const kind = this.random.pick(this.kinds)
      const forMs = this.random.between(this.times.forMs)
      this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
      oracle.tell(`-- ${kind} for ${forMs.toFixed(0)} ms`)
      this.carryOut(kind, oracle.now + forMs)
      this.later(forMs, () => {
        this.mend(kind)
        oracle.tell(`-- ${this.service} is well`)
        this.next()
      })
    })
  }
}
