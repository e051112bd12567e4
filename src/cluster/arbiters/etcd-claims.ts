/**
 * Claims decided by etcd: a pure machine. Events come in with the time, `take` gives what is to be
 * asked, in batches. A claim is a write under the node's lease that etcd makes only if the key is
 * free, or has the owner that it is to be taken from. The revision of that write is the epoch.
 *
 * Guarantees: a grant counts only while the lease is valid, and is the one it was asked under. A
 * write of which nobody makes use is taken back, also when it was not known for a while whether it
 * had been made: each carries a number of its own by which it is found again.
 */

import type { EtcdReply } from '../../base/etcd-port.js'
import { mayBeDone } from '../../base/etcd-port.js'
import type { Lease } from '../../base/lease.js'
import { revisionOf, toBase64 } from '../../etcd/fields.js'
import type { LeaseTerms, NodeLease } from '../../etcd/node-lease.js'
import type { Pid } from '../../term/pid.js'
import type { Claim, ClaimTable } from '../tables/claim-table.js'
import type { Claiming, GoOn, Refusal } from './arbiter.js'
import { claimKey, type EtcdOwner, markKey, ownerOf, ownerText, withEpoch } from './etcd-keys.js'
import { type Answer, batchAnswers, batchBody, type Found, restoreBody } from './etcd-operations.js'
import { EtcdPace } from './etcd-pace.js'
import { KeyQueue } from './etcd-queue.js'
import {
  type Attempt,
  type Drop,
  dropOf,
  type KeyWork,
  operationOf,
  type Work,
} from './etcd-work.js'

export interface ClaimsCall {
  readonly body: object
  readonly timeoutMs: number
  readonly works: readonly Work[]
  readonly sentAt: number
  readonly terms: LeaseTerms
}

export interface EtcdClaimsParts {
  readonly node: string
  readonly creation: number
  readonly prefix: string
  readonly lease: Lease
  readonly nodeLease: NodeLease
  readonly tables: (scope: string) => ClaimTable
  readonly reachable: (node: string) => boolean
}

const BATCH_BYTES_MAX = 256 * 1024
const CALLS_MAX = 4
const CALL_MS = 700
const ATTEMPTS_MAX = 200_000
const RETRY_FIRST_MS = 8
const RETRY_MAX_MS = 500
/** After a request that failed. */
const PAUSE_MS = 50
/** How long an owner that etcd names may still be on its way to this node. */
const DOUBT_MS = 500
const LOOK_MS = 50
/** How often it is looked after a key that was let go while somebody had written over it: ten seconds. */
const LOOKS_MAX = 26

export class EtcdClaims {
  private readonly attempts = new Set<Attempt>()
  private readonly waiting = new Set<Attempt | Drop>()
  private readonly queue = new KeyQueue<Work>()
  private readonly underWay = new Set<ClaimsCall>()
  private readonly mark: string
  private lastNonce = 0
  private readonly pace = new EtcdPace()
  /** How often the lease has ended. */
  private endings = 0
  /** Undefined: requests may be made. */
  private pausedUntil: number | undefined
  private lookAt = Number.NEGATIVE_INFINITY
  private earliestRetry = Number.POSITIVE_INFINITY

  constructor(private readonly parts: EtcdClaimsParts) {
    this.mark = markKey(parts.prefix, parts.node, parts.creation)
    parts.lease.onEnd(() => this.leaseEnded())
  }

  /** How many are not decided. */
  get size(): number {
    return this.attempts.size
  }

  start(claim: Claiming, now: number): void {
    if (this.attempts.size >= ATTEMPTS_MAX) return void claim.done({ type: 'unavailable' })
    const { node, creation } = this.parts
    const owner: EtcdOwner = { node, creation, pid: claim.pid, epoch: undefined }
    const attempt: Attempt = {
      type: 'claim',
      ...this.keyWork(claim.scope, claim.id),
      claim,
      value: toBase64(ownerText(owner, ++this.lastNonce)),
      over: undefined,
      since: now,
      doubtSince: undefined,
      doubted: undefined,
      retryAt: 0,
      tries: 0,
      isAsked: false,
      mayStand: false,
      isOver: false,
      blockedBy: undefined,
    }
    if (this.attempts.size === 0) this.lookAt = now + LOOK_MS
    this.attempts.add(attempt)
    this.queue.add(attempt)
  }

  /** An own claim is gone from the table. Keys of a lease that has ended go with that. */
  freed(scope: string, id: string, epoch: number): void {
    if (this.parts.nodeLease.id === undefined) return
    const work = this.keyWork(scope, id)
    const operation = { type: 'delete', key: work.key, revision: epoch } as const
    const gone = { scope, id, epoch }
    this.queue.add({ type: 'drop', ...work, operation, gone, retryAt: 0, tries: 0 })
  }

