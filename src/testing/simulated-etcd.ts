/**
 * The etcd of a simulation: the few requests that the arbiter makes, on a store with revisions and
 * leases that end by virtual time, behind the port of the real one (`EtcdPort`). As the real one it
 * keeps what it knows when it is killed, and gives every lease its full time when it starts again.
 */
import type { EtcdBody, EtcdPath, EtcdPort, EtcdReply } from '../base/etcd-port.js'
import type { Program } from './program.js'
import type { SeededRandom } from './seeded-random.js'
import { SimulatedService } from './simulated-service.js'
import type { Timeline } from './timeline.js'

export interface Row {
  readonly value: string
  readonly created: number
  readonly revision: number
  readonly lease: string | undefined
  /** What it was written over, if the key was not free. */
  readonly before?: Row | undefined
}

interface LeaseRow {
  readonly ttlMs: number
  endsAt: number
}

type Json = Readonly<Record<string, unknown>>

const LEASE_GONE: EtcdReply = {
  ok: false,
  failure: 'lease_gone',
  message: 'etcdserver: requested lease not found',
}
const NO_LEADER: EtcdReply = { ok: false, failure: 'no_leader', message: 'etcdserver: no leader' }

class LeaseMissing extends Error {}

export class SimulatedEtcd {
  readonly service: SimulatedService
  /** Answers that it has no leader, perhaps after it has done what it was asked. */
  hasNoLeader = false
  readonly #timeline: Timeline
  readonly #random: SeededRandom
  #rows = new Map<string, Row>()
  readonly #leases = new Map<string, LeaseRow>()
  #revision = 1
  #lastLease = 0
  /** By the transaction that is being carried out. */
  #isChanged = false

  constructor(timeline: Timeline, random: SeededRandom) {
    this.#timeline = timeline
    this.#random = random
    this.service = new SimulatedService(timeline, random)
  }

  /** What one program has of it. */
  port(program: Program): EtcdPort {
    return {
      call: (path, body, timeoutMs) => this.#call(program, path, body, timeoutMs),
      close: () => {},
    }
  }

