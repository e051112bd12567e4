/**
 * The old side of a handoff: holds the child still, hands it over, and finds out who has it now.
 * Whatever fails, the child goes on here, unless the other side has won it at the arbiter. The
 * steps and why they are enough: docs/decisions/0010-handoff.md.
 */

import type { Clock } from '../../base/clock.js'
import { describe } from '../../base/describe.js'
import { details, thrown } from '../../base/error-text.js'
import { CitadelError, type ErrorCode } from '../../base/errors.js'
import type { Logger } from '../../base/log.js'
import { within } from '../../base/within.js'
import type { ChildPort } from '../../kernel/process-port.js'
import { type RemoteOutcome, toOutcome } from '../../kernel/remote-outcome.js'
import type { Pid } from '../../term/pid.js'
import { showKey } from '../../term/show-key.js'
import { type Child, type Departure, makeDeparture } from '../children/child.js'
import type { ChildEvents } from '../children/child-events.js'
import type { Scopes } from '../scopes/scopes.js'
import type { Claim, ClaimChange } from '../tables/claim-table.js'
import { lineageAfter, relation } from '../tables/lineage.js'
import type { Scope } from '../tables/scope.js'
import { type HandoffOffer, type HandoffStep, predecessorOf } from './handoff-offer.js'
import type { MovingRows } from './moving-rows.js'

export interface DeparturesParts {
  readonly scopes: Scopes
  readonly processes: ChildPort
  readonly clock: Clock
  readonly rows: MovingRows
  readonly events: ChildEvents
  readonly log: Logger
  readonly claims: Scope<'c'>
  /** The name of the process that takes children over, on every member. */
  readonly receiver: string
  /** How long a child may be held, and how long its handler may take to end before. */
  readonly handoffMs: number
  onStep(step: HandoffStep, childId: unknown): void
  /** The child is not this node's any more. */
  departed(child: Child): void
  /** It stays, with a new epoch. */
  keeps(child: Child, epoch: number): void
  /** Its process ended while it was to move, and it stays. */
  ended(child: Child, reason: unknown): void
  pause(ms: number): Promise<void>
}

const CLAIM_MS = 2_000
const RETRY_MS = 50
const LOOK_MS = 5
/** What the other side, or this one, answers before the arbiter was asked: it cannot have won. */
const NEVER_ASKED: ReadonlySet<ErrorCode> = new Set([
  'unserializable',
  'limit_exceeded',
  'noproc',
  'undefined_method',
  'overloaded',
  'bad_argument',
])

/** What the other side answers when no process of the child has begun there, and nothing that it asked may stand. */
const NEVER_BEGUN: ReadonlySet<ErrorCode> = new Set([
  ...NEVER_ASKED,
  'no_placement',
  'already_started',
  'unavailable',
  'timeout',
])

type Outcome = { won: Pid } | { reason: string }
/** Who has it is not known, or the other side has begun with a later token than this one's. */
type Verdict = Outcome | { contest: string }

export class Departures {
  /** By id, the old process of a child that has left, until all members know of it. */
  private readonly left = new Map<string, Pid>()

  constructor(private readonly parts: DeparturesParts) {}

  /** Resolves with why it stays here; undefined: it runs on `to` now. */
  async move(child: Child, to: string, byPlan: boolean): Promise<string | undefined> {
    if (!(await this.isSettled(child))) return 'its keys are not all here yet'
    const { pid } = child
    if (!pid || child.moving || child.stopping) return 'it starts, moves or stops just now'
    const departure = makeDeparture(pid, to, byPlan)
    child.moving = departure
    try {
      const outcome = await this.carryOut(child, departure)
      if ('won' in outcome) return undefined
      const { events, scopes } = this.parts
      const { reason } = outcome
      events.tell({ type: 'stayed', id: child.childId, node: scopes.node, to, reason })
      return reason
    } finally {
      child.moving = undefined
      if (departure.ended) this.parts.ended(child, departure.ended.reason)
    }
  }

