/**
 * What must be true of a cluster that had time to settle: all nodes agree (I1), no row names what is
 * gone (I2), and nothing is left over from what happened (I10).
 */

import { EtcdArbiter } from '../src/cluster/arbiters/etcd-arbiter.js'
import type { Claimant } from '../src/cluster/arbiters/mesh-claimant.js'
import { REGISTRY_SCOPE } from '../src/cluster/registry/key-registry.js'
import type { Row } from '../src/cluster/replication/origin.js'
import type { ScopeKind } from '../src/cluster/tables/scope.js'
import type { Pid } from '../src/term/pid.js'
import { CHILDREN_SCOPE, type Ledgers, SPECS_SCOPE } from './checks/ledgers.js'
import type { ClusterMember } from './cluster/cluster-member.js'
import type { Manner } from './manner.js'
import { PLAIN_EVERY } from './workload/child-process.js'

/** Timers and packets on their way of one idle node, with room. */
const IDLE_EVENTS_PER_NODE = 40

export function checkSettled(
  ledgers: Ledgers,
  living: readonly ClusterMember[],
  manner: Manner,
): void {
  checkMeshed(ledgers, living)
  checkAgreement(ledgers, living)
  for (const member of living) {
    checkRows(ledgers, member)
    checkLeftovers(ledgers, member)
    if (isSpread(manner)) checkPlaces(ledgers, member)
  }
  const { timeline } = ledgers.oracle.cluster.simulation
  if (timeline.size > living.length * IDLE_EVENTS_PER_NODE) {
    ledgers.oracle.breaks('I10', `${timeline.size} events wait in an idle cluster`)
  }
}

/** Some time after the last fault: what a child had that moved, and died there, leads nowhere. */
export function checkHeirs({ oracle, lives }: Ledgers, living: readonly ClusterMember[]): void {
  for (const { name, node } of living) {
    for (const [scope, { own }] of node.scopes['scopes']) {
      for (const { id, pid } of own.rows.values() as Iterable<Row & { pid?: Pid }>) {
        if (!pid || !oracle.isAlive(pid) || oracle.isAlive(lives.head(pid))) continue
        const what = `${id} of ${pid}, which passes on to ${lives.head(pid)}, and that has ended`
        oracle.breaks('I2', `${name} holds ${what} (${scope})`)
      }
    }
  }
}

function checkMeshed({ oracle }: Ledgers, living: readonly ClusterMember[]): void {
  const names = living.map(({ name }) => name).sort()
  for (const member of living) {
    const seen = [member.name, ...member.citadel.nodes()].sort()
    if (seen.join() !== names.join()) {
      oracle.breaks('I1', `${member.name} is connected to [${seen.join(' ')}] only`)
    } else if (!member.node.scopes.views.settled) {
      oracle.breaks('I1', `the view of ${member.name} has not settled`)
    }
  }
}

function checkAgreement({ oracle }: Ledgers, living: readonly ClusterMember[]): void {
  const [first, ...others] = living
  if (!first) return
  const mine = describe(first)
  for (const other of others) {
    const theirs = describe(other)
    for (const [what, lines] of mine) {
      const missing = difference(lines, theirs.get(what)!)
      const extra = difference(theirs.get(what)!, lines)
      if (missing.length + extra.length === 0) continue
      const more = `only on ${first.name}: ${missing.join(' ') || '-'}; only on ${other.name}: ${extra.join(' ') || '-'}`
      oracle.breaks('I1', `${what} differ. ${more}`)
    }
  }
}

/** Everything that must be the same everywhere, as lines of text. */
function describe(member: ClusterMember): Map<string, string[]> {
  const { scopes } = member.node
  const claims = (name: string): string[] =>
    [...scopes.scope<'c'>(name).table.owners()].map(({ id, pid, epoch }) => `${id}=${pid}@${epoch}`)
  const specs = [...scopes.scope<'s'>(SPECS_SCOPE).table.rows.values()].map(
    ({ id, recipe, version, author }) => `${id}:${recipe ? 'run' : 'end'}:${version}:${author}`,
  )
  return new Map([
    ['keys', claims(REGISTRY_SCOPE)],
    ['children', claims(CHILDREN_SCOPE)],
    ['specs', specs],
    ['memberships', memberships(member, 'g:groups')],
    ['supervisor members', memberships(member, 'g:supervisors')],
  ])
}

