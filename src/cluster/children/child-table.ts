/** The children that this node runs, and their claims: its rows in the supervisor's table. */
import { RestartIntensity } from '../../process/restart-intensity.js'
import type { Pid } from '../../term/pid.js'
import type { Scopes } from '../scopes/scopes.js'
import type { Claim, Lineage } from '../tables/claim.js'
import { lineageAfter } from '../tables/lineage.js'
import type { Scope } from '../tables/scope.js'
import type { ChildRecipe } from '../tables/spec-table.js'
import { type Child, makeChild, type OwnIdentity } from './child.js'

export class ChildTable {
  private readonly children = new Map<string, Child>()

  constructor(
    private readonly scopes: Scopes,
    private readonly claims: Scope<'c'>,
    private readonly options: { supervisor: string; maxRestarts: number; maxSeconds: number },
  ) {}

  get size(): number {
    return this.children.size
  }

  get(id: string): Child | undefined {
    return this.children.get(id)
  }

  has(id: string): boolean {
    return this.children.has(id)
  }

  /** Whether this very child is still the one of its id. */
  holds(child: Child): boolean {
    return this.children.get(child.id) === child
  }

  ids(): string[] {
    return [...this.children.keys()]
  }

  /** The processes that run, by the ids users gave. */
  running(): Map<unknown, Pid> {
    const running = new Map<unknown, Pid>()
    for (const { childId, pid } of this) if (pid) running.set(childId, pid)
    return running
  }

  [Symbol.iterator](): IterableIterator<Child> {
    return this.children.values()
  }

  add(id: string, identity: OwnIdentity, recipe: ChildRecipe, lineage?: Lineage): Child {
    const { maxRestarts, maxSeconds } = this.options
    const intensity = new RestartIntensity(maxRestarts, maxSeconds)
    const child = makeChild(id, identity, recipe, intensity, lineage)
    this.children.set(id, child)
    return child
  }

  /** What the process of a child is to know of itself. */
  identity(childId: unknown, epoch: number): OwnIdentity {
    return { id: childId, supervisor: this.options.supervisor, epoch }
  }

  /** The child is not this node's any more; its claim stays until `forgetClaim`. */
  release(child: Child): void {
    if (this.holds(child)) this.children.delete(child.id)
    child.hasStopped()
  }

  /** The child is over here, and its id is free. */
  discard(child: Child): void {
    child.stopping = true
    if (this.holds(child)) {
      this.children.delete(child.id)
      this.forgetClaim(child.id)
    }
    child.hasStopped()
  }

  writeClaim(child: Child, meta: unknown = child.trial): void {
    const { id, childId: key, pid, epoch, lineage } = child
    const { own: origin } = this.claims
    const claim = { id, key, pid, epoch, forced: false, meta, lineage, origin, mark: 0, place: 0 }
    this.scopes.putClaim(this.claims, claim)
  }

  /** It stays here after all, with a new epoch. */
  keep(child: Child, epoch: number): void {
    const own = this.ownClaim(child.id)
    child.lineage = own && lineageAfter(own)
    child.epoch = epoch
    this.writeClaim(child)
  }

  /** It has won against others, and has a later epoch for that. */
  renew(own: Claim, epoch: number, lineage: Lineage): boolean {
    const child = this.get(own.id)
    if (!child || child.stopping || child.moving || child.epoch !== own.epoch) return false
    child.epoch = epoch
    child.lineage = lineage
    this.scopes.putClaim(this.claims, { ...own, epoch, lineage })
    return true
  }

  ownClaim(id: string): Claim | undefined {
    return this.claims.own.rows.get(id) as Claim | undefined
  }

  /** `conflict` tells those who do not see the owner yet that the id is not free. */
  forgetClaim(id: string): void {
    const owner = this.claims.table.find(id)
    const isLost = owner !== undefined && owner.origin !== this.claims.own
    this.scopes.deleteOwn(this.claims, id, isLost ? 'conflict' : 'normal')
  }
}