  /** What came with it has come, its keys above all: not, if it takes too long. */
  private async isSettled({ settling }: Child): Promise<boolean> {
    if (!settling) return true
    const { clock, handoffMs } = this.parts
    const come = settling.then(() => true)
    return (await within(clock, handoffMs, come)) === true
  }

  private async carryOut(child: Child, departure: Departure): Promise<Outcome> {
    const quiet = await this.quiet(child, departure)
    if ('reason' in quiet) return quiet
    if (!this.parts.processes.isAlive(departure.pid)) return { reason: 'its process has ended' }
    const outcome = await this.handOver(child, departure, quiet.state)
    if ('won' in outcome) this.departs(child, departure, outcome.won)
    else if (!departure.ended && !child.stopping) this.parts.processes.goOn(departure.pid)
    return outcome
  }

  /**
   * Another node's claim has come for a child that is to move: where it was to go, or, if it has moved on
   * since, from there. False: that is no handoff.
   */
  overtaken(child: Child, own: Claim, by: Claim): boolean {
    const { moving } = child
    if (!moving || !by.pid || !isHandoff(moving.pid, own, by)) return false
    moving.commit(by.pid)
    return true
  }

  /**
   * A claim of a child that is not here has changed. If it had moved from here, and its new process
   * is gone before that node could say that all is known, what the old process has is void.
   */
  noticed({ id, before, after }: ClaimChange): void {
    const { claims, processes } = this.parts
    const own = claims.own.rows.get(id) as Claim | undefined
    if (!own) return
    if (after?.origin === claims.own || before?.origin.dead) return this.forget(own)
    const heir = own.pid && processes.successor(own.pid)
    if (heir && isGone(heir, before, after)) this.forget(own)
  }

  /** The same of a child that is about to leave: both may come at once, from a node that was cut off. */
  noticedOf({ moving }: Child, { before, after }: ClaimChange): void {
    if (moving?.won && isGone(moving.won, before, after)) moving.isHeirGone = true
  }

  /** All members know where the child is: the names of its old process are not needed any more. */
  released(id: string, pid: Pid): void {
    if (this.left.get(id)?.equals(pid)) this.left.delete(id)
    this.parts.rows.release(pid)
  }

  /** Nothing waits any more for word of its leaving. */
  cameBack(id: string): void {
    this.left.delete(id)
  }

  /** The claims that would tell when the old processes are of no use are gone with the lease. */
  leaseLost(): void {
    for (const [id, pid] of [...this.left]) this.released(id, pid)
  }

  /** Resolves when all members know where the children are that have left, or after `ms`. */
  async releasedAll(ms: number): Promise<void> {
    const { clock, claims, pause } = this.parts
    const deadline = clock.now() + ms
    while (claims.own.rows.size > 0 && clock.now() < deadline) await pause(LOOK_MS)
  }

  private forget({ id, pid }: Claim): void {
    const { claims, scopes, rows, processes } = this.parts
    this.left.delete(id)
    scopes.deleteOwn(claims, id, 'normal')
    if (!pid) return
    rows.release(pid)
    processes.exit(pid, 'noconnection')
  }

  private async quiet(
    { childId }: Child,
    { pid }: Departure,
  ): Promise<{ state: unknown } | { reason: string }> {
    const { processes, handoffMs, onStep, log } = this.parts
    onStep('quiet', childId)
    try {
      const state = await processes.hold(pid, handoffMs)
      onStep('state', childId)
      return { state }
    } catch (error) {
      if (error instanceof CitadelError) return { reason: error.message }
      log.error(`handoff() of child ${showKey(childId)} ${thrown(error)}; it stays`, details(error))
      return { reason: `its handoff() failed: ${describe(error)}` }
    }
  }

  private async handOver(child: Child, departure: Departure, state: unknown): Promise<Outcome> {
    const carried = this.parts.processes.carry(state, departure.to)
    const verdict = await this.ask(child, departure, carried.state)
    const outcome = 'contest' in verdict ? await this.contest(child, departure, verdict) : verdict
    if ('reason' in outcome) carried.stays()
    return outcome
  }

