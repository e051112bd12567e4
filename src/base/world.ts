/** The only door to what is not deterministic. Tests swap the world and nothing else. */
import type { Clock } from './clock.js'
import type { EtcdPort } from './etcd-port.js'
import type { Random } from './random.js'
import type { Transport } from './transport.js'

export interface World {
  clock: Clock
  random: Random
  transport: Transport
  /** Etcd, if a node's arbiter is that; the real one by its endpoints unless given. */
  etcd?: (node: string) => EtcdPort
}
