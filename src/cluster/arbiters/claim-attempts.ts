/**
 * What every arbiter that asks other nodes has in common: claims that are being asked for, claims
 * that wait for their next try, and their ends. Pure: requests collect in `requests`, outcomes go to
 * the claim's `done`.
 */
import type { Pid } from '../../term/pid.js'
import type { Lineage } from '../tables/claim.js'
import type { Claim, ClaimTable } from '../tables/claim-table.js'
import type { Arbiter, Claiming, ClaimOutcome } from './arbiter.js'
import type { ClaimAnswer, ClaimRequest } from './claim-message.js'

export interface Attempt {
  readonly claim: Claiming
  request: number
  /** Nodes that may have reserved the key for this attempt. */
  asked: string[]
  retryAt: number
  tries: number
  /** How often a node named an owner whom this node does not know (any more). */
  doubts: number
  /** Since when who is to be asked cannot be reached. */
  blockedSince: number | undefined
  /** After which claim the granted one comes, by the latest that any node has named. */
  lineage: Lineage | undefined
  /** Of a claim that prepares for its grant: whether it does, or has. */
  preparing: 'not yet' | 'now' | 'over'
}

export interface Self {
  readonly node: string
  readonly creation: number
}

const RETRY_FIRST_MS = 4
const RETRY_MAX_MS = 100
const DOUBTS_MAX = 3
/** How long a claim waits for a node that lost its connection: long enough for a reset to heal. */
const PATIENCE_MS = 1_000

export abstract class ClaimAttempts<A extends Attempt> implements Arbiter {
  readonly requests = new Map<string, ClaimRequest[]>()
  readonly releases = new Map<string, number[]>()
  protected readonly asking = new Map<number, A>()
  private readonly waiting = new Set<A>()
  /** The attempt that asks for a key now: two of one node would spoil each other's reservations. */
  private readonly byKey = new Map<string, A>()
  private lastRequest = 0
  private earliestRetry = Number.POSITIVE_INFINITY

  constructor(
    protected readonly self: Self,
    protected readonly tables: (scope: string) => ClaimTable,
  ) {}

  protected abstract newAttempt(attempt: Attempt): A
  /** Whom to ask, noted in the attempt. False: nobody can be asked now. */
  protected abstract plan(attempt: A, now: number): boolean
  /** The first question of an attempt that has a plan and a number. */
  protected abstract ask(attempt: A, now: number): void
  protected abstract take(attempt: A, node: string, answer: ClaimAnswer, now: number): void
  /** A claim that was granted has prepared for it: it has it, or has to ask again. */
  protected abstract confirm(attempt: A, granted: number, now: number): void
  abstract answer(node: string, creation: number, request: ClaimRequest, now: number): ClaimAnswer
  abstract nodeLost(node: string, now: number): void

  start(claim: Claiming, now: number): void {
    const attempt = this.newAttempt({
      claim,
      request: 0,
      asked: [],
      retryAt: 0,
      tries: 0,
      doubts: 0,
      blockedSince: undefined,
      lineage: undefined,
      preparing: claim.prepare ? 'not yet' : 'over',
    })
    this.begin(attempt, now)
  }

  oldestRequest(): number {
    let oldest = this.lastRequest + 1
    for (const { request } of this.asking.values()) if (request < oldest) oldest = request
    return oldest
  }

  answered(node: string, answers: readonly ClaimAnswer[], now: number): void {
    for (const answer of answers) {
      const attempt = this.asking.get(answer[0])
      if (attempt) this.take(attempt, node, answer, now)
    }
  }

  wake(now: number): void {
    for (const attempt of [...this.waiting]) {
      this.waiting.delete(attempt)
      this.begin(attempt, now)
    }
  }

  get nextTick(): number | undefined {
    return this.waiting.size > 0 ? this.earliestRetry : undefined
  }

  get hasOutput(): boolean {
    return this.requests.size > 0 || this.releases.size > 0 || this.waiting.size > 0
  }

