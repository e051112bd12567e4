/**
 * Specs of children, which outlive the node that runs or wrote them: every node keeps every spec,
 * the highest version wins, and a terminated child leaves a tombstone, so that a node with an older
 * version cannot bring it back. Versions are a logical clock with the writer's name as tie-break.
 * Tables are compared by digests of the living specs and of all: a tombstone may be forgotten here
 * sooner than there, and where one is still needed, the living specs differ.
 */

import { frozen } from '../../term/kept.js'
import { fingerprint } from '../placement/hash.js'
import type { Origin } from '../replication/origin.js'
import { type RowBytes, rowBytes } from '../replication/row-bytes.js'
import { addHash, RowDigests } from '../replication/row-digests.js'
import type { ChangeReason, Digests, Put, SharedTable } from '../replication/table.js'
import {
  checkRow,
  isAnything,
  isAtMost,
  isCount,
  isRowSize,
  isSpan,
  isText,
  listOf,
} from '../replication/wire-check.js'
import { packKey, unpackKey } from './key-field.js'
import { anyStamps } from './stamps.js'
import { Tombstones } from './tombstones.js'

/** How to start a child, anywhere. Must be able to cross the wire. */
export interface ChildRecipe {
  /** The name under which member nodes offer the child's class. */
  readonly module: string
  readonly args: readonly unknown[]
  readonly restart: 'permanent' | 'transient' | 'temporary'
  readonly shutdownMs: number
  /** Who asked for this start, so that a repeated request finds its own child. */
  readonly token: string
  /** Nodes on which it crashed too often: it runs elsewhere if it can. */
  readonly avoid?: readonly string[]
}

const isArgs = listOf(isAnything)
const areNodes = listOf(isText)
const RESTARTS: readonly unknown[] = ['permanent', 'transient', 'temporary']

export function isRecipe(value: unknown): value is ChildRecipe {
  if (typeof value !== 'object' || value === null) return false
  const { module, args, restart, shutdownMs, token, avoid = [] } = value as Partial<ChildRecipe>
  const isStartable = isText(module) && isArgs(args) && RESTARTS.includes(restart)
  return isStartable && areNodes(avoid) && isSpan(shutdownMs) && isText(token)
}

export interface SpecRow {
  readonly id: string
  /** The child's id as the user gave it. */
  readonly childId: unknown
  /** Undefined: terminated. */
  readonly recipe: ChildRecipe | undefined
  readonly version: number
  readonly author: string
  /** When this node learned of it, on its own clock; of a tombstone, when it was written. */
  readonly learnedAt: number
  /** To whom it is charged: the node from which it came. */
  readonly charged?: RowBytes
}

/** What 64 KiB of arguments come to at most as `isAtMost` counts. */
const ARGS_MAX = 600_000
/** How many tombstones are forgotten at a time. */
const FORGET_MAX = 1_000

export class SpecTable implements SharedTable {
  readonly owned = false
  readonly rows = new Map<string, SpecRow>()
  versionMax = 0
  private readonly all = new RowDigests()
  /** The digest of the tombstones. */
  private ended = 0
  private readonly tombstones = new Tombstones<SpecRow>()

  constructor(
    private readonly now: () => number,
    private readonly onChange: (row: SpecRow) => void,
    private readonly stamps = anyStamps,
  ) {}

  get isEmpty(): boolean {
    return this.rows.size === 0
  }

  *snapshot(): IterableIterator<Put> {
    for (const row of this.rows.values()) yield this.agedPut(row)
  }

  put(origin: Origin, put: Put): void {
    const [id, childId, recipe, version, author] = put
    const isEnd = recipe === null || isCount(recipe)
    const isStart =
      isRecipe(recipe) && isRowSize(id, childId, undefined) && isAtMost(recipe.args, ARGS_MAX)
    const isValid = (isEnd || isStart) && this.isVersion(version) && isText(author)
    checkRow(isValid, 'spec', origin.node)
    const row: SpecRow = {
      id,
      childId: unpackKey(id, childId),
      recipe: isEnd ? undefined : frozen(recipe as ChildRecipe),
      version: version as number,
      author: author as string,
      learnedAt: this.now() - (isEnd ? ((recipe as number | null) ?? 0) : 0),
      charged: origin.bytes,
    }
    const known = this.rows.get(id)
    // What the one from whom it came first has paid for is free.
    if (!known || supersedes(row, known)) {
      origin.bytes.check(origin.node, weightOf(row), known ? weightOf(known) : 0)
    }
    this.merge(row)
  }

