/** All that watches a simulated cluster, together, so that each member is shown to all of them. */
import { GROUPS_SCOPE } from '../cluster/groups.js'
import { REGISTRY_SCOPE } from '../cluster/registry.js'
import { CallLedger } from './call-ledger.js'
import { ChildLedger } from './child-ledger.js'
import { type ClusterMember, SUPERVISOR } from './cluster-member.js'
import { DeathWatch } from './death-watch.js'
import { GrantWatch } from './grant-watch.js'
import { NameLedger } from './name-ledger.js'
import type { Oracle } from './oracle.js'
import { RowWatch } from './row-watch.js'
import { TieLedger } from './tie-ledger.js'

export const CHILDREN_SCOPE = `c:supervisor/${SUPERVISOR}`
export const SPECS_SCOPE = `s:supervisor/${SUPERVISOR}`

export class Ledgers {
  readonly grants: GrantWatch
  readonly deaths: DeathWatch
  readonly rows: RowWatch
  readonly ties: TieLedger
  readonly calls: CallLedger
  readonly names: NameLedger
  readonly children: ChildLedger

  constructor(readonly oracle: Oracle) {
    this.grants = new GrantWatch(oracle)
    this.deaths = new DeathWatch(oracle)
    this.rows = new RowWatch(oracle, [REGISTRY_SCOPE, GROUPS_SCOPE, CHILDREN_SCOPE])
    this.ties = new TieLedger(oracle)
    this.calls = new CallLedger(oracle)
    this.names = new NameLedger(oracle)
    this.children = new ChildLedger(oracle)
  }

  made(member: ClusterMember): void {
    this.deaths.watch(member)
    this.rows.watch(member)
    this.grants.watch(member, REGISTRY_SCOPE)
    this.grants.watch(member, CHILDREN_SCOPE)
  }

  ended(member: ClusterMember): void {
    this.grants.ended(member)
    this.calls.ended(member)
    this.children.ended(member)
  }

  stalled(node: string, ms: number): void {
    this.deaths.stalled(node, ms)
    this.calls.stalled(node, ms)
  }

  /** While everything goes on. */
  checkNow(): void {
    this.rows.check()
  }

  checkAtEnd(living: readonly ClusterMember[]): void {
    this.rows.check()
    this.calls.check()
    this.ties.check()
    this.names.check(living)
    this.children.check()
  }
}
