/**
 * What was acknowledged in the registry and the groups, and not taken back since (I9). An operation
 * whose outcome its caller does not know, or that ran beside another one on the same name, leaves
 * the name out of the check until something certain happens to it.
 */
import { CitadelError, type ErrorCode } from '../../src/base/errors.js'
import type { Pid } from '../../src/term/pid.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import { type Oracle, pidKey } from './oracle.js'

export interface Membership {
  readonly group: string
  readonly pid: Pid
  count: number
  pending: number
  uncertain: boolean
}

/** An operation that failed in one of these ways did nothing. */
const NOTHING_DONE: ReadonlySet<ErrorCode> = new Set(['noproc', 'already_registered', 'not_found'])
/** How long an operation with an unknown outcome may still have effects. */
const ECHO_MS = 60_000

export class NameLedger {
  registered = 0
  joined = 0
  /** By key, all who were told that they have it: on each side of a split somebody else may be. */
  private readonly owners = new Map<string, Pid[]>()
  /** Until when something may take the key away. */
  private readonly disturbedUntil = new Map<string, number>()
  private readonly memberships = new Map<string, Membership>()

  constructor(private readonly oracle: Oracle) {}

  // Keys.

  acknowledged(key: string, pid: Pid): void {
    this.registered++
    if ((this.disturbedUntil.get(key) ?? 0) >= this.oracle.now) return
    this.owners.set(key, [...this.living(key).filter((one) => !one.equals(pid)), pid])
  }

  /** Somebody is about to unregister the key or to take it by force. */
  disturb(key: string): void {
    this.owners.delete(key)
    this.disturbedUntil.set(key, this.oracle.now + ECHO_MS)
  }

  /** Whether a living process is known to have it. */
  has(key: string): boolean {
    return this.living(key).length > 0
  }

  private living(key: string): Pid[] {
    return this.owners.get(key)?.filter((pid) => this.oracle.isAlive(pid)) ?? []
  }

  /** The process was told that it has lost the key, and lives on. */
  takenOver(key: string, pid: Pid): void {
    const others = this.owners.get(key)?.filter((one) => !one.equals(pid))
    if (others) this.owners.set(key, others)
  }

  /** It works no more. What has not gone along by now was lost to the other side of a split. */
  passesOn(pid: Pid): void {
    for (const key of this.owners.keys()) this.takenOver(key, pid)
  }

  /** A process has gone to another node, and all its names with it. */
  moved(from: Pid, to: Pid): void {
    for (const [key, pids] of this.owners) {
      const after = pids.map((pid) => (pid.equals(from) ? to : pid))
      this.owners.set(key, after)
    }
    for (const row of [...this.memberships.values()]) {
      if (!row.pid.equals(from)) continue
      this.memberships.delete(`${row.group}/${pidKey(from)}`)
      const key = `${row.group}/${pidKey(to)}`
      const own = this.memberships.get(key)
      const merged = own ?? { ...row, pid: to, pending: 0, uncertain: row.pending > 0 }
      if (own) merge(own, row)
      this.memberships.set(key, merged)
    }
  }

  // Groups.

  begin(group: string, pid: Pid): Membership {
    const key = `${group}/${pidKey(pid)}`
    const fresh = { group, pid, count: 0, pending: 0, uncertain: false }
    const row = this.memberships.get(key) ?? fresh
    this.memberships.set(key, row)
    if (row.pending > 0) row.uncertain = true
    row.pending++
    return row
  }

  end(row: Membership, change: 1 | -1, error: unknown): void {
    row.pending--
    if (error === undefined) row.count = Math.max(0, row.count + change)
    else if (!(error instanceof CitadelError) || !NOTHING_DONE.has(error.code)) row.uncertain = true
    if (error === undefined && change === 1) this.joined++
  }

  // The end.

  check(living: readonly ClusterMember[]): void {
    for (const what of this.lost(living)) this.oracle.breaks('I9', what)
    for (const row of this.memberships.values()) this.checkMembership(row, living)
  }

  /** Every acknowledged key that is not its owner's on some node, as a sentence. */
  lost(living: readonly ClusterMember[]): string[] {
    const lost: string[] = []
    for (const key of this.owners.keys()) {
      for (const pid of this.living(key)) lost.push(...this.lostBy(pid, key, living))
    }
    return lost
  }

  private lostBy(pid: Pid, key: string, living: readonly ClusterMember[]): string[] {
    const what = `key ${key} of ${pid}, acknowledged and never given back`
    return living.flatMap(({ name, citadel }) => {
      const owner = citadel.registry.findByKey(key)
      return owner?.equals(pid) ? [] : [`${what}, is ${owner ?? 'nobody'}'s on ${name}`]
    })
  }

  private checkMembership(row: Membership, living: readonly ClusterMember[]): void {
    const { group, pid, count, pending, uncertain } = row
    // What still runs belongs to a caller that is gone.
    if (uncertain || pending > 0 || !this.oracle.isAlive(pid)) return
    for (const member of living) {
      const listed = member.citadel.groups.members(group).some((one) => one.equals(pid))
      if (listed === count > 0) continue
      const what = `${pid} joined ${group} ${count} times more than it left`
      this.oracle.breaks('I9', `${what}, and ${member.name} ${listed ? 'lists' : 'lacks'} it`)
    }
  }
}

/** What its old self had joined: it may have joined once more while it was started. */
function merge(own: Membership, old: Membership): void {
  own.count += old.count
  own.uncertain ||= old.uncertain || old.pending > 0
}