  /** When `tick` is wanted next. */
  get nextTick(): number {
    const paused = this.queue.hasReady ? this.pausedUntil : undefined
    const look = this.attempts.size > 0 ? this.lookAt : Number.POSITIVE_INFINITY
    const retry = this.waiting.size > 0 ? this.earliestRetry : Number.POSITIVE_INFINITY
    return Math.min(paused ?? Number.POSITIVE_INFINITY, look, retry)
  }

  /** Ends what has waited for too long, and carries on with what waits for its next try. */
  tick(now: number): void {
    this.pace.marked(this.parts.nodeLease.terms?.mark, now)
    if (this.pausedUntil !== undefined && now >= this.pausedUntil) this.pausedUntil = undefined
    if (this.attempts.size > 0 && now >= this.lookAt) this.endLate(now)
    if (now < this.earliestRetry) return
    this.earliestRetry = Number.POSITIVE_INFINITY
    for (const work of [...this.waiting]) {
      if (now < work.retryAt) this.earliestRetry = Math.min(this.earliestRetry, work.retryAt)
      else if (work.type === 'claim' && now >= work.claim.deadline)
        this.end(work, outcomeOfLate(work))
      else this.resume(work)
    }
  }

  stop(): void {
    for (const attempt of [...this.attempts]) this.end(attempt, { type: 'unavailable' })
    this.waiting.clear()
    this.underWay.clear()
    this.queue.clear()
  }

  // --- asking

  /** The next request, if there is one to be made now. Each has to be answered with `replied`. */
  take(now: number): ClaimsCall | undefined {
    const { terms } = this.parts.nodeLease
    if (!terms || this.pausedUntil !== undefined || this.underWay.size >= CALLS_MAX)
      return undefined
    if (!this.parts.lease.check(now)) return undefined
    const works = this.nextWorks()
    if (works.length === 0) return undefined
    const call = { body: this.body(works, terms), timeoutMs: CALL_MS, works, sentAt: now, terms }
    this.underWay.add(call)
    return call
  }

  /** As many as fit into a request. What gives a key back to another lease goes alone. */
  private nextWorks(): Work[] {
    const works: Work[] = []
    let bytes = 0
    while (works.length < this.pace.keys && bytes < BATCH_BYTES_MAX) {
      if (works.length > 0 && this.queue.first?.type === 'restore') break
      const work = this.nextWork()
      if (!work) break
      works.push(work)
      // Each key is named up to four times.
      bytes += work.key.length * 4
      if (work.type === 'restore') break
    }
    return works
  }

  private nextWork(): Work | undefined {
    for (let work = this.queue.take(); work; work = this.queue.take()) {
      if (work.type !== 'claim' || !work.isOver) return work
      // Nobody waits for it any more. What may have been written has to be taken back.
      if (work.isAsked) this.queue.again(this.giveBack(work))
      else this.queue.done(work)
    }
    return undefined
  }

  private body(works: readonly Work[], terms: LeaseTerms): object {
    const [first] = works
    if (first?.type === 'restore') return restoreBody(first.key, first.value, first.before)
    return batchBody(works.map(operationOf), terms, this.mark)
  }

  // --- answers

  replied(call: ClaimsCall, reply: EtcdReply, now: number): void {
    // A lease that ends by this makes the answer void.
    this.parts.lease.check(now)
    if (!this.underWay.delete(call)) return
    if (!reply.ok) return this.failed(call, reply.failure, now)
    this.pace.answered(call.sentAt, now)
    const revision = revisionOf(reply.body)
    this.parts.nodeLease.saw(revision)
    const [first] = call.works
    if (first?.type === 'restore') return this.queue.done(first)
    const answers = batchAnswers(reply.body)
    if (answers?.length !== call.works.length) return this.repeat(call)
    const { endings } = this
    for (const [at, work] of call.works.entries()) {
      this.answered(work, answers[at]!, revision, now)
      // Whoever was told looked at the clock: the rest is asked again, under the next lease.
      if (this.endings !== endings) return
    }
  }

  private failed(call: ClaimsCall, failure: (EtcdReply & { ok: false })['failure'], now: number) {
    const [first] = call.works
    if (failure === 'lease_gone' && first?.type === 'restore') {
      // Whose it was has no lease any more.
      return this.queue.again(dropOf(first))
    }
    if (failure === 'lease_gone') {
      for (const work of call.works) this.queue.again(work)
      return this.parts.nodeLease.gone(call.terms.id, now)
    }
    this.pace.failed()
    this.pausedUntil = now + PAUSE_MS
    if (!mayBeDone(failure)) {
      for (const work of call.works) this.queue.again(work)
      return
    }
    for (const work of call.works) if (work.type === 'claim') work.isAsked = true
    this.repeat(call)
  }