  tick(now: number): void {
    for (const attempt of [...this.asking.values()]) {
      const isLate = now >= attempt.claim.deadline && attempt.preparing !== 'now'
      if (isLate) this.end(attempt, { type: 'timeout' })
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

  /** The claim's row goes, and that is all: whoever decides looks at rows. */
  freed(): void {}

  stop(): void {
    for (const attempt of [...this.asking.values(), ...this.waiting]) {
      this.end(attempt, { type: 'unavailable' })
    }
  }

  private begin(attempt: A, now: number): void {
    const { claim } = attempt
    if (now >= claim.deadline) return this.end(attempt, { type: 'timeout' })
    const key = claimKey(claim)
    if (this.byKey.has(key) || !this.plan(attempt, now)) return this.wait(attempt, now)
    this.byKey.set(key, attempt)
    attempt.asked = []
    attempt.lineage = undefined
    attempt.request = ++this.lastRequest
    this.asking.set(attempt.request, attempt)
    this.ask(attempt, now)
  }

  protected sendRequest(node: string, request: ClaimRequest): void {
    const requests = this.requests.get(node)
    if (requests) requests.push(request)
    else this.requests.set(node, [request])
  }

  /** All who were asked have granted. What this node knows itself is looked at last. */
  protected granted(attempt: A, granted: number, now: number): void {
    const { claim } = attempt
    const table = this.tables(claim.scope)
    const owner = claim.force ? undefined : table.find(claim.id)
    if (owner && owner.epoch !== claim.over && !this.isOwn(owner, claim.pid)) {
      if (!owner.pid) return this.retry(attempt, now)
      return this.end(attempt, { type: 'taken', pid: owner.pid })
    }
    const grant = this.grantOf(attempt, granted)
    if (attempt.preparing === 'not yet') return this.prepare(attempt, grant.epoch)
    this.forget(attempt)
    if (!claim.done({ type: 'granted', ...grant })) this.release(attempt)
  }

  /** It goes on asking, as those who have granted it see it, so that they keep the key for it. */
  private prepare(attempt: A, granted: number): void {
    const { request, claim } = attempt
    attempt.preparing = 'now'
    claim.prepare?.(granted, (isWanted, now) => {
      if (this.asking.get(request) !== attempt || attempt.preparing !== 'now') return
      attempt.preparing = 'over'
      if (isWanted) this.confirm(attempt, granted, now)
      else this.end(attempt, { type: 'timeout' })
    })
  }

  /** With which epoch and lineage the claim is written. */
  protected grantOf({ lineage }: A, epoch: number): Pick<Claim, 'epoch' | 'lineage'> {
    return { epoch, lineage }
  }

  /**
   * A node names an owner. If this node does not see that claim, it may be an old one whose end is
   * still on its way to that node, so it is worth asking again.
   */
  protected taken(attempt: A, pid: Pid, now: number): void {
    const { claim } = attempt
    const owner = this.tables(claim.scope).find(claim.id)
    // The key is reserved for the very claim that is to be taken over, until that one arrives.
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

  /** Who has to be asked cannot be: tried again for a while. */
  protected blocked(attempt: A, now: number): void {
    attempt.blockedSince ??= now
    if (now - attempt.blockedSince >= PATIENCE_MS) return this.end(attempt, { type: 'unavailable' })
    this.retry(attempt, now)
  }

  protected retry(attempt: A, now: number): void {
    this.release(attempt)
    this.wait(attempt, now)
  }

  private wait(attempt: A, now: number): void {
    const delay = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt.tries++, 8))
    attempt.retryAt = Math.min(now + delay, attempt.claim.deadline)
    this.earliestRetry = Math.min(this.earliestRetry, attempt.retryAt)
    this.waiting.add(attempt)
  }

  protected end(attempt: A, outcome: ClaimOutcome): void {
    this.release(attempt)
    this.waiting.delete(attempt)
    attempt.claim.done(outcome)
  }

  /** Gives back what has been reserved for this attempt. */
  private release(attempt: A): void {
    this.forget(attempt)
    for (const node of attempt.asked) {
      const requests = this.releases.get(node)
      if (requests) requests.push(attempt.request)
      else this.releases.set(node, [attempt.request])
    }
    attempt.asked = []
  }

  protected forget(attempt: A): void {
    this.asking.delete(attempt.request)
    const key = claimKey(attempt.claim)
    if (this.byKey.get(key) === attempt) this.byKey.delete(key)
  }
}

const claimKey = ({ scope, id }: Claiming): string => `${scope} ${id}`
