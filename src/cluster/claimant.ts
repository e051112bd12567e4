/**
 * The claimant's side of the mesh arbiter. Pure: requests collect in `requests`, outcomes go to the
 * claim's `done`. A claim asks the home of every view since the last settled one, oldest first, each
 * only after the one before has granted, so that two claimants cannot each hold what the other
 * needs. A grant counts only if the view is still the one it was asked under; else it begins again.
 */
import type { Pid } from '../term/pid.js'
import type { Arbiter, Claiming, ClaimOutcome } from './arbiter.js'
import type { Claim, ClaimTable } from './claim-table.js'
import { type Home, homeOf } from './home.js'
import type { ClaimAnswer, ClaimRequest } from './scope-message.js'
import type { ViewTracker } from './view.js'

interface Attempt {
  readonly claim: Claiming
  request: number
  /** `ViewTracker.changes` when it began. */
  viewChanges: number
  /** Homes yet to ask, the next one first. */
  homes: { node: string; view: number }[]
  asked: string[]
  epoch: number
  retryAt: number
  tries: number
  /** How often a home named an owner whom this node does not know (any more). */
  doubts: number
  /** Since when the next home cannot be reached. */
  blockedSince: number | undefined
}

const RETRY_FIRST_MS = 4
const RETRY_MAX_MS = 100
const DOUBTS_MAX = 3
/** How long a claim waits for a home that lost its connection: long enough for a reset to heal. */
const HOME_PATIENCE_MS = 1_000

export class Claimant implements Arbiter {
  readonly requests = new Map<string, ClaimRequest[]>()
  readonly releases = new Map<string, number[]>()
  private readonly asking = new Map<number, Attempt>()
  private readonly waiting = new Set<Attempt>()
  /** The attempt that asks for a key now: two of one node would spoil each other's reservations. */
  private readonly byKey = new Map<string, Attempt>()
  private lastRequest = 0
  private earliestRetry = Number.POSITIVE_INFINITY

  constructor(
    private readonly self: { node: string; creation: number },
    private readonly views: ViewTracker,
    private readonly home: Home,
    private readonly tables: (scope: string) => ClaimTable,
    private readonly peers: {
      reachable(node: string): boolean
      /** Whether the rows of a member are all here. */
      synced(node: string): boolean
    },
  ) {}

  start(claim: Claiming, now: number): void {
    const attempt: Attempt = {
      claim,
      request: 0,
      viewChanges: 0,
      homes: [],
      asked: [],
      epoch: 0,
      retryAt: 0,
      tries: 0,
      doubts: 0,
      blockedSince: undefined,
    }
    this.begin(attempt, now)
  }

  /** The oldest request that still waits for an answer of `node`, or the next one to be made. */
  oldestRequest(): number {
    let oldest = this.lastRequest + 1
    for (const { request } of this.asking.values()) if (request < oldest) oldest = request
    return oldest
  }

  answer(node: string, creation: number, request: ClaimRequest): ClaimAnswer {
    return this.home.answer(node, creation, request)
  }

  answered(answers: readonly ClaimAnswer[], now: number): void {
    for (const answer of answers) {
      const attempt = this.asking.get(answer[0])
      if (attempt) this.take(attempt, answer, now)
    }
  }

  nodeLost(node: string, now: number): void {
    for (const attempt of [...this.asking.values()]) {
      if (attempt.asked.at(-1) === node) this.retry(attempt, now)
    }
  }

  wake(now: number): void {
    for (const attempt of [...this.waiting]) {
      this.waiting.delete(attempt)
      this.begin(attempt, now)
    }
  }

  /** When `tick` is wanted next, besides once a second; undefined: nothing waits. */
  get nextTick(): number | undefined {
    return this.waiting.size > 0 ? this.earliestRetry : undefined
  }

  get hasOutput(): boolean {
    return this.requests.size > 0 || this.releases.size > 0 || this.waiting.size > 0
  }

  /** Carries on with what waits, and ends what is past its deadline. */
  tick(now: number): void {
    for (const attempt of [...this.asking.values()]) {
      if (now >= attempt.claim.deadline) this.end(attempt, { type: 'timeout' })
    }
    this.earliestRetry = Number.POSITIVE_INFINITY
    for (const attempt of [...this.waiting]) {
      if (now < attempt.retryAt) this.earliestRetry = Math.min(this.earliestRetry, attempt.retryAt)
      else {
        this.waiting.delete(attempt)
        this.begin(attempt, now)
      }
    }
  }

  /** The claim's row goes, and that is all: homes look at rows. */
  freed(): void {}

  stop(): void {
    for (const attempt of [...this.asking.values(), ...this.waiting]) {
      this.end(attempt, { type: 'unavailable' })
    }
  }

  private begin(attempt: Attempt, now: number): void {
    const { claim } = attempt
    if (now >= claim.deadline) return this.end(attempt, { type: 'timeout' })
    const key = claimKey(claim)
    if (this.byKey.has(key)) return this.wait(attempt, now)
    const homes = this.homes(claim.id)
    if (!homes) return this.wait(attempt, now)
    this.byKey.set(key, attempt)
    attempt.homes = homes
    attempt.asked = []
    attempt.epoch = 0
    attempt.viewChanges = this.views.changes
    attempt.request = ++this.lastRequest
    this.asking.set(attempt.request, attempt)
    this.askNext(attempt, now)
  }

