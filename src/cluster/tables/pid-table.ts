/**
 * The part that claims and memberships share: rows of processes, per origin, found by pid. The node
 * of a pid is the origin of its rows. An origin's rows become invisible the moment it is dead;
 * removing them is done in slices by the engine.
 */
import { CitadelError } from '../../base/errors.js'
import { Pid } from '../../term/pid.js'
import type { Origin, Row } from '../replication/origin.js'
import type { ChangeReason, Put, Table } from '../replication/table.js'

export interface PidRow extends Row {
  readonly pid: Pid | undefined
  /** Where it is among the rows of its process: set by the table. Quicker when it is there from the start. */
  place?: number
}

/** Most processes have one row, which then needs no list. */
type PidIndex<R> = Map<number | string, R | R[]>

export abstract class PidTable<R extends PidRow> implements Table {
  readonly owned = true
  private readonly byPid = new WeakMap<Origin, PidIndex<R>>()

  constructor(readonly own: Origin) {}

  /** What a row takes, about. */
  protected abstract weight(row: R): number
  abstract readonly isEmpty: boolean
  abstract snapshot(): Iterable<Put>
  abstract put(origin: Origin, put: Put, mark: number, reason: ChangeReason): void
  abstract delete(origin: Origin, id: string, reason: ChangeReason): void

  /** The rows of one process. */
  *rowsOfPid(origin: Origin | undefined, pid: Pid): IterableIterator<R> {
    if (!origin || origin.dead || origin.creation !== pid.creation) return
    const rows = this.byPid.get(origin)?.get(pid.key)
    // A copy: what is removed meanwhile changes the places of others.
    if (Array.isArray(rows)) yield* [...rows]
    else if (rows) yield rows
  }

  /** The rows of one node. */
  *rowsOfNode(origin: Origin | undefined): IterableIterator<R> {
    if (origin && !origin.dead) yield* origin.rows.values() as IterableIterator<R>
  }

  /** @throws CitadelError `limit_exceeded` for a row from the wire that makes those of its node too large. */
  protected checkRoom(row: R): void {
    const { origin, id } = row
    const previous = origin.rows.get(id) as R | undefined
    origin.bytes.check(origin.node, this.weight(row), previous ? this.weight(previous) : 0)
  }

  protected addRow(row: R): void {
    row.origin.weigh(this.weight(row))
    row.origin.rows.set(row.id, row)
    if (!row.pid) return
    const index: PidIndex<R> = this.byPid.get(row.origin) ?? new Map()
    if (index.size === 0) this.byPid.set(row.origin, index)
    const { key } = row.pid
    const rows = index.get(key)
    row.place = Array.isArray(rows) ? rows.length : rows ? 1 : 0
    if (rows === undefined) index.set(key, row)
    else if (Array.isArray(rows)) rows.push(row)
    else index.set(key, [rows, row])
  }

  /** A dead origin goes as a whole, with its rows and its index, so it is not taken apart. */
  protected removeRow(row: R): void {
    if (row.origin.dead) return
    if (row.origin.rows.delete(row.id)) row.origin.weigh(-this.weight(row))
    if (!row.pid) return
    const index = this.byPid.get(row.origin)
    const rows = index?.get(row.pid.key)
    if (Array.isArray(rows) && rows.length > 1) takeOut(rows, row)
    else if (rows) index?.delete(row.pid.key)
  }
}

/** The last one takes the place of the one that goes. */
function takeOut<R extends PidRow>(rows: R[], row: R): void {
  const last = rows.pop()!
  if (last === row) return
  rows[row.place!] = last
  last.place = row.place
}

/** The pid of a row from the wire: one of its origin's own, or undefined while it is starting. */
export function pidOfOrigin(value: unknown, origin: Origin): Pid | undefined {
  if (value === null) return undefined
  if (value instanceof Pid && value.node === origin.node && value.creation === origin.creation) {
    return value
  }
  throw new CitadelError('bad_format', `A row of ${origin.node} names a process of another node.`)
}