  /** One from which nobody could go on would be the last word on its id. */
  private isVersion(value: unknown): boolean {
    return isCount(value) && this.stamps.mayRaise(value as number)
  }

  /** Takes the row if it is newer than what is known. True when it was. */
  merge(row: SpecRow): boolean {
    const known = this.rows.get(row.id)
    if (known && !supersedes(row, known)) return false
    if (known && !known.recipe) this.dropTombstone(known)
    const hash = hashOf(row)
    charge(known, -1)
    charge(row, 1)
    this.rows.set(row.id, row)
    this.all.set(row.id, hash)
    if (!row.recipe) {
      this.tombstones.add(row)
      this.ended = addHash(this.ended, hash)
    }
    this.raiseVersion(row.version)
    this.onChange(row)
    return true
  }

  /** What is written from now on is later than this version. */
  raiseVersion(version: number): void {
    if (version > this.versionMax && this.stamps.mayRaise(version)) this.versionMax = version
  }

  /** Specs are never deleted by a stream: a tombstone is a put. */
  delete(_origin: Origin, _id: string, _reason: ChangeReason): void {}

  get digests(): Digests {
    const { total } = this.all
    return { living: addHash(total, -this.ended), all: total }
  }

  partDigests(): number[] {
    return this.all.list()
  }

  rowsWhereOther(partDigests: readonly number[]): Iterable<Put> {
    return this.putsOf(this.all.idsWhereOther(partDigests))
  }

  private *putsOf(ids: Iterable<string>): IterableIterator<Put> {
    for (const id of ids) yield this.agedPut(this.rows.get(id)!)
  }

  /** Forgets tombstones written before `writtenBefore`; where there are many, the rest next time. */
  forgetTombstones(writtenBefore: number): void {
    let count = 0
    for (const row of this.tombstones.olderThan(writtenBefore)) {
      if (++count > FORGET_MAX) return
      this.dropTombstone(row)
      charge(row, -1)
      this.rows.delete(row.id)
      this.all.delete(row.id)
    }
  }

  private dropTombstone(row: SpecRow): void {
    this.tombstones.delete(row)
    this.ended = addHash(this.ended, -hashOf(row))
  }

  /** A tombstone keeps its age on its way from node to node, or some would be kept for ever. */
  private agedPut(row: SpecRow): Put {
    const put = specPut(row)
    if (row.recipe) return put
    const [id, childId, , version, author] = put
    const ageMs = Math.max(0, Math.floor(this.now() - row.learnedAt))
    return [id, childId, ageMs, version, author]
  }
}

const weightOf = ({ id, childId, recipe, author }: SpecRow): number =>
  rowBytes(id, childId, recipe) + author.length

function charge(row: SpecRow | undefined, sign: 1 | -1): void {
  if (row?.charged) row.charged.total += sign * weightOf(row)
}

/** A total order: an author that was started again may give out a version a second time. */
function supersedes(a: SpecRow, b: SpecRow): boolean {
  if (a.version !== b.version) return a.version > b.version
  if (a.author !== b.author) return a.author > b.author
  if (!a.recipe || !b.recipe) return !a.recipe && b.recipe !== undefined
  return a.recipe.token > b.recipe.token
}

/** Of all by which one row supersedes another. */
const hashOf = ({ id, version, author, recipe }: SpecRow): number =>
  Math.floor(fingerprint(`${version} ${author} ${recipe ? `+${recipe.token}` : ''} ${id}`) / 2)

/** The row of one just written. */
export function specPut(row: SpecRow): Put {
  const { id, childId, recipe, version, author } = row
  return [id, packKey(id, childId), recipe ?? null, version, author]
}
