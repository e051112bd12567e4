/**
 * This node's lease at etcd, and its mark: a key under the lease whose revision every request that
 * changes something compares. Pure: `due` gives what is to be asked, `replied` takes the answers.
 *
 * The node's own `Lease` ends 0.99 of the time to live after the *sending* of the last keepalive
 * that was confirmed, so before etcd can end it. Once it has ended, nothing of it comes back: the
 * lease at etcd is given up and a new one taken.
 *
 * The mark is written anew when it is not known what became of a request. Whatever was sent before
 * and comes late finds another revision then and does nothing, so that asking again is safe.
 */

import type { EtcdPath, EtcdReply } from '../base/etcd-port.js'
import type { Lease } from '../base/lease.js'
import { count, identifier, revisionOf, toBase64 } from './fields.js'

export interface LeaseCall {
  readonly kind: 'grant' | 'renew' | 'mark' | 'revoke'
  readonly path: EtcdPath
  readonly body: object
  readonly timeoutMs: number
  readonly sentAt: number
  /** The lease it is about; undefined when that is being asked for. */
  readonly id: string | undefined
}

/** What requests are made under. */
export interface LeaseTerms {
  /** Etcd's number of the lease. */
  readonly id: string
  /** The revision of the mark. */
  readonly mark: number
}

export interface NodeLeaseOptions {
  readonly lease: Lease
  readonly ttlSeconds: number
  /** The key and value of the mark. */
  readonly markKey: string
  readonly markValue: string
}

/** Clocks may differ in speed by one percent. */
const TRUSTED = 0.99
const RETRY_MS = 200
const CALL_MAX_MS = 1_000
const MARK_MS = 700
const REVOKE_TRIES = 3
const REVOKED_MAX = 4

export class NodeLease {
  #id: string | undefined
  #mark: number | undefined
  #ttlMs: number
  /** When the lease is to be asked for, or renewed. */
  #leaseAt = Number.NEGATIVE_INFINITY
  #markAt = Number.NEGATIVE_INFINITY
  #isLeaseAsked = false
  #isMarkAsked = false
  #isClosed = false
  #highest = 0
  /** Etcd has lost what it knew: its revisions, which are tokens, would not rise. */
  hasLostData = false
  /** Leases to give up, with the tries left; negative while one is under way. */
  readonly #revoked = new Map<string, number>()

