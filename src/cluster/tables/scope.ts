/**
 * One scope of this node: a replica, the table it fills, and who wants to hear of changes. The first
 * letter of a scope's name says what it holds, so that a node can keep scopes it has no use for
 * itself: `c:` claims, `g:` groups, `s:` specs.
 */
import { CitadelError } from '../../base/errors.js'
import type { Members } from '../replication/members.js'
import { Origin } from '../replication/origin.js'
import { Replica } from '../replication/replica.js'
import type { RowBytes } from '../replication/row-bytes.js'
import { type ClaimChange, ClaimTable } from './claim-table.js'
import { GroupTable, type MembershipChange } from './group-table.js'
import { type SpecRow, SpecTable } from './spec-table.js'
import type { Stamps } from './stamps.js'

interface Changes {
  c: ClaimChange
  g: MembershipChange
  s: SpecRow
}
interface Tables {
  c: ClaimTable
  g: GroupTable
  s: SpecTable
}
export type ScopeKind = keyof Tables

export interface Scope<K extends ScopeKind = ScopeKind> {
  readonly kind: K
  readonly own: Origin
  readonly table: Tables[K]
  readonly replica: Replica
  readonly listeners: Set<(change: Changes[K]) => void>
}

export interface ScopeOptions {
  node: string
  creation: number
  now: () => number
  logMax?: number | undefined
  stamps: Stamps
  /** What the rows of a node take, in all scopes. */
  bytesOf?: (node: string) => RowBytes
  /** The members that are connected. */
  members?: Members
  /** A row of a node was left out. */
  skipped: (node: string, why: unknown) => void
}

export function makeScope(name: string, options: ScopeOptions): Scope {
  const own = new Origin(options.node, options.creation)
  const listeners = new Set<(change: never) => void>()
  const tell = (change: unknown): void => {
    for (const listener of listeners) listener(change as never)
  }
  const table = makeTable(name, own, options, tell)
  const { now, logMax, bytesOf, members, skipped } = options
  const replica = new Replica({ scope: name, table, own, now, logMax, bytesOf, members, skipped })
  return { kind: name[0] as ScopeKind, own, table, replica, listeners } as Scope
}

function makeTable(
  name: string,
  own: Origin,
  { now, stamps }: ScopeOptions,
  tell: (change: unknown) => void,
): ClaimTable | GroupTable | SpecTable {
  switch (name.slice(0, 2)) {
    case 'c:':
      return new ClaimTable(own, tell, stamps)
    case 'g:':
      return new GroupTable(own, tell)
    case 's:':
      return new SpecTable(now, tell, stamps)
    default:
      throw new CitadelError('bad_format', `A scope named "${name}" is not of this release.`)
  }
}
