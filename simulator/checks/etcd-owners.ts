/** Whom the etcd of a simulation names as the owner of a key or of a child's id, as an observer sees it. */
import { claimKey, ownerOf } from '../../src/cluster/arbiters/etcd-keys.js'
import { toBase64 } from '../../src/etcd/fields.js'
import type { SimulatedEtcd } from '../../src/testing/simulated-etcd.js'

export interface NamedOwner {
  readonly node: string
  readonly creation: number
  readonly epoch: number
}

/** What the keys begin with unless an application says otherwise. */
const PREFIX = 'citadel/'

export class EtcdOwners {
  /** Keys as etcd has them, by scope and id. */
  private readonly keys = new Map<string, string>()

  constructor(private readonly etcd: SimulatedEtcd) {}

  now(scope: string, id: string): NamedOwner | undefined {
    return named(this.etcd.look(this.keyOf(scope, id)))
  }

  /** Who had it when the present owner got it. */
  before(scope: string, id: string): NamedOwner | undefined {
    return named(this.etcd.look(this.keyOf(scope, id))?.before)
  }

  private keyOf(scope: string, id: string): string {
    const name = `${scope} ${id}`
    let key = this.keys.get(name)
    if (key === undefined) {
      key = toBase64(claimKey(PREFIX, scope, id))
      this.keys.set(name, key)
    }
    return key
  }
}

function named(
  row: { readonly value: string; readonly revision: number } | undefined,
): NamedOwner | undefined {
  const owner = row && ownerOf(row.value)
  return owner && { ...owner, epoch: owner.epoch ?? row.revision }
}

export const tell = (owner: NamedOwner | undefined): string =>
  owner ? `${owner.node} with ${owner.epoch}` : 'nobody'

export const isOf = (
  owner: NamedOwner | undefined,
  { name, creation }: { readonly name: string; readonly creation: number },
): boolean => owner?.node === name && owner.creation === creation
