/**
 * The new side of a handoff: starts a second process with the old one's state, wins the id at the
 * arbiter over the old one's epoch, and only then lets it handle anything. If it does not win, the
 * process is discarded and was never there; docs/decisions/0010-handoff.md.
 */
import type { Clock } from '../base/clock.js'
import { CitadelError } from '../base/errors.js'
import type { Logger } from '../base/log.js'
import type { Pid } from '../term/pid.js'
import { type Child, refused } from './child.js'
import type { Claim, Lineage } from './claim.js'
import type { HandoffOffer, HandoffStep } from './handoff-offer.js'
import { lineageAt, namedLineage } from './lineage.js'
import type { MovingRows } from './moving-rows.js'
import type { ChildPort, ServerModule } from './process-port.js'
import type { Scope } from './scope.js'
import type { Scopes } from './scopes.js'
import { showKey } from './show-key.js'
import { within } from './within.js'

export interface ArrivalsParts {
  readonly scopes: Scopes
  readonly processes: ChildPort
  readonly rows: MovingRows
  readonly clock: Clock
  readonly log: Logger
  readonly claims: Scope<'c'>
  readonly modules: ReadonlyMap<string, ServerModule>
  /** The name of the process that hears what becomes of its children, on every member. */
  readonly receiver: string
  readonly handoffMs: number
  onStep(step: HandoffStep, childId: unknown): void
  /** Whether the id may still start here. */
  isWanted(offer: HandoffOffer): boolean
  /** The child is this node's: writes its claim. */
  arrived(offer: HandoffOffer, epoch: number, pid: Pid, lineage: Lineage | undefined): Child
}

export class Arrivals {
  constructor(private readonly parts: ArrivalsParts) {}

  /** Resolves with the new process once it has won. Rejects when it never will. */
  async takeOver(offer: HandoffOffer): Promise<Pid> {
    const pid = await this.start(offer)
    this.parts.onStep('started', offer.childId)
    const hasWon = await this.claim(offer, pid).catch((error: unknown) => {
      this.parts.processes.exit(pid, 'kill')
      throw error
    })
    if (!hasWon) {
      this.parts.processes.exit(pid, 'kill')
      throw notWanted(offer)
    }
    return pid
  }

  private async start(offer: HandoffOffer): Promise<Pid> {
    const { modules, processes, clock, handoffMs } = this.parts
    const { recipe, state, pid: from, childId } = offer
    const module = modules.get(recipe.module)
    if (!module || !this.parts.isWanted(offer)) throw notWanted(offer)
    const starting = processes.arrive(module, recipe.args, { state, from })
    const pid = await within(clock, handoffMs, starting)
    if (pid) return pid
    // Its `init` may still return.
    starting.then(
      (late) => processes.exit(late, 'kill'),
      () => undefined,
    )
    throw new CitadelError(
      'timeout',
      `Child ${showKey(childId)} did not start on ${this.parts.scopes.node} within ${handoffMs} ms.`,
    )
  }

  private async claim(offer: HandoffOffer, pid: Pid): Promise<boolean> {
    const { scopes, claims, handoffMs, processes } = this.parts
    const { id, epoch: over, childId } = offer
    const request = {
      scope: claims.replica.scope,
      id,
      pid: undefined,
      force: false,
      over,
      // Whoever decides may be frozen: the old process is to go on before its node gives up waiting.
      timeoutMs: handoffMs / 2,
    }
    let hasWon = false
    const outcome = await scopes.claim(request, (epoch, known) => {
      this.parts.onStep('granted', childId)
      if (!this.parts.isWanted(offer) || !processes.isAlive(pid)) return false
      hasWon = true
      const before = claims.table.find(id)
      const after = lineageAt(epoch, before, known, namedLineage(offer.lineage))
      this.commit(offer, epoch, pid, after)
      return true
    })
    if (outcome.type !== 'granted') throw refused(childId, outcome)
    return hasWon
  }

  /** From here on the child is this node's. What nodes sent it by the old way comes first. */
  private commit(offer: HandoffOffer, epoch: number, pid: Pid, lineage: Lineage | undefined): void {
    const { scopes, processes, rows } = this.parts
    const via = offer.pid.node
    const earlier = (this.parts.claims.own.rows.get(offer.id) as Claim | undefined)?.pid
    const child = this.parts.arrived(offer, epoch, pid, lineage)
    rows.bring(pid, offer)
    // It is back before word has come that all knew of its leaving: that claim is written over now.
    if (earlier) rows.release(earlier)
    const awaited = scopes.isUp(via) ? [...scopes.reachable(), scopes.node] : []
    processes.admit(pid, via, awaited)
    this.parts.onStep('committed', offer.childId)
    if (offer.keys.length > 0) child.settling = this.bring(child, offer, pid)
  }

  private async bring(child: Child, offer: HandoffOffer, pid: Pid): Promise<void> {
    // The row that names the successor goes out first: to the old node, which has not seen it, the
    // keys would be taken by a stranger, and it would end the old process for that.
    await this.parts.scopes.changed()
    await this.parts.rows.bringKeys(pid, offer).catch((error: unknown) => {
      this.parts.log.error(`the keys of child ${showKey(offer.childId)} did not all come`, error)
    })
    child.settling = undefined
  }
}

function notWanted({ childId }: HandoffOffer): CitadelError {
  return new CitadelError(
    'no_placement',
    `Child ${showKey(childId)} cannot run there: its class is not offered, it was terminated, or the node leaves.`,
  )
}
