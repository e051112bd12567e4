/**
 * The few commands that discovery needs, over `@redis/client` or `ioredis`, as one small interface.
 * A connection of our own is opened once and given up at its first failure (whoever uses it opens
 * the next one, at its own pace); a client that was passed in reconnects by its own rules and
 * stays the user's.
 */
import type { ConnectionOptions } from 'node:tls'
import { CitadelError } from '../base/errors.js'

export type RedisCommand = readonly string[]

export interface RedisConnection {
  command(command: RedisCommand): Promise<unknown>
  /** All or nothing, in one round trip (MULTI ... EXEC). */
  transaction(commands: readonly RedisCommand[]): Promise<void>
  /** False: the next command would wait for a reconnection. */
  readonly ready: boolean
  /** Settles when it is ready for the first time, or never will be. */
  readonly opening: Promise<unknown>
  close(): void
}

/** What we use of a client of `@redis/client` (or `redis`). */
export interface NodeRedisClient {
  readonly isOpen: boolean
  readonly isReady: boolean
  connect(): Promise<unknown>
  sendCommand(command: string[]): Promise<unknown>
  multi(): NodeRedisMulti
  on(event: 'error', listener: (error: unknown) => void): unknown
  once(event: 'ready', listener: () => void): unknown
  off(event: 'error', listener: (error: unknown) => void): unknown
  destroy(): void
}

export interface NodeRedisMulti {
  addCommand(command: string[]): NodeRedisMulti
  exec(): Promise<unknown>
}

/** What we use of a client of `ioredis`. */
export interface IoRedisClient {
  readonly status: string
  call(name: string, ...args: string[]): Promise<unknown>
  multi(commands: string[][]): { exec(): Promise<[error: Error | null, result: unknown][] | null> }
  connect(): Promise<unknown>
  on(event: 'error', listener: (error: unknown) => void): unknown
  once(event: 'ready', listener: () => void): unknown
  off(event: 'error', listener: (error: unknown) => void): unknown
  disconnect(): void
}

export type RedisClient = NodeRedisClient | IoRedisClient

/** For `rediss://`. */
export type RedisTls = ConnectionOptions

const isIoRedis = (client: RedisClient): client is IoRedisClient =>
  typeof (client as Partial<IoRedisClient>).call === 'function'

/** Errors of a client that nobody listens to would end the program. Commands tell them as well. */
const heard = (): void => {}

/** A connection of our own. It never reconnects: who uses it opens the next one. */
export async function openRedis(
  url: string,
  options: { timeoutMs: number; tls?: RedisTls | undefined },
): Promise<RedisConnection> {
  const { createClient } = await import('@redis/client')
  const client = createClient({
    url,
    // Version 2 needs no HELLO and no CLIENT command, which a narrow ACL user may not have.
    RESP: 2,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    socket: { ...options.tls, connectTimeout: options.timeoutMs, reconnectStrategy: false },
  }) as unknown as NodeRedisClient
  client.on('error', heard)
  return new NodeRedisConnection(client, { owned: true, opening: client.connect() })
}

/** A client that was passed in; connected here if nobody has, and then closed here too. */
export function adoptRedis(client: RedisClient): RedisConnection {
  client.on('error', heard)
  const io = isIoRedis(client)
  const ready = io ? client.status === 'ready' : client.isReady
  const owned = io ? client.status === 'wait' : !client.isOpen
  const opening = ready ? Promise.resolve() : firstReady(client, owned)
  return io
    ? new IoRedisConnection(client, { owned, opening })
    : new NodeRedisConnection(client, { owned, opening })
}

/** Says early what is wrong with a client passed in by mistake. */
export function checkRedisClient(client: unknown): asserts client is RedisClient {
  const candidate = client as Partial<NodeRedisClient & IoRedisClient> | null
  const fits =
    typeof candidate === 'object' &&
    typeof candidate?.multi === 'function' &&
    (typeof candidate.sendCommand === 'function' || typeof candidate.call === 'function')
  if (!fits) {
    throw new CitadelError(
      'bad_argument',
      'discovery.client must be a client of @redis/client (or redis), or an ioredis instance',
    )
  }
}

function firstReady(client: RedisClient, connect: boolean): Promise<void> {
  return new Promise((resolve) => {
    client.once('ready', resolve)
    // Its failures are heard of as errors, and it goes on trying by its own rules.
    if (connect) client.connect().catch(heard)
  })
}

interface Opening {
  /** Connected by us, so closed by us. */
  owned: boolean
  opening: Promise<unknown>
}

class NodeRedisConnection implements RedisConnection {
  readonly opening: Promise<unknown>
  readonly #client: NodeRedisClient
  readonly #owned: boolean

  constructor(client: NodeRedisClient, { owned, opening }: Opening) {
    this.#client = client
    this.#owned = owned
    this.opening = opening
    opening.catch(heard)
  }

  get ready(): boolean {
    return this.#client.isReady
  }

  command(command: RedisCommand): Promise<unknown> {
    return this.#client.sendCommand([...command])
  }

  async transaction(commands: readonly RedisCommand[]): Promise<void> {
    const multi = this.#client.multi()
    for (const command of commands) multi.addCommand([...command])
    await multi.exec()
  }

  close(): void {
    if (this.#owned) this.#client.destroy()
    else this.#client.off('error', heard)
  }
}

class IoRedisConnection implements RedisConnection {
  readonly opening: Promise<unknown>
  readonly #client: IoRedisClient
  readonly #owned: boolean

  constructor(client: IoRedisClient, { owned, opening }: Opening) {
    this.#client = client
    this.#owned = owned
    this.opening = opening
    opening.catch(heard)
  }

  get ready(): boolean {
    return this.#client.status === 'ready'
  }

  command([name, ...args]: RedisCommand): Promise<unknown> {
    return this.#client.call(name!, ...args)
  }

  async transaction(commands: readonly RedisCommand[]): Promise<void> {
    const lowered = commands.map(([name, ...args]) => [name!.toLowerCase(), ...args])
    const results = await this.#client.multi(lowered).exec()
    for (const [error] of results ?? []) if (error) throw error
    if (results === null) throw new Error('the transaction was discarded')
  }

  close(): void {
    if (this.#owned) this.#client.disconnect()
    else this.#client.off('error', heard)
  }
}
