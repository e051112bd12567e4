/**
 * What was acknowledged in the registry and the groups, and not taken back since (I9). An operation
 * whose outcome its caller does not know, or that ran beside another one on the same name, leaves
 * the name out of the check until something certain happens to it.
 */
import { CitadelError, type ErrorCode } from '../base/errors.js'
import type { Pid } from '../term/pid.js'
import type { ClusterMember } from './cluster-member.js'
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
  private readonly owners = new Map<string, Pid>()
  /** Until when something may take the key away. */
  private readonly disturbedUntil = new Map<string, number>()
  private readonly memberships = new Map<string, Membership>()

  constructor(private readonly oracle: Oracle) {}

  // Keys.

  acknowledged(key: string, pid: Pid): void {
    this.registered++
    if ((this.disturbedUntil.get(key) ?? 0) < this.oracle.now) this.owners.set(key, pid)
  }

  /** Somebody is about to unregister the key or to take it by force. */
  disturb(key: string): void {
    this.owners.delete(key)
    this.disturbedUntil.set(key, this.oracle.now + ECHO_MS)
  }

  /** Whether a living process is known to have it. */
  has(key: string): boolean {
    const pid = this.owners.get(key)
    return pid !== undefined && this.oracle.isAlive(pid)
  }

  /** The process was told that it has lost the key, and lives on. */
  takenOver(key: string, pid: Pid): void {
    if (this.owners.get(key)?.equals(pid)) this.owners.delete(key)
  }

  /** A process has gone to another node, and all its names with it. */
  moved(from: Pid, to: Pid): void {
    for (const [key, pid] of this.owners) if (pid.equals(from)) this.owners.set(key, to)
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
    for (const [key, pid] of this.owners) {
      if (!this.oracle.isAlive(pid)) continue
      for (const member of living) {
        const found = member.citadel.registry.findByKey(key)
        if (found?.equals(pid)) continue
        const what = `key ${key} of ${pid}, acknowledged and never given back`
        lost.push(`${what}, is ${found ?? 'nobody'}'s on ${member.name}`)
      }
    }
    return lost
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
