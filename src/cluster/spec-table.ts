/**
 * Specs of children, which outlive the node that runs or wrote them: every node keeps every spec,
 * the highest version wins, and a terminated child leaves a tombstone, so that a node with an older
 * version cannot bring it back. Versions are a logical clock with the writer's name as tie-break.
 */
import { packKey, unpackKey } from './key-field.js'
import type { Origin } from './origin.js'
import type { ChangeReason, Put, Table } from './table.js'
import { checkRow, isAnything, isCount, isText, listOf } from './wire-check.js'

/** How to start a child, anywhere. Must be able to cross the wire. */
export interface ChildRecipe {
  /** The name under which member nodes offer the child's class. */
  readonly module: string
  readonly args: readonly unknown[]
  readonly restart: 'permanent' | 'transient' | 'temporary'
  readonly shutdownMs: number
  /** Who asked for this start, so that a repeated request finds its own child. */
  readonly token: string
}

const isArgs = listOf(isAnything)
const RESTARTS: readonly unknown[] = ['permanent', 'transient', 'temporary']

export function isRecipe(value: unknown): value is ChildRecipe {
  if (typeof value !== 'object' || value === null) return false
  const { module, args, restart, shutdownMs, token } = value as Partial<ChildRecipe>
  const isStartable = isText(module) && isArgs(args) && RESTARTS.includes(restart)
  return isStartable && typeof shutdownMs === 'number' && shutdownMs >= 0 && isText(token)
}

export interface SpecRow {
  readonly id: string
  /** The child's id as the user gave it. */
  readonly childId: unknown
  /** Undefined: terminated. */
  readonly recipe: ChildRecipe | undefined
  readonly version: number
  readonly author: string
  /** When this node learned of it, on its own clock: tombstones are kept for a time. */
  readonly learnedAt: number
}

export class SpecTable implements Table {
  readonly owned = false
  readonly rows = new Map<string, SpecRow>()
  versionMax = 0
  /** Oldest first. */
  private readonly tombstones = new Set<SpecRow>()

  constructor(
    private readonly now: () => number,
    private readonly onChange: (row: SpecRow) => void,
  ) {}

  *snapshot(): IterableIterator<Put> {
    for (const row of this.rows.values()) yield specPut(row)
  }

  put(origin: Origin, put: Put): void {
    const [id, childId, recipe, version, author] = put
    const isValid = (recipe === null || isRecipe(recipe)) && isCount(version) && isText(author)
    checkRow(isValid, 'spec', origin.node)
    this.merge({
      id,
      childId: unpackKey(id, childId),
      recipe: recipe === null ? undefined : (recipe as ChildRecipe),
      version: version as number,
      author: author as string,
      learnedAt: this.now(),
    })
  }

  /** Takes the row if it is newer than what is known. True when it was. */
  merge(row: SpecRow): boolean {
    const known = this.rows.get(row.id)
    if (known && !supersedes(row, known)) return false
    this.rows.set(row.id, row)
    if (!row.recipe) this.tombstones.add(row)
    if (row.version > this.versionMax) this.versionMax = row.version
    this.onChange(row)
    return true
  }

  /** What is written from now on is later than this version. */
  raiseVersion(version: number): void {
    if (version > this.versionMax) this.versionMax = version
  }

  /** Specs are never deleted by a stream: a tombstone is a put. */
  delete(_origin: Origin, _id: string, _reason: ChangeReason): void {}

  /** Forgets the tombstones learned before `learnedBefore`. */
  forgetTombstones(learnedBefore: number): void {
    for (const row of this.tombstones) {
      if (row.learnedAt >= learnedBefore) return
      this.tombstones.delete(row)
      if (this.rows.get(row.id) === row) this.rows.delete(row.id)
    }
  }
}

/** A total order: an author that was started again may give out a version a second time. */
function supersedes(a: SpecRow, b: SpecRow): boolean {
  if (a.version !== b.version) return a.version > b.version
  if (a.author !== b.author) return a.author > b.author
  if (!a.recipe || !b.recipe) return !a.recipe && b.recipe !== undefined
  return a.recipe.token > b.recipe.token
}

export function specPut(row: SpecRow): Put {
  const { id, childId, recipe, version, author } = row
  return [id, packKey(id, childId), recipe ?? null, version, author]
}
