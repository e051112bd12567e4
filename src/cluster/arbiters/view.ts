/**
 * The view machine: who this node believes the members are, and whether all of them report the same
 * belief. A view is *settled* here when every other member has reported it and this node has applied
 * all rows that they had written before they reported. Invariant: `history` holds every view since
 * the last settled one, oldest first, the current one last; the arbiter asks the home of each of
 * them (docs/decisions/0004-mesh-arbiter.md says why that is enough).
 */
import { fingerprint } from '../placement/hash.js'
import type { PlacementMember } from '../placement/placement.js'

export interface View {
  /** The same on all nodes with the same members. */
  readonly id: number
  readonly members: readonly PlacementMember[]
  /** Which start of a member this view means; undefined: it is no member. */
  creationOf(node: string): number | undefined
}

export function makeView(members: ReadonlyMap<string, number>): View {
  const creations = new Map(members)
  const names = [...creations.keys()].sort()
  return {
    id: fingerprint(names.map((name) => `${name}#${creations.get(name)}`).join(' ')),
    members: names.map((node) => ({ node, weight: 1, roles: [], children: 0 })),
    creationOf: (node) => creations.get(node),
  }
}

/** Above this many unsettled views claims wait: the cluster changes faster than it can agree. */
const HISTORY_MAX = 16

export class ViewTracker {
  private readonly creations = new Map<string, number>()
  private readonly reported = new Map<string, number>()
  private views: View[]
  /** Grows with every change of the view, so that a view that comes back is told from its first time. */
  changes = 0

  constructor(
    private readonly self: string,
    creation: number,
  ) {
    this.creations.set(self, creation)
    this.views = [makeView(this.creations)]
  }

  get current(): View {
    return this.views[this.views.length - 1]!
  }

  get history(): readonly View[] {
    return this.views
  }

  get settled(): boolean {
    return this.views.length === 1
  }

  get overrun(): boolean {
    return this.views.length > HISTORY_MAX
  }

  /** A member came, or came back as another creation. True when the view changed. */
  add(node: string, creation: number): boolean {
    if (this.creations.get(node) === creation) return false
    this.creations.set(node, creation)
    return this.changed()
  }

  /** A member is dead. True when the view changed. */
  remove(node: string, creation: number): boolean {
    if (this.creations.get(node) !== creation) return false
    this.creations.delete(node)
    this.reported.delete(node)
    return this.changed()
  }

  /** A member's report, counted only once this node has applied what came before it. */
  report(node: string, viewId: number): void {
    if (!this.creations.has(node)) return
    this.reported.set(node, viewId)
    this.settle()
  }

  /** All members have told their rows on their present connections, whatever view they reported. */
  get allReported(): boolean {
    return this.reported.size + 1 >= this.creations.size
  }

  hasReported(node: string): boolean {
    return this.reported.has(node)
  }

  /** Its connection went down: what it reported is not current any more. */
  forget(node: string): void {
    this.reported.delete(node)
  }

  private changed(): boolean {
    // Should the view come back to what it was, only a new report of it counts.
    const { id } = this.current
    for (const [node, reported] of this.reported) if (reported === id) this.reported.delete(node)
    this.changes++
    this.views.push(makeView(this.creations))
    this.settle()
    return true
  }

  private settle(): void {
    const { id } = this.current
    for (const node of this.creations.keys()) {
      if (node !== this.self && this.reported.get(node) !== id) return
    }
    this.views = [this.current]
  }
}
