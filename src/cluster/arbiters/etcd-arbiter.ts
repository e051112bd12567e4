/**
 * The arbiter `etcd`, put together: the machines of the lease and of the claims, the port to etcd,
 * and the clock that drives them. Claims of the same turn of the event loop go in one request.
 */
import type { Clock, Timer } from '../../base/clock.js'
import type { EtcdPort, EtcdReply } from '../../base/etcd-port.js'
import type { Lease } from '../../base/lease.js'
import type { Logger } from '../../base/log.js'
import type { World } from '../../base/world.js'
import { HttpEtcd } from '../../etcd/http-port.js'
import { NodeLease } from '../../etcd/node-lease.js'
import type { Arbiter, Claiming } from './arbiter.js'
import type { ArbiterSettings } from './arbiter-options.js'
import type { ArbiterFactory, ArbiterParts } from './arbiters.js'
import type { ClaimAnswer, ClaimRequest } from './claim-message.js'
import { EtcdClaims } from './etcd-claims.js'
import { markKey } from './etcd-keys.js'

export interface EtcdArbiterOptions {
  readonly port: EtcdPort
  readonly lease: Lease
  readonly prefix: string
  readonly ttlSeconds: number
  readonly clock: Clock
}

/** How long giving the lease back may take when the node stops. */
const CLOSE_MS = 2_000
/** How long etcd may fail before that is worth a warning: a change of its leader is over by then. */
const QUIET_MS = 2_000

export class EtcdArbiter implements Arbiter {
  readonly requests = new Map<string, ClaimRequest[]>()
  readonly releases = new Map<string, number[]>()
  /** The driver's own timers do all that is due. */
  readonly nextTick = undefined
  readonly hasOutput = false
  readonly #options: EtcdArbiterOptions
  readonly #log: Logger
  readonly #nodeLease: NodeLease
  readonly #claims: EtcdClaims
  #isOpen = false
  #isPumpDue = false
  #timer: Timer | undefined
  #failingSince: number | undefined
  #hasWarned = false
  #released: (() => void) | undefined

