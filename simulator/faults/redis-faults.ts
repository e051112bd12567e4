/**
 * What happens to the Redis of a scenario: killed, frozen, slow, flushed, replaced by an empty one,
 * out of reach of some nodes, back with rows of long ago, and full of lies. None of it is an excuse
 * for anything but that a node which starts meanwhile finds the others later.
 */

import type { SeededRandom } from '../../src/testing/seeded-random.js'
import type { RedisCopy, SimulatedRedis } from '../../src/testing/simulated-redis.js'
import type { Ledgers } from '../checks/ledgers.js'
import { DOMAIN } from '../cluster/cluster-member.js'
import { type ClusterSimulation, hostName, nodeName } from '../cluster/cluster-simulation.js'
import { ServiceFaults } from './service-faults.js'

export const REDIS_FAULT_KINDS = [
  'Redis killed',
  'Redis killed, an empty one after it',
  'Redis frozen',
  'Redis slow',
  'Redis flushed',
  'Redis out of reach',
  'Redis with old rows',
  'Redis that lies',
] as const

export type RedisFaultKind = (typeof REDIS_FAULT_KINDS)[number]

const TIMES = { everyMs: [1_000, 15_000], forMs: [500, 40_000] } as const
const SLOW_MS = [50, 4_000] as const
/** A living node writes its rows once a second, and a lie is to outlast that. */
const LIE_EVERY_MS = 300
const LIE_LASTS_MS = '5000'
const COPY_EVERY_MS = 20_000
const COPIES_MAX = 4
/** How often it is seen whether all nodes that live have found each other. */
const APART_EVERY_MS = 500

const SET = `CITADEL:${DOMAIN}:nodes`
const nodeKey = (name: string): string => `CITADEL:${DOMAIN}:node:${name}`
const addressKey = (name: string): string => `${nodeKey(name)}:addr`

export class RedisFaults extends ServiceFaults<RedisFaultKind> {
  private readonly copies: RedisCopy[] = []

  constructor(
    cluster: ClusterSimulation,
    private readonly redis: SimulatedRedis,
    ledgers: Ledgers,
    random: SeededRandom,
  ) {
    super('Redis', REDIS_FAULT_KINDS, TIMES, cluster, ledgers, random)
  }

  override start(): void {
    super.start()
    this.keepCopies()
    this.watchApart()
  }

  protected carryOut(kind: RedisFaultKind, until: number): void {
    const { redis, random } = this
    switch (kind) {
      case 'Redis killed':
      case 'Redis killed, an empty one after it':
        return redis.service.kill()
      case 'Redis frozen':
        return redis.service.freeze()
      case 'Redis slow':
        redis.service.slowMs = [0, random.between(SLOW_MS)]
        return
      case 'Redis flushed':
        return redis.flush()
      case 'Redis out of reach': {
        const hosts = this.cluster.names.map((_, index) => hostName(index))
        return redis.service.cutFrom(
          random.shuffled(hosts).slice(0, 1 + random.below(hosts.length)),
        )
      }
      case 'Redis with old rows':
        if (this.copies.length > 0) redis.restore(random.pick(this.copies))
        return
      case 'Redis that lies':
        this.lie(until)
    }
  }

  protected mend(after?: RedisFaultKind): void {
    const { service } = this.redis
    if (after === 'Redis killed, an empty one after it') this.redis.flush()
    service.slowMs = [0, 0]
    service.start()
    service.healAll()
  }

  /** Nodes that never were, addresses of somebody else, and what is no row at all. */
  private lie(until: number): void {
    const { redis, random, cluster } = this
    const [liar, other, port] = [0, 0, 0].map(() => random.below(cluster.names.length))
    const expiry = ['PX', LIE_LASTS_MS]
    const ghost = `ghost${random.below(3)}@${hostName(port!)}`
    const living = cluster.memberNamed(nodeName(other!))?.node.addresses ?? []
    const address = random.pick([
      `tcp://${hostName(other!)}:${1 + random.below(60_000)}`,
      'tcp://nowhere:4000',
      'not an address',
      ...living,
    ])
    redis.execute(['SADD', SET, ghost, 'nobody', '\u0000', `x@${'y'.repeat(300)}`])
    redis.execute(['SET', nodeKey(ghost), 'OK', ...expiry])
    redis.execute(['SET', addressKey(ghost), address, ...expiry])
    redis.execute(['SADD', SET, nodeName(liar!)])
    redis.execute(['SET', nodeKey(nodeName(liar!)), 'OK', ...expiry])
    redis.execute(['SET', addressKey(nodeName(liar!)), address, ...expiry])
    this.later(LIE_EVERY_MS, () => {
      if (this.ledgers.oracle.now < until) this.lie(until)
    })
  }

  private keepCopies(): void {
    this.copies.push(this.redis.copy())
    if (this.copies.length > COPIES_MAX) this.copies.splice(this.random.below(COPIES_MAX), 1)
    this.later(COPY_EVERY_MS, () => this.keepCopies())
  }

  /** A node that has started and cannot be found is as good as cut off. */
  private watchApart(): void {
    if (!this.cluster.allMet) this.ledgers.disrupted(APART_EVERY_MS * 2)
    this.later(APART_EVERY_MS, () => this.watchApart())
  }
}