  /** Not before the mark has changed: what was sent under it and comes late does nothing then. */
  private repeat({ works, terms }: ClaimsCall): void {
    this.parts.nodeLease.doubt(terms)
    for (const work of works) this.queue.again(work)
  }

  private answered(work: Work, answer: Answer, revision: number, now: number): void {
    switch (work.type) {
      case 'claim':
        return this.claimAnswered(work, answer, revision, now)
      case 'drop':
        return this.dropAnswered(work, answer, now)
      case 'restore':
        return this.queue.done(work)
    }
  }

  private claimAnswered(attempt: Attempt, answer: Answer, revision: number, now: number): void {
    attempt.isAsked = false
    attempt.since = now
    if (answer.isDone) return this.granted(attempt, revision, now)
    const { found } = answer
    attempt.mayStand = found?.value === attempt.value
    if (!found) return this.queue.again(attempt)
    const isMine = found.value === attempt.value && found.lease === this.parts.nodeLease.id
    if (isMine) return this.granted(attempt, found.revision, now)
    if (attempt.isOver) return this.queue.done(attempt)
    this.occupied(attempt, found, now)
  }

  private granted(attempt: Attempt, epoch: number, now: number): void {
    const { isOver, blockedBy, claim } = attempt
    const other = isOver ? undefined : this.otherOwner(claim)
    if (other) {
      attempt.doubted = other
      attempt.blockedBy = undefined
      this.queue.again(this.giveBack(attempt))
      return this.postpone(attempt, now)
    }
    const { endings } = this
    this.attempts.delete(attempt)
    if (!isOver && claim.prepare) claim.prepare(epoch, this.prepared(attempt, epoch))
    else this.used(attempt, !isOver && claim.done({ type: 'granted', epoch }), endings)
    if (this.endings !== endings || blockedBy === undefined) return
    // The lease in the way is gone, and with it all its keys.
    for (const other of [...this.waiting]) {
      if (other.type === 'claim' && other.blockedBy === blockedBy) this.resume(other)
    }
  }

  /** It has the key in etcd while it prepares for it, unless the lease ends. */
  private prepared(attempt: Attempt, epoch: number): GoOn {
    const { endings } = this
    const { claim } = attempt
    return (isWanted) => {
      if (this.endings !== endings) return void claim.done({ type: 'unavailable' })
      const isUsed = claim.done(isWanted ? { type: 'granted', epoch } : { type: 'timeout' })
      this.used(attempt, isWanted && isUsed, endings)
    }
  }

  private used(attempt: Attempt, isUsed: boolean, endings: number): void {
    if (this.endings !== endings) return
    if (isUsed) this.queue.done(attempt)
    else this.queue.again(this.giveBack(attempt))
  }

  /**
   * What this node knows itself is looked at last: the owner may have lost the key and be about to get it
   * again, such as the old side of a move whose new side has died.
   */
  private otherOwner({ scope, id, over }: Claiming): Pid | undefined {
    if (over !== undefined) return undefined
    const owner = this.parts.tables(scope).find(id)
    return owner?.origin.node === this.parts.node ? undefined : owner?.pid
  }

  /** Somebody has the key. */
  private occupied(attempt: Attempt, found: Found, now: number): void {
    const { claim } = attempt
    const owner = ownerOf(found.value)
    const epoch = owner?.epoch ?? found.revision
    if (claim.over === epoch) {
      attempt.over = { ...found, value: toBase64(withEpoch(found.value, epoch)) }
      return this.queue.again(attempt)
    }
    if (!owner) return this.wait(attempt, found, now)
    if (owner.node === this.parts.node && owner.creation === this.parts.creation) {
      return this.ownKey(attempt, found, epoch)
    }
    const known = this.parts.tables(claim.scope).find(claim.id)
    if (known?.pid && known.epoch === epoch) return this.taken(attempt, known.pid)
    if (owner.pid && this.isCertain(attempt, owner.pid, now)) return this.taken(attempt, owner.pid)
    this.wait(attempt, found, now)
  }

  /** An owner that is there, though its claim has not come here for a while. */
  private isCertain(attempt: Attempt, pid: Pid, now: number): boolean {
    attempt.doubted = pid
    attempt.doubtSince ??= now
    return this.parts.reachable(pid.node) && now - attempt.doubtSince >= DOUBT_MS
  }

