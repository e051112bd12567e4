/**
 * With a lease (quorum, etcd): who starts to handle a message is looked at against all that ever did
 * for the same key or child id (I15). Owners have epochs, and a later one takes over for good: once a
 * process with a later epoch has handled something, one with an earlier epoch never does again. What
 * was taken by force is left out: that owner lives on until it hears of it. No owner starts to handle
 * anything when its lease is over, and with etcd none that etcd does not name, under that epoch.
 */

import { REGISTRY_SCOPE } from '../../src/cluster/registry/key-registry.js'
import type { Claim } from '../../src/cluster/tables/claim.js'
import type { Pid } from '../../src/term/pid.js'
import { type ClusterMember, SUPERVISOR } from '../cluster/cluster-member.js'
import { EtcdOwners, isOf, tell } from './etcd-owners.js'
import { hasLease } from './grant-watch.js'
import { type Oracle, pidKey } from './oracle.js'

const CHILDREN_SCOPE = `c:supervisor/${SUPERVISOR}`

interface Handled {
  readonly epoch: number
  readonly by: string
  readonly forced: boolean
}

export class OwnerWatch {
  /** Handlers of owners that were compared with the ones before. */
  compared = 0
  /** How often a key or an id has passed on to a later owner that worked. */
  passedOn = 0
  private readonly latest = new Map<string, Handled>()
  private readonly etcd: EtcdOwners | undefined

  constructor(
    private readonly oracle: Oracle,
    private readonly hasLease: boolean,
  ) {
    const { etcd } = oracle.cluster
    this.etcd = etcd && new EtcdOwners(etcd)
  }

  /** A process starts to handle something. */
  handles(pid: Pid): void {
    if (!this.hasLease) return
    const home = this.oracle.home(pid)
    if (!home) return
    for (const scope of [REGISTRY_SCOPE, CHILDREN_SCOPE]) {
      for (const claim of ownClaims(home, scope)) {
        if (!claim.pid?.equals(pid)) continue
        this.compare(scope, claim, home)
        this.checkRight(scope, claim, home)
      }
    }
  }

  /** It has the right to handle something at this moment, whoever else did before. */
  private checkRight(scope: string, claim: Claim, home: ClusterMember): void {
    const { id, epoch, pid } = claim
    const what = `${pid} on ${home.name} handles a message for ${id} (${scope}) with epoch ${epoch}`
    if (!hasLease(home)) this.oracle.breaks('I15', `${what}, and its lease is over`)
    if (!this.etcd || hasGivenUp(home, scope, claim)) return
    const owner = this.etcd.now(scope, id)
    if (isOf(owner, home) && owner?.epoch === epoch) return
    this.oracle.breaks('I15', `${what}, and etcd names ${tell(owner)}`)
  }

  private compare(scope: string, { id, epoch, forced, pid }: Claim, home: ClusterMember): void {
    const key = `${scope} ${id}`
    const by = pidKey(pid!)
    const last = this.latest.get(key)
    this.compared++
    if (last && last.by !== by) {
      this.passedOn++
      if (epoch < last.epoch && !last.forced) {
        const what = `${by} on ${home.name} handles a message for ${id} (${scope}) with epoch ${epoch}`
        this.oracle.breaks('I15', `${what}, and ${last.by} did with ${last.epoch}`)
      }
    }
    if (!last || epoch >= last.epoch) this.latest.set(key, { epoch, by, forced })
  }
}

/** It has been told that somebody is about to have its key, and goes on without. */
const hasGivenUp = ({ node }: ClusterMember, scope: string, { id, epoch }: Claim): boolean =>
  scope === REGISTRY_SCOPE && node.registry['yielding']['given'].get(id) === epoch

const ownClaims = ({ node }: ClusterMember, scope: string): Iterable<Claim> =>
  node.scopes.scope<'c'>(scope).own.rows.values() as Iterable<Claim>
