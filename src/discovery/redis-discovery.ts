/**
 * Nodes that find each other through Redis. Redis may be down, slow, empty or replaced at any
 * time: nothing is thrown into the node, what was read last stays known, and the connection is
 * tried again for ever, at most a second apart. One command is under way at a time, each with a
 * deadline. The rows themselves are in `redis-rows.ts`.
 */

import type { Clock, Timer } from '../base/clock.js'
import type { Cookie } from '../base/cookie.js'
import { messageOf } from '../base/describe.js'
import { CitadelError } from '../base/errors.js'
import type { Logger } from '../base/log.js'
import type { Random } from '../base/random.js'
import { type DiscoveredNode, type Discovery, sortedNodes } from './discovery.js'
import {
  adoptRedis,
  checkRedisClient,
  openRedis,
  type RedisClient,
  type RedisConnection,
  type RedisTls,
} from './redis-connection.js'
import { RedisRows } from './redis-rows.js'

export interface RedisDiscoveryOptions {
  /** `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS. */
  url?: string
  /** TLS settings for `rediss://`: `ca`, `cert`, `key` and so on. */
  tls?: RedisTls
  /** Instead of `url`: a client of `@redis/client` or `ioredis`, which stays yours. */
  client?: RedisClient
  /** How a connection to `url` is opened, for a world without sockets; `@redis/client` unless given. */
  open?: typeof openRedis
  /** Nodes see those of their own domain only. */
  domain: string
  /** Signs the addresses; without one they are taken as they are. */
  cookie?: Cookie | undefined
  clock: Clock
  random: Random
  log: Logger
  /** How often the own rows are written. */
  heartbeatMs?: number
  /**
   * How long they last. Five heartbeats: a command that runs into its deadline (2 s) and another
   * that is late do not make a living node vanish, and a dead one is gone from the list about
   * when the cluster gives it up as well.
   */
  expiryMs?: number
  /** How long a name without its key stays in the set. */
  pruneAfterMs?: number
  /** How long Redis may take to answer before it counts as unreachable. */
  commandTimeoutMs?: number
  /** More names than this in a domain are not read. */
  namesMax?: number
}

const HEARTBEAT_MS = 1000
const EXPIRY_MS = 5000
const PRUNE_AFTER_MS = 60_000
const COMMAND_TIMEOUT_MS = 2000
const NAMES_MAX = 10_000
/** Parts of the set that are read at a time: of a thousand names, about. */
const SCANS_MAX = 30
const RETRY_MIN_MS = 100
const RETRY_MAX_MS = 1000

export class RedisDiscovery implements Discovery {
  readonly #options: RedisDiscoveryOptions
  readonly #rows: RedisRows
  readonly #commandTimeoutMs: number
  readonly #where: string
  #self: DiscoveredNode | undefined
  #connection: RedisConnection | undefined
  #state: 'untried' | 'up' | 'down' = 'untried'
  #lastError: unknown
  #failures = 0
  /** What was read last; undefined until something was. */
  #known: DiscoveredNode[] | undefined
  #reading: Promise<void> | undefined
  /** Since when names of the set have had no key. */
  readonly #missingSince = new Map<string, number>()
  /** The end of the queue: one thing is done at a time. */
  #tail: Promise<void> = Promise.resolve()
  /** A command to a client passed in that ran into its deadline and may still be answered. */
  #unanswered = false
  #timer: Timer | undefined
  #toldUnsigned = false
  #started = false
  #closed = false

  constructor(options: RedisDiscoveryOptions) {
    this.#options = options
    this.#rows = new RedisRows(options.domain, options.expiryMs ?? EXPIRY_MS, options.cookie)
    this.#commandTimeoutMs = options.commandTimeoutMs ?? COMMAND_TIMEOUT_MS
    this.#where = whereOf(options)
  }

  announce(self: DiscoveredNode): Promise<void> {
    this.#self = self
    this.#started = true
    return this.#enqueue(() => this.#round())
  }

