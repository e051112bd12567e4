/**
 * What follows when a child of this node has crashed: it is started again here, after a while that
 * grows, or on another node, or it is given up. Its neighbours notice nothing of it.
 */
import { details } from '../../base/error-text.js'
import type { Logger } from '../../base/log.js'
import type { World } from '../../base/world.js'
import { describeReason, errorOf } from '../../process/exit-reason.js'
import type { Pid } from '../../term/pid.js'
import { showKey } from '../../term/show-key.js'
import type { Child } from '../children/child.js'
import type { ChildEvents } from '../children/child-events.js'
import type { ChildRecipe } from '../tables/spec-table.js'
import type { SupervisorMembers } from './supervisor-members.js'

export interface RestartOptions {
  /** More restarts of one child than this within `maxSeconds`, and it is given up. */
  maxRestarts: number
  maxSeconds: number
  /** The first crash restarts at once, later ones after about this, doubling up to `backoffMaxMs`. */
  backoffMs: number
  backoffMaxMs: number
  /** After so many crashes within `maxSeconds` on one node the child is started on another one. */
  elsewhereAfter: number
}

export interface RestartsParts {
  readonly supervisor: string
  readonly members: SupervisorMembers
  readonly events: ChildEvents
  readonly world: World
  readonly log: Logger
  readonly scopes: { readonly node: string }
}

/** What a child's runner does with it. */
export interface RestartActions {
  start(child: Child): Promise<Pid>
  /** It runs here no more. */
  discard(child: Child): void
  terminate(child: Child): void
  respecify(child: Child, recipe: ChildRecipe): void
}

export class Restarts {
  constructor(
    private readonly parts: RestartsParts,
    private readonly options: RestartOptions,
    private readonly actions: RestartActions,
  ) {}

  restart(child: Child, reason: unknown): void {
    const { world, events, scopes } = this.parts
    events.tell({ type: 'crashed', id: child.childId, node: scopes.node, reason })
    if (!child.intensity.allows(world.clock.now())) return this.giveUp(child, reason)
    const crashes = child.intensity.count
    if (crashes >= this.options.elsewhereAfter && this.sendElsewhere(child)) return
    if (crashes === 1) this.again(child)
    else world.clock.after(this.delay(crashes), () => this.again(child))
  }

  /** Children that crashed together do not come back together. */
  private delay(crashes: number): number {
    const { backoffMs, backoffMaxMs } = this.options
    const jitter = 0.75 + 0.5 * this.parts.world.random.float()
    return jitter * Math.min(backoffMaxMs, backoffMs * 2 ** (crashes - 2))
  }

  private again(child: Child): void {
    const { events, scopes } = this.parts
    if (child.stopping) return this.actions.discard(child)
    this.actions.start(child).then(
      (pid) => events.tell({ type: 'restarted', id: child.childId, node: scopes.node, pid }),
      (error) => {
        if (child.stopping) this.actions.discard(child)
        else this.restart(child, error)
      },
    )
  }

  private giveUp(child: Child, reason: unknown): void {
    const { log, events, supervisor, scopes } = this.parts
    const { maxRestarts, maxSeconds } = this.options
    log.error(
      `Supervisor ${supervisor}: child ${showKey(child.childId)} ended more than ${maxRestarts} times in ` +
        `${maxSeconds} s and is given up, the last time by ${describeReason(reason)}; start it again ` +
        'when its cause is mended.',
      details(errorOf(reason)),
    )
    events.tell({ type: 'gave_up', id: child.childId, node: scopes.node, reason })
    this.actions.discard(child)
    this.actions.terminate(child)
  }

  /** This node is perhaps what is wrong with it. False: no other one may run it. */
  private sendElsewhere(child: Child): boolean {
    const { members, scopes } = this.parts
    const { id, recipe } = child
    const avoid = [...(recipe.avoid ?? []), scopes.node]
    let to: string | undefined
    try {
      to = members.nodeFor(id, recipe.module, { avoid })
    } catch (error) {
      this.parts.log.error(`child ${showKey(child.childId)} stays on its node`, error)
    }
    if (to === undefined || avoid.includes(to)) return false
    this.actions.respecify(child, { ...recipe, avoid })
    this.actions.discard(child)
    return true
  }
}
