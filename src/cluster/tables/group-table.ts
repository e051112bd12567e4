/**
 * Memberships of groups. A row counts how often its process joined, as `pg` does; the process
 * leaves with the last `leave`. No conflicts are possible, since only the process's node writes.
 */
import { CitadelError } from '../../base/errors.js'
import { frozen } from '../../term/kept.js'
import type { Pid } from '../../term/pid.js'
import type { Origin } from '../replication/origin.js'
import { rowBytes } from '../replication/row-bytes.js'
import type { ChangeReason, Put } from '../replication/table.js'
import { checkRow, ID_MAX, isCount, isRowSize, isText } from '../replication/wire-check.js'
import { packKey, unpackKey } from './key-field.js'
import { type PidRow, PidTable, pidOfOrigin } from './pid-table.js'

export interface Membership extends PidRow {
  readonly group: unknown
  /** The canonical string of `group`. */
  readonly groupId: string
  readonly pid: Pid
  readonly count: number
  readonly meta: unknown
}

export interface MembershipChange {
  readonly type: 'join' | 'leave' | 'update'
  readonly row: Membership
  readonly reason: ChangeReason
}

export function membershipId(groupId: string, pid: Pid): string {
  return `${pid.key}/${groupId}`
}

export class GroupTable extends PidTable<Membership> {
  private readonly byGroup = new Map<string, Set<Membership>>()

  constructor(
    own: Origin,
    private readonly onChange: (change: MembershipChange) => void,
  ) {
    super(own)
  }

  get isEmpty(): boolean {
    return this.byGroup.size === 0
  }

  /** How many groups have a member. */
  get size(): number {
    return this.byGroup.size
  }

  *members(groupId: string): IterableIterator<Membership> {
    const rows = this.byGroup.get(groupId)
    if (!rows) return
    for (const row of rows) if (!row.origin.dead) yield row
  }

  *groups(): IterableIterator<unknown> {
    for (const rows of this.byGroup.values()) {
      for (const row of rows) {
        if (row.origin.dead) continue
        yield row.group
        break
      }
    }
  }

  *snapshot(): IterableIterator<Put> {
    // A row written meanwhile moves to the end, and is an update anyway: those are not for a snapshot.
    for (const row of this.own.rows.present()) yield membershipPut(row as Membership)
  }

  put(origin: Origin, put: Put, mark: number, reason: ChangeReason): void {
    const [id, groupId, group, pid, count, meta] = put
    const isValid = isText(groupId) && isCount(count) && isRowSize(id, group, meta)
    checkRow(isValid && (groupId as string).length <= ID_MAX, 'membership', origin.node)
    const row = {
      id,
      groupId: groupId as string,
      group: unpackKey(groupId as string, group),
      pid: memberPid(pid, origin),
      count: count as number,
      meta: meta === null ? undefined : frozen(meta),
      origin,
      mark,
      place: 0,
    }
    this.checkRoom(row)
    this.set(row, reason)
  }

  protected weight({ id, groupId, group, meta }: Membership): number {
    return rowBytes(id, group === groupId ? id : group, meta) + groupId.length
  }

  set(row: Membership, reason: ChangeReason): void {
    const previous = row.origin.rows.get(row.id) as Membership | undefined
    if (previous) this.unlink(previous)
    this.addRow(row)
    const rows = this.byGroup.get(row.groupId)
    if (rows) rows.add(row)
    else this.byGroup.set(row.groupId, new Set([row]))
    this.onChange({ type: previous ? 'update' : 'join', row, reason })
  }

  delete(origin: Origin, id: string, reason: ChangeReason): void {
    const row = origin.rows.get(id) as Membership | undefined
    // A dead origin keeps its rows until it is forgotten as a whole.
    if (!row || !this.byGroup.get(row.groupId)?.has(row)) return
    this.unlink(row)
    this.onChange({ type: 'leave', row, reason })
  }

  private unlink(row: Membership): void {
    this.removeRow(row)
    const rows = this.byGroup.get(row.groupId)
    rows?.delete(row)
    if (rows?.size === 0) this.byGroup.delete(row.groupId)
  }
}

function memberPid(value: unknown, origin: Origin): Pid {
  const pid = pidOfOrigin(value, origin)
  if (pid) return pid
  throw new CitadelError('bad_format', `A membership of ${origin.node} names no process.`)
}

export function membershipPut(row: Membership): Put {
  const { id, groupId, group, pid, count, meta } = row
  return [id, groupId, packKey(groupId, group), pid, count, meta === undefined ? null : meta]
}
