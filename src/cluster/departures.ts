/**
 * The old side of a handoff: holds the child still, hands it over, and finds out who has it now.
 * Whatever fails, the child goes on here, unless the other side has won it at the arbiter. The
 * steps and why they are enough: docs/decisions/0010-handoff.md.
 */
import { CitadelError, type ErrorCode } from '../base/errors.js'
import type { Logger } from '../base/log.js'
import type { Pid } from '../term/pid.js'
import { type Child, type Departure, whenCalled } from './child.js'
import type { ChildEvents } from './child-events.js'
import type { Claim } from './claim-table.js'
import { type HandoffOffer, type HandoffStep, predecessorOf } from './handoff-offer.js'
import type { MovingRows } from './moving-rows.js'
import type { ChildPort } from './process-port.js'
import { type RemoteOutcome, toOutcome } from './remote-outcome.js'
import type { Scope } from './scope.js'
import type { Scopes } from './scopes.js'
import { showKey } from './show-key.js'

export interface DeparturesParts {
  readonly scopes: Scopes
  readonly processes: ChildPort
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
/** What the other side, or this one, answers before the arbiter was asked: it cannot have won. */
const NEVER_ASKED: ReadonlySet<ErrorCode> = new Set([
  'unserializable',
  'limit_exceeded',
  'noproc',
  'undefined_method',
  'overloaded',
  'bad_argument',
])

type Outcome = { won: Pid } | { reason: string }
type Verdict = Outcome | 'contest'

export class Departures {
  constructor(private readonly parts: DeparturesParts) {}

  /** True: it runs on `to` now. False: it stays here. */
  async move(child: Child, to: string): Promise<boolean> {
    const { pid } = child
    if (!pid || child.moving || child.stopping) return false
    const { promise: committed, resolve: commit } = whenCalled<Pid>()
    const departure: Departure = { pid, to, ended: undefined, committed, commit }
    child.moving = departure
    try {
      const state = await this.quiet(child, departure)
      return state !== undefined && (await this.handOver(child, departure, state.value))
    } finally {
      child.moving = undefined
      if (departure.ended) this.parts.ended(child, departure.ended.reason)
    }
  }

  /** Another node's claim has come for a child that is to move there. False: that is no handoff. */
  overtaken(child: Child, by: Claim): boolean {
    const { moving } = child
    if (!moving || !by.pid || !predecessorOf(by)?.equals(moving.pid)) return false
    moving.commit(by.pid)
    return true
  }

  private async quiet(
    child: Child,
    { pid, to }: Departure,
  ): Promise<{ value: unknown } | undefined> {
    this.parts.onStep('quiet', child.childId)
    try {
      const value = await this.parts.processes.hold(pid, this.parts.handoffMs)
      this.parts.onStep('state', child.childId)
      return { value }
    } catch (error) {
      if (child.moving?.ended === undefined) this.stays(child, to, describe(error), error)
      return undefined
    }
  }

  private async handOver(child: Child, departure: Departure, state: unknown): Promise<boolean> {
    const carried = this.parts.processes.carry(state, departure.to)
    const verdict = await this.ask(child, departure, carried.state)
    const outcome = verdict === 'contest' ? await this.contest(child, departure) : verdict
    if ('won' in outcome) return this.departs(child, departure, outcome.won)
    carried.stays()
    this.goesOn(child, departure)
    this.stays(child, departure.to, outcome.reason)
    return false
  }

  private async ask(child: Child, departure: Departure, state: unknown): Promise<Verdict> {
    const { processes, receiver, rows, handoffMs } = this.parts
    const { id, childId, recipe, epoch } = child
    const { pid, to } = departure
    const offer: HandoffOffer = { id, childId, recipe, epoch, pid, state, ...rows.of(pid) }
    this.parts.onStep('sent', childId)
    const call = processes.call({ name: receiver, node: to }, 'takeOver', [offer], handoffMs)
    const answered = toOutcome(call as Promise<RemoteOutcome<Pid>>)
    const won = departure.committed.then((value) => ({ ok: true, value }) as const)
    const outcome = await Promise.race([won, answered])
    if (!outcome.ok) {
      return NEVER_ASKED.has(outcome.code) ? { reason: outcome.message } : 'contest'
    }
    const { value } = outcome
    if (!('ok' in value)) return { won: value }
    return value.ok ? { won: value.value } : { reason: value.message }
  }

  /**
   * No answer: the same conditional write that the other side makes, until one of the two has won.
   * Failure detection bounds the wait, because a home that is gone leaves the view.
   */
  private async contest(child: Child, departure: Departure): Promise<Outcome> {
    for (;;) {
      const { scope } = this.parts.claims.replica
      const { id, epoch } = child
      const request = { scope, id, pid: undefined, force: false, over: epoch, timeoutMs: CLAIM_MS }
      const claimed = this.parts.scopes.claim(request, (next) => {
        // Granted too late: the other side has won meanwhile, or the child was stopped.
        if (child.moving !== departure || child.stopping) return false
        this.parts.keeps(child, next)
        return true
      })
      const won = departure.committed.then((pid) => ({ type: 'taken', pid }) as const)
      const outcome = await Promise.race([won, claimed])
      if (outcome.type === 'taken') return { won: outcome.pid }
      if (outcome.type === 'granted') return { reason: 'it did not answer' }
      if (child.stopping) return { reason: 'the child was stopped' }
      await this.parts.pause(RETRY_MS)
    }
  }

  private departs(child: Child, { pid }: Departure, by: Pid): boolean {
    this.parts.onStep('forwarding', child.childId)
    this.parts.processes.learned(pid, by)
    this.parts.departed(child)
    return true
  }

  private goesOn(child: Child, { pid, ended }: Departure): void {
    if (!ended && !child.stopping) this.parts.processes.goOn(pid)
  }

  private stays({ childId }: Child, to: string, reason: string, error?: unknown): void {
    const { log, events, scopes } = this.parts
    log.warn(`child ${showKey(childId)} stays here and does not move to ${to}: ${reason}`, error)
    events.tell({ type: 'stayed', id: childId, node: scopes.node, to, reason })
  }
}

const describe = (error: unknown): string =>
  error instanceof CitadelError ? error.message : String(error)
