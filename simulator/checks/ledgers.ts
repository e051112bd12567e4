/** All that watches a simulated cluster, together, so that each member is shown to all of them. */

import { REGISTRY_SCOPE } from '../../src/cluster/registry/key-registry.js'
import { GROUPS_SCOPE } from '../../src/cluster/registry/process-groups.js'
import type { ServerModule } from '../../src/kernel/process-port.js'
import { type ClusterMember, SUPERVISOR } from '../cluster/cluster-member.js'
import { CallLedger } from './call-ledger.js'
import { ChildLedger } from './child-ledger.js'
import { ChildStreams } from './child-streams.js'
import { DeathWatch } from './death-watch.js'
import { Disruptions } from './disruptions.js'
import { GrantWatch } from './grant-watch.js'
import { HandoffWatch } from './handoff-watch.js'
import { LifeLedger } from './life-ledger.js'
import { NameLedger } from './name-ledger.js'
import type { Oracle } from './oracle.js'
import { OwnerWatch } from './owner-watch.js'
import { Quiet } from './quiet.js'
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
  readonly disruptions: Disruptions
  readonly lives: LifeLedger
  readonly streams: ChildStreams
  readonly handoffs: HandoffWatch
  readonly owners: OwnerWatch
  readonly quiet: Quiet

  /** The class of the workers, made once the ledgers are there to be told. */
  Worker!: ServerModule

  constructor(readonly oracle: Oracle) {
    this.disruptions = new Disruptions(oracle)
    this.quiet = new Quiet(oracle.cluster, this.disruptions)
    this.children = new ChildLedger(oracle)
    this.deaths = new DeathWatch(oracle)
    this.lives = new LifeLedger(oracle, this.disruptions, this.deaths, (id) =>
      this.children.isWanted(id),
    )
    this.streams = new ChildStreams(oracle, this.disruptions, this.lives)
    this.handoffs = new HandoffWatch(oracle)
    this.owners = new OwnerWatch(oracle, oracle.cluster.hasLease)
    this.grants = new GrantWatch(oracle)
    this.rows = new RowWatch(oracle, [REGISTRY_SCOPE, GROUPS_SCOPE, CHILDREN_SCOPE])
    this.ties = new TieLedger(oracle, this.lives)
    this.calls = new CallLedger(oracle)
    this.names = new NameLedger(oracle)
    this.handoffs.onGivenUp = (id) => this.children.givenUp(id as number)
    this.deaths.onDeath = (node, creation) => this.children.nodeDied(node, creation)
    this.handoffs.onForwarding = (pid, on) => {
      this.lives.forwards(pid, on)
      this.names.passesOn(pid)
    }
    this.grants.onSuccession = (from, to) => {
      this.lives.succeeded(from, to)
      this.names.moved(from, to)
    }
  }

  made(member: ClusterMember): void {
    member.onCut = (node) => this.cutOff(member, node)
    this.grants.made(member)
    this.lives.made(member)
    this.handoffs.watch(member)
    this.deaths.watch(member)
    this.rows.watch(member)
    this.grants.watch(member, REGISTRY_SCOPE)
    this.grants.watch(member, CHILDREN_SCOPE)
  }

  /** A connection went down: no excuse for anything if one of the two has said goodbye. */
  private cutOff(member: ClusterMember, node: string): void {
    if (!member.closing && !this.oracle.cluster.memberNamed(node)?.closing) {
      this.disruptions.happened()
    }
  }

  ended(member: ClusterMember): void {
    if (!member.closing) this.disruptions.happened()
    this.lives.memberEnded(member)
    this.grants.ended(member)
    this.calls.ended(member)
    this.children.ended(member)
  }

  stalled(node: string, ms: number): void {
    this.deaths.stalled(node, ms)
    this.calls.stalled(node, ms)
    this.disrupted(ms)
  }

  /** Something begins that lasts for `ms`. */
  disrupted(ms: number): void {
    this.oracle.cluster.simulation.after(ms, 'over', this.disruptions.begins())
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
    this.lives.check()
  }
}
