/**
 * What a node has to do with etcd, and nothing else of it: the arbiter with its lease over a real
 * etcd, and a table of claims into which grants are written as the registry does.
 */

import type { EtcdPort, EtcdReply } from '../../src/base/etcd-port.js'
import { Lease } from '../../src/base/lease.js'
import { type Logger, silent } from '../../src/base/log.js'
import { systemClock } from '../../src/base/system-clock.js'
import type { ClaimOutcome } from '../../src/cluster/arbiters/arbiter.js'
import { EtcdArbiter } from '../../src/cluster/arbiters/etcd-arbiter.js'
import { ViewTracker } from '../../src/cluster/arbiters/view.js'
import { Origin } from '../../src/cluster/replication/origin.js'
import type { Claim } from '../../src/cluster/tables/claim-table.js'
import { ClaimTable } from '../../src/cluster/tables/claim-table.js'
import { HttpEtcd, type HttpEtcdOptions } from '../../src/etcd/http-port.js'
import { Pid } from '../../src/term/pid.js'
import { eventually } from './eventually.js'

export interface EtcdNodeOptions extends Omit<HttpEtcdOptions, 'clock'> {
  creation?: number
  prefix?: string
  ttlSeconds?: number
  log?: Logger
  /** Between the node and its etcd. */
  through?: (port: EtcdPort) => EtcdPort
}

export interface ClaimOptions {
  pid?: Pid
  over?: number
  timeoutMs?: number
  /** False: it is granted and not used. */
  use?: boolean
}

export const SCOPE = 'c:test'
let lastPid = 0

export class EtcdNode {
  readonly lease = new Lease()
  readonly own: Origin
  readonly table: ClaimTable
  readonly arbiter: EtcdArbiter
  /** Nodes that this one cannot reach. */
  readonly lost = new Set<string>()
  /** True: nothing of it reaches etcd. */
  isCut = false
  /** How often its lease has ended. */
  ends = 0

  constructor(
    readonly name: string,
    options: EtcdNodeOptions,
  ) {
    const { creation = 1, prefix = 'test/', ttlSeconds = 3, log = silent, through } = options
    this.own = new Origin(name, creation)
    this.table = new ClaimTable(this.own, () => undefined)
    const real = new HttpEtcd({ ...options, clock: systemClock })
    const port = this.#cuttable(through?.(real) ?? real)
    const { lease, table } = this
    this.lease.onEnd(() => {
      this.ends++
      for (const { id } of [...this.rows()]) this.free(id)
    })
    this.arbiter = new EtcdArbiter(
      { port, lease, prefix, ttlSeconds, clock: systemClock },
      {
        self: { node: name, creation },
        views: new ViewTracker(name, creation),
        log,
        now: () => systemClock.now(),
        table: () => table,
        claimScopes: () => [],
        isUp: (node) => !this.lost.has(node),
        synced: () => true,
        hasLooked: () => true,
        sendRenewal: () => undefined,
        changed: () => undefined,
      },
    )
    this.arbiter.open()
  }

  async ready(): Promise<this> {
    await eventually(() => this.isValid, { what: `${this.name} has a lease`, timeoutMs: 20_000 })
    return this
  }

  get isValid(): boolean {
    return this.lease.check(systemClock.now())
  }

  newPid(): Pid {
    return new Pid(this.name, ++lastPid, 0, this.own.creation)
  }

  rows(): IterableIterator<Claim> {
    return this.table.rowsOfNode(this.own)
  }

  claim(id: string, options: ClaimOptions = {}): Promise<ClaimOutcome> {
    const { pid, over, timeoutMs = 5_000, use = true } = options
    const now = systemClock.now()
    return new Promise((resolve) => {
      const done = (outcome: ClaimOutcome): boolean => {
        const isUsed = outcome.type === 'granted' && use
        if (isUsed) this.#write(id, pid, outcome.epoch)
        resolve(outcome)
        return isUsed
      }
      const which = { scope: SCOPE, id, pid, force: false, ...(over === undefined ? {} : { over }) }
      this.arbiter.start({ ...which, deadline: now + timeoutMs, done }, now)
    })
  }

  /** The token of a claim that must succeed. */
  async token(id: string, options: ClaimOptions = {}): Promise<number> {
    const outcome = await this.claim(id, options)
    if (outcome.type !== 'granted') throw new Error(`${this.name}: ${id} is ${outcome.type}`)
    return outcome.epoch
  }

  free(id: string): void {
    const claim = this.own.rows.get(id) as Claim | undefined
    if (!claim) return
    this.table.delete(this.own, id, 'normal')
    this.arbiter.freed(SCOPE, id, claim.epoch)
  }

  /** The claim of another node arrives here. */
  learn({ id, key, pid, epoch, origin }: Claim): void {
    const other = new Origin(origin.node, origin.creation)
    const claim = { id, key, pid, epoch, forced: false, meta: undefined, origin: other, mark: 0 }
    this.table.set(claim, 'normal')
  }

  async stop(): Promise<void> {
    this.arbiter.stop()
    await this.arbiter.close()
  }

  #cuttable(port: EtcdPort): EtcdPort {
    const cut: EtcdReply = { ok: false, failure: 'unreachable', message: 'cut' }
    return {
      call: async (...args) => (this.isCut ? cut : port.call(...args)),
      close: () => port.close(),
    }
  }

  #write(id: string, pid: Pid | undefined, epoch: number): void {
    const { own: origin } = this
    const claim = { id, key: id, pid, epoch, forced: false, meta: undefined, origin, mark: 0 }
    this.table.set(claim, 'normal')
  }
}