  /** After `service.kill`. */
  start(): void {
    for (const lease of this.#leases.values()) lease.endsAt = this.#timeline.now + lease.ttlMs
    this.service.start()
  }

  /** What a key has at this moment, as an observer sees it: nothing if its lease is over. */
  look(key: string): Row | undefined {
    const row = this.#rows.get(key)
    if (row?.lease === undefined) return row
    const lease = this.#leases.get(row.lease)
    return lease && lease.endsAt > this.#timeline.now ? row : undefined
  }

  #call(program: Program, path: EtcdPath, body: object, timeoutMs: number): Promise<EtcdReply> {
    return new Promise((resolve) => {
      const fail = (message: string): void =>
        resolve({ ok: false, failure: 'unreachable', message })
      const timer = program.clock.after(timeoutMs, () => fail('no answer in time'))
      this.service
        .request(program, this.service.incarnation, () => this.#answer(path, body as Json))
        .then(resolve, (error: Error) => fail(error.message))
        .finally(() => timer.cancel())
    })
  }

  #answer(path: EtcdPath, body: Json): EtcdReply {
    if (!this.hasNoLeader) return this.#execute(path, body)
    if (this.#random.chance(0.5)) this.#execute(path, body)
    return NO_LEADER
  }

  #execute(path: EtcdPath, body: Json): EtcdReply {
    this.#endLeases()
    const before = new Map(this.#rows)
    try {
      return { ok: true, body: { ...this.#run(path, body), header: this.#header() } }
    } catch (error) {
      if (!(error instanceof LeaseMissing)) throw error
      this.#rows = before
      return LEASE_GONE
    }
  }

  #run(path: EtcdPath, body: Json): EtcdBody {
    const revision = this.#revision + 1
    switch (path) {
      case '/v3/lease/grant':
        return this.#grant(Number(body.TTL))
      case '/v3/lease/keepalive':
        return this.#keepAlive(String(body.ID))
      case '/v3/lease/revoke':
        if (!this.#leases.delete(String(body.ID))) throw new LeaseMissing()
        this.#dropRowsOf(String(body.ID))
        return {}
      case '/v3/kv/put':
        this.#put(body, revision)
        this.#revision = revision
        return {}
      case '/v3/kv/range':
        return this.#range(String(body.key))
      case '/v3/kv/txn': {
        this.#isChanged = false
        const answer = this.#transaction(body, revision)
        if (this.#isChanged) this.#revision = revision
        return answer
      }
    }
  }

  #grant(ttlSeconds: number): EtcdBody {
    const id = String(++this.#lastLease)
    const ttlMs = ttlSeconds * 1_000
    this.#leases.set(id, { ttlMs, endsAt: this.#timeline.now + ttlMs })
    return { ID: id, TTL: String(ttlSeconds) }
  }

  /** One that has ended is told without a time to live. */
  #keepAlive(id: string): EtcdBody {
    const lease = this.#leases.get(id)
    if (!lease) return { ID: id }
    lease.endsAt = this.#timeline.now + lease.ttlMs
    return { ID: id, TTL: String(lease.ttlMs / 1_000) }
  }

  #endLeases(): void {
    for (const [id, { endsAt }] of this.#leases) {
      if (endsAt > this.#timeline.now) continue
      this.#leases.delete(id)
      this.#dropRowsOf(id)
    }
  }

  #dropRowsOf(lease: string): void {
    const keys = [...this.#rows].filter(([, row]) => row.lease === lease).map(([key]) => key)
    for (const key of keys) this.#rows.delete(key)
    if (keys.length > 0) this.#revision++
  }

  #put({ key, value, lease }: Json, revision: number): void {
    const id = lease === undefined ? undefined : String(lease)
    if (id !== undefined && !this.#leases.has(id)) throw new LeaseMissing()
    const old = this.#rows.get(String(key))
    const before = old && { ...old, before: undefined }
    const created = old?.created ?? revision
    this.#isChanged = true
    this.#rows.set(String(key), { value: String(value), created, revision, lease: id, before })
  }

  #range(key: string): EtcdBody {
    const row = this.#rows.get(key)
    if (!row) return {}
    const { value, created, revision, lease } = row
    const kv = { key, value, create_revision: String(created), mod_revision: String(revision) }
    return { kvs: [lease === undefined ? kv : { ...kv, lease }], count: '1' }
  }

  #transaction(body: Json, revision: number): EtcdBody {
    const compares = (body.compare ?? []) as Json[]
    const succeeded = compares.every((compare) => this.#holds(compare))
    const requests = ((succeeded ? body.success : body.failure) ?? []) as Json[]
    const responses = requests.map((request) => this.#request(request, revision))
    return succeeded ? { succeeded, responses } : { responses }
  }

  #holds({ key, target, value, ...wanted }: Json): boolean {
    const row = this.#rows.get(String(key))
    if (target === 'VALUE') return row?.value === value
    if (target === 'CREATE') return String(row?.created ?? 0) === wanted.create_revision
    return String(row?.revision ?? 0) === wanted.mod_revision
  }

  #request(request: Json, revision: number): Json {
    if (request.request_txn) {
      return { response_txn: this.#transaction(request.request_txn as Json, revision) }
    }
    if (request.request_range) {
      return { response_range: this.#range(String((request.request_range as Json).key)) }
    }
    if (request.request_put) {
      this.#put(request.request_put as Json, revision)
      return { response_put: {} }
    }
    const { key } = request.request_delete_range as Json
    if (this.#rows.delete(String(key))) this.#isChanged = true
    return { response_delete_range: {} }
  }

  #header(): EtcdBody {
    return { revision: String(this.#revision) }
  }
}