  private async ask(child: Child, departure: Departure, state: unknown): Promise<Verdict> {
    const { processes, receiver, rows, handoffMs } = this.parts
    const { id, childId, recipe, epoch } = child
    const { pid, to, byPlan } = departure
    const own = this.parts.claims.own.rows.get(id) as Claim | undefined
    const base = { id, childId, recipe, epoch, pid, state, byPlan, ...rows.of(pid) }
    const offer: HandoffOffer = { ...base, lineage: own ? lineageAfter(own) : null }
    this.parts.onStep('sent', childId)
    const call = processes.call({ name: receiver, node: to }, 'takeOver', [offer], handoffMs)
    const answered = toOutcome(call as Promise<RemoteOutcome<Pid>>)
    const won = departure.committed.then((value) => ({ ok: true, value }) as const)
    const outcome = await Promise.race([won, answered])
    if (!outcome.ok) {
      const { code, message: reason } = outcome
      return NEVER_ASKED.has(code) ? { reason } : { contest: 'it did not answer' }
    }
    const { value } = outcome
    if (!('ok' in value)) return { won: value }
    if (value.ok) return { won: value.value }
    const { code, message } = value
    return NEVER_BEGUN.has(code) ? { reason: message } : { contest: message }
  }

  /**
   * The same conditional write that the other side makes, until one of the two has won. Failure
   * detection bounds the wait, because a home that is gone leaves the view.
   */
  private async contest(
    child: Child,
    departure: Departure,
    { contest: reason }: { contest: string },
  ): Promise<Outcome> {
    for (;;) {
      const { scope } = this.parts.claims.replica
      const { id, epoch } = child
      const request = { scope, id, pid: undefined, force: false, over: epoch, timeoutMs: CLAIM_MS }
      const claimed = this.parts.scopes.claim(request, (next) => {
        // Granted too late: the other side has won meanwhile, and may be dead already, or the child was stopped.
        if (child.moving !== departure || departure.won || child.stopping) return false
        this.parts.keeps(child, next)
        return true
      })
      const won = departure.committed.then((pid) => ({ type: 'taken', pid }) as const)
      const outcome = await Promise.race([won, claimed])
      const owner = departure.won ?? (outcome.type === 'taken' ? outcome.pid : undefined)
      if (owner) {
        if (this.isLost(child, departure)) return { reason: 'another process has its id' }
        return { won: owner }
      }
      if (outcome.type === 'granted') {
        // The other side may have won for a while, and its keys with it.
        await this.parts.rows.keepKeys(departure.pid)
        return { reason }
      }
      if (child.stopping) return { reason: 'the child was stopped' }
      await this.parts.pause(RETRY_MS)
    }
  }

  /** After a split: whoever has the id did not get it by this handoff. */
  private isLost({ id }: Child, { pid }: Departure): boolean {
    const { own, table } = this.parts.claims
    const mine = own.rows.get(id) as Claim | undefined
    const owner = table.find(id)
    return (
      mine !== undefined && owner !== undefined && owner !== mine && !isHandoff(pid, mine, owner)
    )
  }

  private departs(child: Child, { pid, isHeirGone }: Departure, by: Pid): void {
    this.parts.onStep('forwarding', child.childId)
    this.parts.processes.learned(pid, by)
    this.left.set(child.id, pid)
    this.parts.departed(child)
    const own = this.parts.claims.own.rows.get(child.id) as Claim | undefined
    // Nobody will say that all know of it: whoever is to adopt the child must not wait for that.
    const isThere = this.parts.scopes.views.current.creationOf(by.node) === by.creation
    if (own && (isHeirGone || !isThere)) this.forget(own)
  }
}

/** It had the claim, and neither has it now nor has passed it on. */
const isGone = (heir: Pid, before: Claim | undefined, after: Claim | undefined): boolean =>
  before?.pid?.equals(heir) === true &&
  !after?.pid?.equals(heir) &&
  !(after && predecessorOf(after)?.equals(heir))

const isHandoff = (from: Pid, own: Claim, by: Claim): boolean =>
  predecessorOf(by)?.equals(from) === true || relation(by, own) === 'took'