  withdraw(): Promise<void> {
    const name = this.#self?.name
    this.#self = undefined
    if (name === undefined) return Promise.resolve()
    return this.#enqueue(async () => {
      const connection = this.#connection
      if (connection === undefined || this.#state !== 'up') return
      await this.#attempt(() => this.#transact(connection, this.#rows.withdraw(name)))
    })
  }

  async members(): Promise<DiscoveredNode[]> {
    if (this.#state !== 'down') await this.#read()
    if (this.#known === undefined) throw this.#neverRead()
    return this.#known
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    this.#connection?.close()
    this.#connection = undefined
  }

  /** Queues work. What it throws is its own affair: the queue goes on. */
  #enqueue(work: () => Promise<void>): Promise<void> {
    const done = this.#tail.then(() => (this.#closed ? undefined : work()))
    this.#tail = done
    return done
  }

  /** One heartbeat: the rows are written; without rows of our own it is a reading. */
  async #round(): Promise<void> {
    this.#timer?.cancel()
    await this.#attempt(async () => {
      const connection = await this.#connected()
      if (this.#self === undefined) await this.#readRows(connection)
      else await this.#writeRows(connection, this.#self)
    })
    if (this.#closed) return
    this.#timer = this.#options.clock.after(this.#pause(), () => {
      void this.#enqueue(() => this.#round())
    })
  }

  /** A heartbeat when all is well (never two nodes in step for long), else a retry. */
  #pause(): number {
    const chance = this.#options.random.float()
    if (this.#failures === 0) {
      return (this.#options.heartbeatMs ?? HEARTBEAT_MS) * (0.9 + chance * 0.2)
    }
    const delay = RETRY_MIN_MS * 2 ** Math.min(this.#failures, 10)
    return Math.min(delay, RETRY_MAX_MS) * (0.5 + chance / 2)
  }

  /** Several readers at a time share one reading. */
  #read(): Promise<void> {
    this.#reading ??= this.#enqueue(async () => {
      this.#reading = undefined
      await this.#attempt(async () => this.#readRows(await this.#connected()))
      if (this.#started) return
      this.#started = true
      await this.#round()
    })
    return this.#reading
  }

  async #readRows(connection: RedisConnection): Promise<void> {
    const rows = this.#rows
    const names = await this.#listNames(connection)
    const asked = rows.readNodes(names).map((command) => orWrongType(connection.command(command)))
    const answers = await this.#answer(Promise.all(asked))
    const reading = rows.reading(names, answers, this.#options.clock.wallTime())
    this.#known = sortedNodes(reading.nodes)
    if (reading.unsigned.length > 0) this.#warnUnsigned(reading.unsigned)
    const gone = this.#longMissing(reading.missing)
    if (gone.length > 0) await this.#answer(connection.command(rows.prune(gone)))
  }

  /** What others put into the set costs no more than a few readings of it. */
  async #listNames(connection: RedisConnection): Promise<string[]> {
    const { namesMax = NAMES_MAX } = this.#options
    const found = new Set<string>()
    let cursor = '0'
    for (let part = 0; part < SCANS_MAX && found.size < namesMax; part++) {
      const listed = await this.#answer(connection.command(this.#rows.listNames(cursor)))
      const { names, cursor: next } = this.#rows.namesIn(listed)
      for (const name of names) found.add(name)
      cursor = next
      if (cursor === '0') break
    }
    return [...found].slice(0, namesMax)
  }

  #warnUnsigned(names: readonly string[]): void {
    if (this.#toldUnsigned) return
    this.#toldUnsigned = true
    const some = [...names].sort().slice(0, 3).join(', ')
    this.#options.log.warn(
      `${this.#where} lists addresses of ${names.length} nodes (${some}) that nobody with this cookie has ` +
        'signed lately: they are left out, and EPMD is asked. See that the clocks agree, and who writes there',
    )
  }

  /** A living node adds its name again at every heartbeat, so removing one is never final. */
  #longMissing(missing: readonly string[]): string[] {
    const now = this.#options.clock.now()
    const current = new Set(missing)
    for (const name of this.#missingSince.keys()) {
      if (!current.has(name)) this.#missingSince.delete(name)
    }
    for (const name of missing) {
      if (!this.#missingSince.has(name)) this.#missingSince.set(name, now)
    }
    const patience = this.#options.pruneAfterMs ?? PRUNE_AFTER_MS
    return missing.filter((name) => now - this.#missingSince.get(name)! >= patience)
  }

  async #writeRows(connection: RedisConnection, self: DiscoveredNode): Promise<void> {
    try {
      await this.#transact(connection, this.#rows.announce(self, this.#options.clock.wallTime()))
    } catch (error) {
      // A replica or a full server refuses to write, but others can still be found through it.
      if (connection.ready && !this.#unanswered) await this.#readRows(connection)
      throw error
    }
  }

  #transact(connection: RedisConnection, commands: Parameters<RedisConnection['transaction']>[0]) {
    return this.#answer(connection.transaction(commands))
  }

  async #connected(): Promise<RedisConnection> {
    if (this.#unanswered) throw new Error('an earlier command is still unanswered')
    const connection = this.#connection ?? (await this.#connect())
    if (!connection.ready) await this.#answer(connection.opening)
    if (!connection.ready) throw new Error('the connection is lost')
    return connection
  }

  async #connect(): Promise<RedisConnection> {
    const { url, client, tls, open = openRedis } = this.#options
    const connection =
      client === undefined
        ? await open(url!, { timeoutMs: this.#commandTimeoutMs, tls })
        : adoptRedis(client)
    if (this.#closed) connection.close()
    else this.#connection = connection
    return connection
  }

  /** Does it, notes whether Redis is up, and says so when that has changed. Never rejects. */
  async #attempt(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
      this.#reached()
    } catch (error) {
      this.#lost(error)
    }
  }

  #reached(): void {
    if (this.#state === 'down') this.#options.log.info(`${this.#where} answers again`)
    this.#state = 'up'
    this.#failures = 0
  }

  #lost(error: unknown): void {
    if (this.#closed) return
    if (this.#state !== 'down') this.#warn(error)
    this.#state = 'down'
    this.#lastError = error
    this.#failures++
    if (this.#options.client !== undefined) return
    this.#connection?.close()
    this.#connection = undefined
  }

  #warn(error: unknown): void {
    this.#options.log.warn(
      `${this.#where} cannot be used (${textOf(error)}). The node runs on with the nodes it ` +
        'knows and tries again; see that Redis runs and that CITADEL_REDIS_URL is right',
    )
  }

  #neverRead(): CitadelError {
    return new CitadelError(
      'discovery_failed',
      `${this.#where} cannot be used (${textOf(this.#lastError)}), so no node is known yet. See ` +
        'that Redis runs and that CITADEL_REDIS_URL is right; the node tries again by itself',
      { cause: this.#lastError },
    )
  }

  /** The answer of Redis, or a rejection at the deadline. */
  #answer<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.after(this.#commandTimeoutMs, () => {
        this.#unanswered = this.#options.client !== undefined
        reject(new Error(`no answer within ${this.#commandTimeoutMs} ms`))
      })
      const settled = (): void => {
        timer.cancel()
        this.#unanswered = false
      }
      answer.then(
        (value) => {
          settled()
          resolve(value)
        },
        (error: unknown) => {
          settled()
          reject(error)
        },
      )
    })
  }
}

/** Somebody may have put another kind of value under a name: it is none of ours, and no failure. */
const orWrongType = (answer: Promise<unknown>): Promise<unknown> =>
  answer.catch((error: unknown) => {
    if (messageOf(error).startsWith('WRONGTYPE')) return null
    throw error
  })

/** What failed, in one line. Node.js joins the failures of several addresses without a message. */
function textOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return textOf(error.errors[0])
  return messageOf(error)
}

/** For messages: where Redis is, without the password. */
function whereOf(options: RedisDiscoveryOptions): string {
  if (options.client !== undefined) {
    checkRedisClient(options.client)
    return 'Redis (the client passed in)'
  }
  const url = URL.canParse(options.url ?? '') ? new URL(options.url!) : undefined
  if (url === undefined || !/^rediss?:$/.test(url.protocol)) {
    throw new CitadelError(
      'bad_argument',
      'the URL of Redis is not valid: write redis://host:6379, ' +
        'redis://user:password@host:6379/0, or rediss:// for TLS',
    )
  }
  return `Redis at ${url.hostname}:${url.port === '' ? '6379' : url.port}`
}