  /** This node has the key: for a process, or as the rest of something that was given up. */
  private ownKey(attempt: Attempt, found: Found, epoch: number): void {
    const { claim } = attempt
    const rows = this.parts.tables(claim.scope).own.rows
    const row = rows.get(claim.id) as Claim | undefined
    if (row?.epoch !== epoch || found.lease !== this.parts.nodeLease.id) {
      attempt.over = found
      return this.queue.again(attempt)
    }
    if (row.pid && claim.pid && !row.pid.equals(claim.pid)) return this.taken(attempt, row.pid)
    // For the same process, or for one that is still starting: it has it already.
    this.attempts.delete(attempt)
    this.queue.done(attempt)
    claim.done({ type: 'granted', epoch })
  }

  private dropAnswered(drop: Drop, { isDone, found }: Answer, now: number): void {
    const { gone } = drop
    const owner = found && ownerOf(found.value)
    if (isDone || !owner || !gone) return this.queue.done(drop)
    const isOwn = owner.node === this.parts.node && owner.creation === this.parts.creation
    if (isOwn && owner.epoch === gone.epoch) {
      // It was given back to this node under its old token.
      const operation = { type: 'delete', key: drop.key, revision: found.revision } as const
      return this.queue.again({ ...drop, operation })
    }
    const known = this.parts.tables(gone.scope).find(gone.id)
    // Somebody has written over it who may give it back, since nobody knows of that claim.
    const mayComeBack = !isOwn && known?.epoch !== (owner.epoch ?? found.revision)
    if (mayComeBack && drop.tries < LOOKS_MAX) this.postpone(drop, now)
    this.queue.done(drop)
  }

  /** What makes a write undone that nobody uses. What this node had left there is not wanted back. */
  private giveBack(attempt: Attempt): Work {
    const { name, key, value, claim, over } = attempt
    const isOwners = over && claim.over !== undefined && ownerOf(over.value)?.epoch === claim.over
    return isOwners ? { type: 'restore', name, key, value, before: over } : dropOf(attempt)
  }

  // --- waiting and ends

  private wait(attempt: Attempt, found: Found, now: number): void {
    attempt.over = undefined
    attempt.blockedBy = found.lease
    this.postpone(attempt, now)
    this.queue.done(attempt)
  }

  private postpone(work: Attempt | Drop, now: number): void {
    const delay = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(work.tries++, 8))
    const latest = work.type === 'claim' ? work.claim.deadline : Number.POSITIVE_INFINITY
    work.retryAt = Math.min(now + delay, latest)
    this.earliestRetry = Math.min(this.earliestRetry, work.retryAt)
    this.waiting.add(work)
  }

  private resume(work: Attempt | Drop): void {
    this.waiting.delete(work)
    this.queue.add(work)
  }

  private endLate(now: number): void {
    this.lookAt = now + LOOK_MS
    const hasTerms = this.parts.nodeLease.terms !== undefined
    for (const attempt of [...this.attempts]) {
      if (now >= attempt.claim.deadline) this.end(attempt, outcomeOfLate(attempt))
      else if (this.pace.isSilent(attempt.since, now, hasTerms))
        this.end(attempt, { type: 'unavailable' })
    }
  }

  private taken(attempt: Attempt, pid: Pid): void {
    this.queue.done(attempt)
    this.end(attempt, { type: 'taken', pid })
  }

  private end(attempt: Attempt, outcome: Refusal): void {
    attempt.isOver = true
    this.attempts.delete(attempt)
    this.waiting.delete(attempt)
    const mayStand = attempt.mayStand || attempt.isAsked || this.isUnderWay(attempt)
    attempt.claim.done(mayStand ? { ...outcome, mayStand } : outcome)
  }

  private isUnderWay(attempt: Attempt): boolean {
    for (const { works } of this.underWay) if (works.includes(attempt)) return true
    return false
  }

  /** All keys go with it. What was asked under it is asked again, under the next one. */
  private leaseEnded(): void {
    this.endings++
    for (const work of [...this.waiting]) if (work.type === 'drop') this.waiting.delete(work)
    const underWay = new Set([...this.underWay].flatMap(({ works }) => works))
    this.queue.clear()
    this.underWay.clear()
    for (const attempt of this.attempts) {
      if (attempt.isAsked || underWay.has(attempt)) attempt.mayStand = true
      attempt.isAsked = false
      attempt.over = undefined
      if (!this.waiting.has(attempt)) this.queue.add(attempt)
    }
  }

  private keyWork(scope: string, id: string): KeyWork {
    const text = claimKey(this.parts.prefix, scope, id)
    return { name: text, key: toBase64(text) }
  }
}

/** Of an owner that cannot be reached, etcd's word is all there is. */
const outcomeOfLate = ({ doubted }: Attempt): Refusal =>
  doubted ? { type: 'taken', pid: doubted } : { type: 'timeout' }