  constructor(options: EtcdArbiterOptions, parts: ArbiterParts) {
    const { lease, prefix, ttlSeconds } = options
    const { node, creation } = parts.self
    this.#options = options
    this.#log = parts.log
    const key = markKey(prefix, node, creation)
    const markValue = JSON.stringify({ node, creation })
    this.#nodeLease = new NodeLease({ lease, ttlSeconds, markKey: key, markValue })
    this.#claims = new EtcdClaims({
      node,
      creation,
      prefix,
      lease,
      nodeLease: this.#nodeLease,
      tables: (scope) => parts.table(scope),
      reachable: (name) => parts.isUp(name),
    })
  }

  /** How many claims wait for etcd. */
  get claims(): number {
    return this.#claims.size
  }

  /** From now on the node has a lease, whenever etcd can be reached. */
  open(): void {
    this.#isOpen = true
    this.#pumpSoon()
  }

  /** After everything that owns keys has ended: gives the lease back, and with it all keys. */
  async close(): Promise<void> {
    const { clock, port } = this.#options
    if (this.#isOpen) {
      this.#nodeLease.close(clock.now())
      this.#pump()
      const deadline = clock.after(CLOSE_MS, () => this.#released?.())
      await new Promise<void>((resolve) => {
        this.#released = resolve
        if (this.#nodeLease.isReleased) resolve()
      })
      deadline.cancel()
      this.#isOpen = false
    }
    this.#timer?.cancel()
    port.close()
  }

  start(claim: Claiming, now: number): void {
    const { prepare } = claim
    this.#claims.start(prepare ? { ...claim, prepare: this.#pumped(prepare) } : claim, now)
    this.#pumpSoon()
  }

  /** What becomes of a grant that was kept is told to etcd. */
  #pumped(prepare: NonNullable<Claiming['prepare']>): Claiming['prepare'] {
    return (epoch, goOn) =>
      prepare(epoch, (isWanted, now) => {
        goOn(isWanted, now)
        this.#pumpSoon()
      })
  }

  freed(scope: string, id: string, epoch: number): void {
    this.#claims.freed(scope, id, epoch)
    this.#pumpSoon()
  }

  wake(): void {
    this.#pumpSoon()
  }

  tick(): void {
    this.#pumpSoon()
  }

  stop(): void {
    this.#claims.stop()
  }

  // --- nodes ask etcd, not each other

  answer(_node: string, _creation: number, request: ClaimRequest): ClaimAnswer {
    return [request[0], 'wrong_view', null]
  }

  answered(): void {}

  nodeLost(): void {}

  oldestRequest(): number {
    return 0
  }

  // --- driving

  #pumpSoon(): void {
    if (this.#isPumpDue || !this.#isOpen) return
    this.#isPumpDue = true
    this.#options.clock.soon(() => {
      this.#isPumpDue = false
      this.#pump()
    })
  }

  #pump(): void {
    if (!this.#isOpen) return
    const { clock } = this.#options
    const now = clock.now()
    for (const call of this.#nodeLease.due(now)) {
      this.#ask(call, (reply, at) => this.#nodeLease.replied(call, reply, at))
    }
    this.#claims.tick(now)
    for (let call = this.#claims.take(now); call; call = this.#claims.take(now)) {
      const asked = call
      this.#ask({ path: '/v3/kv/txn', ...call }, (reply, at) =>
        this.#claims.replied(asked, reply, at),
      )
    }
    if (this.#nodeLease.isReleased) this.#released?.()
    this.#timer?.cancel()
    const at = Math.min(this.#nodeLease.nextAt, this.#claims.nextTick)
    if (at === Number.POSITIVE_INFINITY) return
    this.#timer = clock.after(Math.max(0, at - now), () => this.#pump())
  }

  #ask(
    {
      path,
      body,
      timeoutMs,
    }: { path: Parameters<EtcdPort['call']>[0]; body: object; timeoutMs: number },
    take: (reply: EtcdReply, now: number) => void,
  ): void {
    const { port, clock } = this.#options
    port.call(path, body, timeoutMs).then(
      (reply) => {
        if (!this.#isOpen) return
        const now = clock.now()
        take(reply, now)
        this.#note(reply, now)
        this.#pump()
      },
      (error: unknown) => this.#log.error('an answer of etcd could not be taken', error),
    )
  }

  /** Says it when etcd has failed for a while, and when it is back. */
  #note(reply: EtcdReply, now: number): void {
    if (this.#nodeLease.hasLostData) return this.#warn(LOST_DATA)
    if (reply.ok || reply.failure === 'lease_gone') {
      // Who may not write gets a lease all the same.
      if (this.#nodeLease.terms === undefined) return
      if (this.#hasWarned) this.#log.info('etcd answers again')
      this.#hasWarned = false
      this.#failingSince = undefined
      return
    }
    this.#failingSince ??= now
    const isLasting = now - this.#failingSince >= QUIET_MS
    if (isLasting || reply.failure === 'refused') this.#warn(failing(reply.message))
  }

  #warn(message: string): void {
    if (this.#hasWarned) return
    this.#hasWarned = true
    this.#log.warn(message)
  }
}

/** `made` gets it, to open it when the node starts and to close it when it has stopped. */
export function etcdArbiter(
  settings: ArbiterSettings & { type: 'etcd' },
  lease: Lease,
  { clock, etcd }: World,
  made: (arbiter: EtcdArbiter) => void,
): ArbiterFactory {
  return (parts) => {
    const port = etcd?.(parts.self.node) ?? new HttpEtcd({ ...settings, clock })
    const arbiter = new EtcdArbiter({ ...settings, port, lease, clock }, parts)
    made(arbiter)
    return { arbiter }
  }
}

const failing = (message: string): string =>
  `etcd cannot be used (${message}). Keys cannot be taken, and what owns keys here ends when the lease does; the node tries again by itself. See that etcd runs and that endpoints, TLS, user, password and prefix are right.`

const LOST_DATA =
  'etcd has lost what it knew: it was replaced by an empty or older one, and tokens would not rise. No key is given out; stop all nodes of the cluster, then start them again.'
