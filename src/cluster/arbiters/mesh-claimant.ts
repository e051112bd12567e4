/**
 * The claimant's side of the mesh arbiter. Pure. A claim asks the home of every view since the last
 * settled one, oldest first, each only after the one before has granted, so that two claimants
 * cannot each hold what the other needs. A grant counts only if the view is still the one it was
 * asked under; else it begins again.
 */

import { fingerprint } from '../placement/hash.js'
import type { Claim } from '../tables/claim.js'
import type { ClaimTable } from '../tables/claim-table.js'
import { latestLineage, lineageAfter, lineageUpTo, namedLineage } from '../tables/lineage.js'
import { type Attempt, ClaimAttempts, type Self } from './claim-attempts.js'
import type { ClaimAnswer, ClaimRequest } from './claim-message.js'
import { type Home, homeOf, LEAP } from './mesh-home.js'
import type { ViewTracker } from './view.js'

interface HomeAttempt extends Attempt {
  /** `ViewTracker.changes` when it began. */
  viewChanges: number
  /** A home that has granted it was lost while it prepared. */
  isShaken: boolean
  /** Homes yet to ask, the next one first. */
  homes: { node: string; view: number }[]
  epoch: number
}

export class Claimant extends ClaimAttempts<HomeAttempt> {
  constructor(
    self: Self,
    private readonly views: ViewTracker,
    private readonly home: Home,
    tables: (scope: string) => ClaimTable,
    private readonly peers: {
      reachable(node: string): boolean
      /** Whether the rows of a member are all here. */
      synced(node: string): boolean
      /** Whether this node has looked for others since it started. */
      hasLooked(): boolean
    },
  ) {
    super(self, tables)
  }

  answer(node: string, creation: number, request: ClaimRequest): ClaimAnswer {
    return this.home.answer(node, creation, request)
  }

  nodeLost(node: string, now: number): void {
    for (const attempt of [...this.asking.values()]) {
      if (attempt.preparing === 'now') attempt.isShaken ||= attempt.asked.includes(node)
      else if (attempt.asked.at(-1) === node) this.retry(attempt, now)
    }
  }

  protected newAttempt(attempt: Attempt): HomeAttempt {
    return { ...attempt, viewChanges: 0, homes: [], epoch: 0, isShaken: false }
  }

  protected plan(attempt: HomeAttempt): boolean {
    const homes = this.homes(attempt.claim.id)
    if (!homes) return false
    attempt.homes = homes
    attempt.epoch = 0
    attempt.isShaken = false
    attempt.viewChanges = this.views.changes
    return true
  }

  protected ask(attempt: HomeAttempt, now: number): void {
    this.tables(attempt.claim.scope).follow(attempt.claim.id)
    this.askNext(attempt, now)
  }

  /** The homes to ask, oldest view first; undefined: the view must settle before. */
  private homes(id: string): { node: string; view: number }[] | undefined {
    if (this.views.overrun || !this.peers.hasLooked()) return undefined
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

  private askNext(attempt: HomeAttempt, now: number): void {
    const next = attempt.homes.shift()
    if (!next) return this.granted(attempt, attempt.epoch, now)
    if (next.node !== this.self.node && !this.peers.reachable(next.node))
      return this.blocked(attempt, now)
    attempt.blockedSince = undefined
    attempt.asked.push(next.node)
    const { claim } = attempt
    const asked = [
      attempt.request,
      next.view,
      claim.scope,
      claim.id,
      claim.pid ?? null,
      claim.force,
      this.tables(claim.scope).epochMax,
      claim.over ?? 0,
    ] as const
    const request: ClaimRequest = claim.renews ? [...asked, true] : asked
    if (next.node !== this.self.node) return this.sendRequest(next.node, request)
    const { node, creation } = this.self
    this.take(attempt, node, this.home.answer(node, creation, request), now)
  }

  protected take(attempt: HomeAttempt, _node: string, answer: ClaimAnswer, now: number): void {
    if (attempt.viewChanges !== this.views.changes) return this.retry(attempt, now)
    switch (answer[1]) {
      case 'granted':
        attempt.epoch = Math.max(attempt.epoch, answer[2])
        attempt.lineage = latestLineage(attempt.lineage, namedLineage(answer[3]))
        return this.askNext(attempt, now)
      case 'taken':
        return this.taken(attempt, answer[2], now)
      default:
        return this.retry(attempt, now)
    }
  }

  protected confirm(attempt: HomeAttempt, granted: number, now: number): void {
    const isAsItWas = attempt.viewChanges === this.views.changes && !attempt.isShaken
    if (isAsItWas) this.granted(attempt, granted, now)
    else this.retry(attempt, now)
  }

  /**
   * Later than every owner that came here meanwhile, even if the home has not heard of it. Others may
   * be late in the same way, so each node goes by a step of its own.
   */
  protected override grantOf(
    { claim: { scope, id }, lineage }: HomeAttempt,
    granted: number,
  ): Pick<Claim, 'epoch' | 'lineage'> {
    const table = this.tables(scope)
    const latest = table.latestFollowed(id)
    if (granted > latest) return { epoch: granted, lineage }
    const epoch = latest + 1 + (fingerprint(this.self.node) % LEAP)
    const owner = table.find(id)
    const known = latestLineage(lineage, owner && lineageAfter(owner))
    return { epoch, lineage: known && lineageUpTo(epoch - 1, known) }
  }

  protected override forget(attempt: HomeAttempt): void {
    // Another attempt of the same key may be asking while this one waits.
    const isAsking = this.asking.get(attempt.request) === attempt
    super.forget(attempt)
    if (isAsking) this.tables(attempt.claim.scope).unfollow(attempt.claim.id)
  }
}
