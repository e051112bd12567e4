/**
 * The scopes of a node. Those that it uses itself are there from then on. A node also keeps what
 * other members name, since specs outlive their writers; but each member may name only so many, of
 * which few may be empty, and one that is not used goes with the member that named it.
 */
import { CitadelError } from '../../base/errors.js'
import { Members } from '../replication/members.js'
import { RowBytesOfNodes } from '../replication/row-bytes.js'
import { ClaimTable } from '../tables/claim-table.js'
import { makeScope, type Scope, type ScopeKind, type ScopeOptions } from '../tables/scope.js'

export interface ScopeSetParts extends ScopeOptions {
  /** Epochs and versions begin there. */
  readonly startedAt: number
  /** One has come. */
  created(name: string, scope: Scope): void
  /** This node uses it from now on. */
  used(scope: Scope): void
  isMember(node: string): boolean
  /** A member names more than it may. */
  refused(node: string): void
}

const USED_MAX = 10_000
/** What one member may have named that this node does not use. */
const NAMED_MAX = 1_000
const EMPTY_MAX = 100
/** What all members may have named, those included that are gone: claims are remembered. */
const FOREIGN_MAX = 4_000

export class ScopeSet {
  private readonly all = new Map<string, Scope>()
  private readonly bytes = new RowBytesOfNodes()
  readonly members = new Members()
  /** The scopes that this node does not use, by the member that named each first. */
  private readonly foreign = new Map<string, string>()

  constructor(private readonly parts: ScopeSetParts) {}

  /** The scope of that name, which this node uses from now on. */
  use<K extends ScopeKind>(name: string): Scope<K> {
    if (!this.all.has(name) && this.all.size - this.foreign.size >= USED_MAX) {
      throw new CitadelError(
        'limit_exceeded',
        `There are ${USED_MAX} scopes already; stop some supervisors.`,
      )
    }
    const known = this.all.get(name)
    const isNew = !known || this.foreign.delete(name)
    const scope = known ?? this.make(name)
    if (isNew) this.parts.used(scope)
    return scope as unknown as Scope<K>
  }

  /** The scope that `node` names; undefined: that would be one too many of it. */
  named(name: string, node: string): Scope | undefined {
    const known = this.all.get(name)
    if (known) return known
    if (!this.mayName(node)) {
      this.parts.refused(node)
      return undefined
    }
    this.foreign.set(name, node)
    return this.make(name)
  }

  /**
   * The same for one name after another of the same message. After the first one too many it gives
   * known scopes only: to count for each of thousands of names would hold the node up.
   */
  namer(node: string): (name: string) => Scope | undefined {
    let isFull = false
    return (name) => {
      const scope = isFull ? this.all.get(name) : this.named(name, node)
      isFull ||= scope === undefined
      return scope
    }
  }

  private mayName(node: string): boolean {
    if (this.foreign.size >= FOREIGN_MAX) return false
    let named = 0
    let empty = 0
    for (const [name, by] of this.foreign) {
      if (by !== node) continue
      named++
      if (!isUsed(this.all.get(name)!)) empty++
    }
    return named < NAMED_MAX && empty < EMPTY_MAX
  }

  [Symbol.iterator](): IterableIterator<[string, Scope]> {
    return this.all[Symbol.iterator]()
  }

  values(): IterableIterator<Scope> {
    return this.all.values()
  }

  /** Those that other members are told of, this node's own first. */
  *told(): IterableIterator<[string, Scope]> {
    for (const entry of this.all) if (!this.foreign.has(entry[0])) yield entry
    for (const name of this.foreign.keys()) {
      const scope = this.all.get(name)!
      if (isUsed(scope)) yield [name, scope]
    }
  }

  *replicas(): IterableIterator<Scope['replica']> {
    for (const { replica } of this.all.values()) yield replica
  }

  *claimScopes(): IterableIterator<Scope<'c'>> {
    for (const scope of this.all.values()) {
      if (scope.kind === 'c') yield scope as unknown as Scope<'c'>
    }
  }

  /** Forgets what members that are gone have named and nobody has a row in. */
  sweep(): void {
    for (const [name, node] of this.foreign) {
      const scope = this.all.get(name)!
      if (this.parts.isMember(node) || isUsed(scope) || scope.replica.busy) continue
      this.foreign.delete(name)
      this.all.delete(name)
    }
  }

  private make(name: string): Scope {
    const { members } = this
    const scope = makeScope(name, {
      bytesOf: (node) => this.bytes.of(node),
      members,
      ...this.parts,
    })
    this.all.set(name, scope)
    if (scope.kind === 'c') (scope as Scope<'c'>).table.sawEpoch(this.parts.startedAt)
    if (scope.kind === 's') (scope as Scope<'s'>).table.raiseVersion(this.parts.startedAt)
    this.parts.created(name, scope)
    return scope
  }
}

/** Somebody has a row there, or a claim had one: its epochs are remembered. */
const isUsed = ({ table }: Scope): boolean =>
  !table.isEmpty || (table instanceof ClaimTable && table.wasWritten)
