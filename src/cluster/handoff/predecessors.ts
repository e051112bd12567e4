/**
 * Claims that children of this node have left behind where they were before. Those nodes keep them, and
 * the names of the old processes, until they hear that all members know where the child is now. They
 * hear it again and again while such a claim is to be seen: a node may have stood still when the child
 * had moved on twice, and whoever took the child over from it is not the one that tells it then.
 */
import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/log.js'
import type { ChildPort } from '../../kernel/process-port.js'
import { showKey } from '../../term/show-key.js'
import type { Child } from '../children/child.js'
import type { ChildTable } from '../children/child-table.js'
import type { Scopes } from '../scopes/scopes.js'
import type { Claim } from '../tables/claim.js'
import type { Scope } from '../tables/scope.js'
import type { MovingRows } from './moving-rows.js'

export interface PredecessorsParts {
  readonly scopes: Scopes
  readonly claims: Scope<'c'>
  readonly children: ChildTable
  readonly rows: MovingRows
  readonly processes: ChildPort
  readonly clock: Clock
  readonly log: Logger
  /** The name of the process that hears what becomes of its children, on every member. */
  readonly receiver: string
}

/** How soon a node is told again that has not let its claim go. */
const AGAIN_MS = 1_000

export class Predecessors {
  /** When the nodes of these claims were told last; undefined: they are about to be. */
  private readonly told = new WeakMap<Claim, number | undefined>()

  constructor(private readonly parts: PredecessorsParts) {}

  /** Tells the nodes of claims that this one came after, when all members know of it. */
  release({ id }: Claim, earlier: readonly Claim[]): void {
    const child = this.parts.children.get(id)
    if (!child) return
    for (const claim of earlier) if (this.isDue(claim)) void this.tell(child, claim)
  }

  private isDue(claim: Claim): boolean {
    const { scopes, clock } = this.parts
    if (!scopes.isUp(claim.origin.node)) return false
    if (!this.told.has(claim)) return true
    const at = this.told.get(claim)
    return at !== undefined && clock.now() - at >= AGAIN_MS
  }

  private async tell(child: Child, claim: Claim): Promise<void> {
    this.told.set(claim, undefined)
    const { rows, scopes, claims, clock, log, processes, receiver } = this.parts
    // What comes with the child is not begun yet when its claim is written.
    await Promise.resolve()
    await child.settling
    const known = child.pid && rows.replicated(child.pid)
    await Promise.all([known, scopes.replicated(claims, true)])
    this.told.set(claim, clock.now())
    const { id, epoch, pid, origin } = claim
    try {
      processes.cast({ name: receiver, node: origin.node }, 'released', [id, epoch, pid])
    } catch (error) {
      log.error(`${origin.node} could not be told where child ${showKey(claim.key)} is`, error)
    }
  }
}
