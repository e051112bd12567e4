/**
 * Claims that children of this node have left behind where they were before. Those nodes keep them, and
 * the names of the old processes, until they hear that all members know where the child is now. They
 * hear it again and again while such a claim is to be seen: a node may have stood still when the child
 * had moved on twice, and whoever took the child over from it is not the one that tells it then.
 */
import type { Child } from './child.js'
import type { ChildTable } from './child-table.js'
import type { Claim } from './claim.js'
import type { MovingRows } from './moving-rows.js'
import type { ChildPort } from './process-port.js'
import type { Scope } from './scope.js'
import type { Scopes } from './scopes.js'

export interface PredecessorsParts {
  readonly scopes: Scopes
  readonly claims: Scope<'c'>
  readonly children: ChildTable
  readonly rows: MovingRows
  readonly processes: ChildPort
  /** The name of the process that hears what becomes of its children, on every member. */
  readonly receiver: string
}

export class Predecessors {
  /** Those whose nodes are about to be told. */
  private readonly telling = new Set<Claim>()

  constructor(private readonly parts: PredecessorsParts) {}

  /** Tells the nodes of claims that this one came after, when all members know of it. */
  release({ id }: Claim, earlier: readonly Claim[]): void {
    const child = this.parts.children.get(id)
    if (!child) return
    for (const claim of earlier) if (!this.telling.has(claim)) void this.tell(child, claim)
  }

  private async tell(child: Child, claim: Claim): Promise<void> {
    this.telling.add(claim)
    const { rows, scopes, claims, processes, receiver } = this.parts
    // What comes with the child is not begun yet when its claim is written.
    await Promise.resolve()
    await child.settling
    await rows.replicated()
    await scopes.replicated(claims, true)
    const { id, epoch, pid, origin } = claim
    processes.cast({ name: receiver, node: origin.node }, 'released', [id, epoch, pid])
    this.telling.delete(claim)
  }
}
