/**
 * The new side of a handoff: is granted the id over the old one's epoch, and its keys, starts a second
 * process with the old one's state and its own tokens, and only then takes the grants and lets it handle
 * anything. If it does not win, the process is discarded; docs/decisions/0010-handoff.md and 0021.
 */
import type { Clock } from '../../base/clock.js'
import { CitadelError } from '../../base/errors.js'
import type { Logger } from '../../base/log.js'
import { within } from '../../base/within.js'
import type { ChildPort, ServerModule } from '../../kernel/process-port.js'
import { copied } from '../../term/kept.js'
import type { Pid } from '../../term/pid.js'
import { showKey } from '../../term/show-key.js'
import type { Refusal } from '../arbiters/arbiter.js'
import { type Child, type OwnIdentity, refused } from '../children/child.js'
import type { Coming } from '../registry/coming-keys.js'
import type { Scopes } from '../scopes/scopes.js'
import type { Claim, Lineage } from '../tables/claim.js'
import { lineageAt, namedLineage } from '../tables/lineage.js'
import type { Scope } from '../tables/scope.js'
import { type HandoffOffer, type HandoffStep, MAY_HAVE_WON } from './handoff-offer.js'
import type { MovingRows } from './moving-rows.js'

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
  arrived(offer: HandoffOffer, arrival: Arrival): Child
  identity(childId: unknown, epoch: number): OwnIdentity
}

/** How far a process has come. */
interface Begun {
  identity?: OwnIdentity
  keys?: Coming
  pid?: Pid
  failure?: unknown
  hasWon?: boolean
}

/** A process that has won. */
export interface Arrival {
  readonly pid: Pid
  readonly identity: OwnIdentity
  readonly lineage: Lineage | undefined
}

export class Arrivals {
  /** Those that begin, by id, with what they know of themselves. */
  private readonly arriving = new Map<string, OwnIdentity>()

  constructor(private readonly parts: ArrivalsParts) {}

  /** Resolves with the new process once it has won. Rejects when it never will. */
  async takeOver(offer: HandoffOffer): Promise<Pid> {
    const { modules, scopes, claims, handoffMs } = this.parts
    const { id, childId, epoch: over } = offer
    const module = modules.get(offer.recipe.module)
    if (!module || !this.parts.isWanted(offer)) throw notWanted(offer)
    const { scope } = claims.replica
    // Whoever decides may be frozen: the old process is to go on before its node gives up waiting.
    const timeoutMs = handoffMs / 2
    const request = { scope, id, pid: undefined, force: false, over, timeoutMs }
    const begun: Begun = {}
    const outcome = await scopes.claim(
      request,
      (epoch, known) => {
        const { identity, pid, keys } = begun
        if (!identity || !pid || !keys || !this.isUsable(offer, pid)) return false
        begun.hasWon = true
        identity.epoch = epoch
        const before = claims.table.find(id)
        const lineage = lineageAt(epoch, before, known, namedLineage(offer.lineage))
        this.commit(offer, { identity, pid, lineage }, keys)
        return true
      },
      async (epoch) => {
        this.parts.onStep('granted', childId)
        begun.identity = this.parts.identity(childId, epoch)
        try {
          begun.keys = await this.parts.rows.keepComing(offer, timeoutMs)
          begun.pid = await this.start(offer, module, begun.identity)
        } catch (error) {
          begun.failure = error
          return false
        }
        this.parts.onStep('started', childId)
        return this.isUsable(offer, begun.pid)
      },
    )
    this.arriving.delete(id)
    const { pid, hasWon, failure, identity } = begun
    if (pid && hasWon) return pid
    begun.keys?.release()
    if (pid) this.parts.processes.exit(pid, 'kill')
    // It has perhaps acted with the token that it was to have.
    if (identity) throw discarded(offer, failure)
    throw notGranted(childId, outcome as Refusal)
  }

  /** The token of a process that is about to come here. */
  epoch(id: string): number | undefined {
    return this.arriving.get(id)?.epoch
  }

  private isUsable(offer: HandoffOffer, pid: Pid): boolean {
    return this.parts.isWanted(offer) && this.parts.processes.isAlive(pid)
  }

  /** Runs `init` and `takeover`, with the token that the process is to have. */
  private async start(
    { id, childId, recipe, state, pid: from }: HandoffOffer,
    module: ServerModule,
    identity: OwnIdentity,
  ): Promise<Pid> {
    const { processes, clock, handoffMs } = this.parts
    this.arriving.set(id, identity)
    const starting = processes.arrive(module, recipe.args.map(copied), { state, from }, identity)
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

  /** From here on the child is this node's. What nodes sent it by the old way comes first. */
  private commit(offer: HandoffOffer, arrival: Arrival, keys: Coming): void {
    const { scopes, processes, rows } = this.parts
    const { pid } = arrival
    const via = offer.pid.node
    const earlier = (this.parts.claims.own.rows.get(offer.id) as Claim | undefined)?.pid
    const child = this.parts.arrived(offer, arrival)
    rows.bring(pid, offer)
    // It is back before word has come that all knew of its leaving: that claim is written over now.
    if (earlier) rows.release(earlier)
    const awaited = scopes.isUp(via) ? [...scopes.reachable(), scopes.node] : []
    processes.admit(pid, via, awaited)
    this.parts.onStep('committed', offer.childId)
    if (offer.keys.length > 0) child.settling = this.bring(child, keys, pid)
  }

  private async bring(child: Child, keys: Coming, pid: Pid): Promise<void> {
    // The row that names the successor goes out first: to the old node, which has not seen it, the
    // keys would be taken by a stranger, and it would end the old process for that.
    await this.parts.scopes.changed()
    await keys.bring(pid).catch((error: unknown) => {
      this.parts.log.error(`the keys of child ${showKey(child.childId)} did not all come`, error)
    })
    child.settling = undefined
  }
}

function notGranted(childId: unknown, outcome: Refusal): CitadelError {
  const error = refused(childId, outcome)
  return outcome.mayStand ? new CitadelError(MAY_HAVE_WON, error.message) : error
}

function notWanted({ childId }: HandoffOffer): CitadelError {
  return new CitadelError(
    'no_placement',
    `Child ${showKey(childId)} cannot run there: its class is not offered, it was terminated, or the node leaves.`,
  )
}

/** It had begun, and the old one is to go on, with a token later than this one's. */
function discarded({ childId }: HandoffOffer, failure: unknown): CitadelError {
  const why =
    failure instanceof Error ? failure.message : 'it is not wanted there, or another one has won'
  return new CitadelError(MAY_HAVE_WON, `Child ${showKey(childId)} did not begin: ${why}`)
}