  /** The homes to ask, oldest view first; undefined: the view must settle before. */
  private homes(id: string): { node: string; view: number }[] | undefined {
    if (this.views.overrun) return undefined
    // Alone until now, this node has neither the rows of the others nor a home in common with them.
    if (this.views.history[0]!.members.length === 1 && !this.views.settled) return undefined
    if (!this.views.settled && this.newcomersUnknown()) return undefined
    const homes = new Map<string, number>()
    for (const view of this.views.history) {
      const node = homeOf(view, id)
      // A dead home took its grants with it; all claims under them are here once the view settles.
      const creation = this.views.current.creationOf(node)
      if (creation === undefined || creation !== view.creationOf(node)) return undefined
      homes.set(node, view.id)
    }
    return [...homes].map(([node, view]) => ({ node, view }))
  }

  /**
   * After a partition both sides come together with claims of their own, and no home has heard of the
   * other side's: until their rows are here, a grant would be blind to them.
   */
  private newcomersUnknown(): boolean {
    const [settled] = this.views.history
    return this.views.current.members.some(
      ({ node }) =>
        settled!.creationOf(node) !== this.views.current.creationOf(node) &&
        this.peers.reachable(node) &&
        !this.peers.synced(node),
    )
  }

  private askNext(attempt: Attempt, now: number): void {
    const next = attempt.homes.shift()
    if (!next) return this.granted(attempt, now)
    if (next.node !== this.self.node && !this.peers.reachable(next.node))
      return this.blocked(attempt, now)
    attempt.blockedSince = undefined
    attempt.asked.push(next.node)
    const { claim } = attempt
    const request: ClaimRequest = [
      attempt.request,
      next.view,
      claim.scope,
      claim.id,
      claim.pid ?? null,
      claim.force,
      this.tables(claim.scope).epochMax,
      claim.over ?? 0,
    ]
    if (next.node === this.self.node) {
      this.take(attempt, this.home.answer(this.self.node, this.self.creation, request), now)
      return
    }
    const requests = this.requests.get(next.node)
    if (requests) requests.push(request)
    else this.requests.set(next.node, [request])
  }

  private take(attempt: Attempt, answer: ClaimAnswer, now: number): void {
    if (attempt.viewChanges !== this.views.changes) return this.retry(attempt, now)
    switch (answer[1]) {
      case 'granted':
        attempt.epoch = Math.max(attempt.epoch, answer[2])
        return this.askNext(attempt, now)
      case 'taken':
        return this.taken(attempt, answer[2], now)
      default:
        return this.retry(attempt, now)
    }
  }

  /** All homes have granted. What this node knows itself is looked at last. */
  private granted(attempt: Attempt, now: number): void {
    const { claim } = attempt
    const table = this.tables(claim.scope)
    const owner = claim.force ? undefined : table.find(claim.id)
    if (owner && owner.epoch !== claim.over && !this.isOwn(owner, claim.pid)) {
      if (!owner.pid) return this.retry(attempt, now)
      return this.end(attempt, { type: 'taken', pid: owner.pid })
    }
    // Later than every owner known here, even if the home has not heard of it.
    const epoch = attempt.epoch > table.epochMax ? attempt.epoch : table.epochMax + 1
    this.forget(attempt)
    if (!claim.done({ type: 'granted', epoch })) this.release(attempt)
  }

  /**
   * The home names an owner. If this node does not see that claim, it may be an old one whose end is
   * still on its way to the home, so it is worth asking again.
   */
  private taken(attempt: Attempt, pid: Pid, now: number): void {
    const { claim } = attempt
    const owner = this.tables(claim.scope).find(claim.id)
    // The home reserves the key for the very claim that is to be taken over, until that one arrives.
    if (owner && owner.epoch === claim.over && owner.pid?.equals(pid))
      return this.retry(attempt, now)
    if (owner?.pid?.equals(pid) || attempt.doubts++ >= DOUBTS_MAX) {
      return this.end(attempt, { type: 'taken', pid })
    }
    this.retry(attempt, now)
  }

  /** A claim of this node, for the same process or for one that is still starting. */
  private isOwn({ origin, pid }: Claim, claimant: Pid | undefined): boolean {
    if (origin.node !== this.self.node || origin.creation !== this.self.creation) return false
    return !pid || !claimant || pid.equals(claimant)
  }

  private blocked(attempt: Attempt, now: number): void {
    attempt.blockedSince ??= now
    if (now - attempt.blockedSince >= HOME_PATIENCE_MS)
      return this.end(attempt, { type: 'unavailable' })
    this.retry(attempt, now)
  }

  private retry(attempt: Attempt, now: number): void {
    this.release(attempt)
    this.wait(attempt, now)
  }

  private wait(attempt: Attempt, now: number): void {
    const delay = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt.tries++, 8))
    attempt.retryAt = Math.min(now + delay, attempt.claim.deadline)
    this.earliestRetry = Math.min(this.earliestRetry, attempt.retryAt)
    this.waiting.add(attempt)
  }

  private end(attempt: Attempt, outcome: ClaimOutcome): void {
    this.release(attempt)
    this.waiting.delete(attempt)
    attempt.claim.done(outcome)
  }

  /** Gives back what homes have reserved for this attempt. */
  private release(attempt: Attempt): void {
    this.forget(attempt)
    for (const node of attempt.asked) {
      const requests = this.releases.get(node)
      if (requests) requests.push(attempt.request)
      else this.releases.set(node, [attempt.request])
    }
    attempt.asked = []
  }

  private forget(attempt: Attempt): void {
    this.asking.delete(attempt.request)
    const key = claimKey(attempt.claim)
    if (this.byKey.get(key) === attempt) this.byKey.delete(key)
  }
}

const claimKey = ({ scope, id }: Claiming): string => `${scope} ${id}`