function memberships(member: ClusterMember, name: string): string[] {
  const { table } = member.node.scopes.scope<'g'>(name)
  return [...table.groups()].flatMap((group) =>
    [...table.members(group as string)].map(({ pid, count }) => `${group}:${pid}x${count}`),
  )
}

function difference(lines: readonly string[], other: readonly string[]): string[] {
  const known = new Set(other)
  return lines.filter((line) => !known.has(line))
}

function checkRows({ oracle }: Ledgers, member: ClusterMember): void {
  for (const [name, { table, own, replica, kind }] of member.node.scopes['scopes']) {
    if ((kind as ScopeKind) === 's') continue
    const origins = [own, ...[...replica['ins'].values()].map(({ origin }) => origin)]
    for (const origin of origins) {
      for (const row of origin.rows.values() as Iterable<Row & { pid?: Pid }>) {
        if (row.pid && !oracle.isAlive(row.pid)) {
          oracle.breaks(
            'I2',
            `${member.name} holds ${row.id} of ${row.pid}, which has ended (${name})`,
          )
        }
      }
    }
    if (kind === 'c' && (table as { reserved: Map<string, unknown> }).reserved.size > 0) {
      const ids = [...(table as { reserved: Map<string, unknown> }).reserved.keys()]
      oracle.breaks('I10', `${member.name} keeps reservations of ${ids.join(' ')} (${name})`)
    }
    if (replica.busy || replica.outgoing.length > 0) {
      oracle.breaks('I10', `${member.name} still sends snapshots or removes rows (${name})`)
    }
  }
}

/** Whether every child goes where it belongs, by itself. */
const isSpread = ({ rebalance, placement }: Manner): boolean =>
  rebalance === 'auto' && placement.sticky !== true

function checkPlaces({ oracle, handoffs }: Ledgers, member: ClusterMember): void {
  for (const [id, pid] of member.supervisor.localChildren()) {
    if (Number(id) % PLAIN_EVERY === 0 || handoffs.isByHand(id)) continue
    const to = member.supervisor.nodeFor(id)
    if (to === member.name) continue
    oracle.breaks('I4', `child ${id} runs as ${pid}, and belongs on ${to}`)
  }
}

/** Of all that this node's processes claim, what the table says is somebody else's. */
function lostClaims({ node }: ClusterMember): number {
  let lost = 0
  for (const name of [REGISTRY_SCOPE, CHILDREN_SCOPE]) {
    const { own, table } = node.scopes.scope<'c'>(name)
    for (const { id } of own.rows.values()) if (table.find(id)?.origin !== own) lost++
  }
  return lost
}

function checkLeftovers({ oracle }: Ledgers, member: ClusterMember): void {
  const { scopes, kernel } = member.node
  const { arbiter } = scopes as unknown as { arbiter: Claimant | EtcdArbiter }
  const attempts =
    arbiter instanceof EtcdArbiter
      ? { asking: arbiter.claims, waiting: 0 }
      : {
          asking: arbiter['asking'].size,
          waiting: arbiter['waiting'].size,
        }
  const runner = member.supervisor['runner']
  const leftovers: Record<string, number> = {
    'claims being asked': attempts.asking,
    'claims waiting': attempts.waiting,
    'acknowledgements awaited': scopes['acknowledgements'].size,
    'late reports': scopes['lateReports'].size,
    'calls pending': kernel.counters().pendingCalls ?? 0,
    'gates, markers or unanswered calls of moves': kernel.moves.unfinished,
    'claims of what others own': lostClaims(member),
    'claims of children that have left': [
      ...scopes.scope<'c'>(CHILDREN_SCOPE).own.rows.keys(),
    ].filter((id) => !runner['children'].has(id)).length,
    'children on the move': [...runner['children']].filter(({ moving }) => moving).length,
    'children to be started': runner['starts'].size + runner['orphans'].size,
  }
  for (const [what, count] of Object.entries(leftovers)) {
    if (count > 0) oracle.breaks('I10', `${member.name}: ${count} ${what}`)
  }
  for (const { pid, kind, mailboxLength, status } of kernel.processes()) {
    if (status === 'held') oracle.breaks('I10', `${member.name}: ${pid} (${kind}) is held still`)
    if (mailboxLength > 0 && kind !== 'root') {
      oracle.breaks('I10', `${member.name}: ${mailboxLength} messages wait for ${pid} (${kind})`)
    }
  }
}