  constructor(private readonly options: NodeLeaseOptions) {
    this.#ttlMs = options.ttlSeconds * 1_000
    options.lease.onEnd((now) => this.#ended(now))
  }

  /** Undefined: nothing can be asked now. */
  get terms(): LeaseTerms | undefined {
    if (this.#id === undefined || this.#mark === undefined) return undefined
    return { id: this.#id, mark: this.#mark }
  }

  get id(): string | undefined {
    return this.#id
  }

  /** Nothing is left to be given up. */
  get isReleased(): boolean {
    return this.#id === undefined && this.#revoked.size === 0 && !this.#isLeaseAsked
  }

  /** When `due` is wanted next. */
  get nextAt(): number {
    const { validUntil } = this.options.lease
    let at = validUntil === Number.NEGATIVE_INFINITY ? Number.POSITIVE_INFINITY : validUntil
    if (!this.#isLeaseAsked && !this.#isClosed) at = Math.min(at, this.#leaseAt)
    const wantsMark = this.#id !== undefined && this.#mark === undefined && !this.#isMarkAsked
    return wantsMark ? Math.min(at, this.#markAt) : at
  }

  /** What is to be asked now. Each has to be answered with `replied`. */
  due(now: number): LeaseCall[] {
    this.options.lease.check(now)
    const calls: LeaseCall[] = []
    if (this.#id !== undefined || this.#isClosed) this.#revokeOld(calls, now)
    if (this.#isClosed) return calls
    if (!this.#isLeaseAsked && now >= this.#leaseAt) {
      this.#isLeaseAsked = true
      calls.push(this.#call(this.#id === undefined ? 'grant' : 'renew', now, this.#id))
    }
    if (this.#id !== undefined && this.#mark === undefined && !this.#isMarkAsked) {
      if (now >= this.#markAt) {
        this.#isMarkAsked = true
        calls.push(this.#call('mark', now, this.#id))
      }
    }
    return calls
  }

  replied(call: LeaseCall, reply: EtcdReply, now: number): void {
    this.options.lease.check(now)
    switch (call.kind) {
      case 'grant':
        return this.#granted(call, reply, now)
      case 'renew':
        return this.#renewed(call, reply, now)
      case 'mark':
        return this.#marked(call, reply, now)
      case 'revoke':
        return this.#revokeReplied(call, reply)
    }
  }

  /** It is not known what became of a request under these terms. */
  doubt({ id, mark }: LeaseTerms): void {
    if (id !== this.#id || mark !== this.#mark) return
    this.#mark = undefined
    this.#markAt = Number.NEGATIVE_INFINITY
  }

  /** A revision that etcd has told. */
  saw(revision: number): void {
    if (revision > this.#highest) this.#highest = revision
  }

  /** Etcd has no such lease any more: it ends here as well. */
  gone(id: string, now: number): void {
    if (id === this.#id) this.options.lease.move(Number.NEGATIVE_INFINITY, now)
  }

  /** The node stops: no new lease, and the one there is is given up. Its keys go with it. */
  close(now: number): void {
    this.#isClosed = true
    this.options.lease.move(Number.NEGATIVE_INFINITY, now)
  }

  /** They would end by themselves, but later. Only when etcd answers: it has just given a new one. */
  #revokeOld(calls: LeaseCall[], now: number): void {
    for (const [id, tries] of this.#revoked) {
      if (tries < 0) continue
      this.#revoked.set(id, -tries)
      calls.push(this.#call('revoke', now, id))
    }
  }

  #granted(call: LeaseCall, reply: EtcdReply, now: number): void {
    this.#isLeaseAsked = false
    this.#leaseAt = now + RETRY_MS
    const id = reply.ok ? identifier(reply.body.ID) : undefined
    if (!reply.ok || id === undefined) return
    const until = this.#until(call, count(reply.body.TTL))
    if (this.#isClosed || until <= now) return this.#giveUp(id)
    this.#id = id
    this.#mark = undefined
    this.#markAt = now
    this.#leaseAt = call.sentAt + this.#ttlMs / 3
    this.options.lease.move(until, now)
  }

  #renewed(call: LeaseCall, reply: EtcdReply, now: number): void {
    this.#isLeaseAsked = false
    if (call.id !== this.#id) return
    this.#leaseAt = now + RETRY_MS
    if (!reply.ok) {
      if (reply.failure === 'lease_gone') this.gone(call.id!, now)
      return
    }
    const ttl = count(reply.body.TTL)
    if (ttl === 0) return this.gone(call.id!, now)
    this.#leaseAt = call.sentAt + this.#ttlMs / 3
    this.options.lease.move(this.#until(call, ttl), now)
  }

  #marked(call: LeaseCall, reply: EtcdReply, now: number): void {
    this.#isMarkAsked = false
    if (call.id !== this.#id) return
    this.#markAt = now + RETRY_MS
    if (!reply.ok) {
      if (reply.failure === 'lease_gone') this.gone(call.id!, now)
      return
    }
    const revision = revisionOf(reply.body)
    this.hasLostData = revision < this.#highest
    if (revision === 0 || this.hasLostData) return
    this.saw(revision)
    this.#mark = revision
  }

  #revokeReplied({ id }: LeaseCall, reply: EtcdReply): void {
    const left = -(this.#revoked.get(id!) ?? 0) - 1
    if (reply.ok || reply.failure === 'lease_gone' || left <= 0) this.#revoked.delete(id!)
    else this.#revoked.set(id!, left)
  }

  /** From when it was sent: etcd has counted from later. */
  #until({ sentAt }: LeaseCall, ttlSeconds: number): number {
    if (ttlSeconds > 0) this.#ttlMs = ttlSeconds * 1_000
    return sentAt + TRUSTED * this.#ttlMs
  }

  #ended(now: number): void {
    if (this.#id !== undefined) this.#giveUp(this.#id)
    this.#id = undefined
    this.#mark = undefined
    this.#leaseAt = now
  }

  #giveUp(id: string): void {
    if (this.#revoked.size < REVOKED_MAX) this.#revoked.set(id, REVOKE_TRIES)
  }

  #call(kind: LeaseCall['kind'], sentAt: number, id: string | undefined): LeaseCall {
    const timeoutMs = kind === 'mark' ? MARK_MS : Math.min(CALL_MAX_MS, this.#ttlMs / 6)
    return { kind, ...this.#request(kind, id), timeoutMs, sentAt, id }
  }

  #request(
    kind: LeaseCall['kind'],
    id: string | undefined,
  ): { readonly path: EtcdPath; readonly body: object } {
    const { ttlSeconds, markKey, markValue } = this.options
    switch (kind) {
      case 'grant':
        return { path: '/v3/lease/grant', body: { TTL: ttlSeconds } }
      case 'renew':
        return { path: '/v3/lease/keepalive', body: { ID: id } }
      case 'revoke':
        return { path: '/v3/lease/revoke', body: { ID: id } }
      case 'mark': {
        const body = { key: toBase64(markKey), value: toBase64(markValue), lease: id }
        return { path: '/v3/kv/put', body }
      }
    }
  }
}
