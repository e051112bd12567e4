/**
 * The Redis of a simulation: the few commands that discovery uses, on a store that expires by virtual
 * time, behind the port of the real client (`RedisConnection`). Everything above that port is the
 * library's own code.
 */
import type { RedisCommand, RedisConnection } from '../discovery/redis-connection.js'
import type { Program } from './program.js'
import type { SeededRandom } from './seeded-random.js'
import { SimulatedService, serviceError } from './simulated-service.js'
import type { Timeline } from './timeline.js'

interface Value {
  readonly text: string
  readonly expiresAt: number
}

/** All that the store holds, to be put back later as a server does that fails over to an old copy. */
export interface RedisCopy {
  readonly sets: ReadonlyMap<string, readonly string[]>
  readonly values: ReadonlyMap<string, { readonly text: string; readonly leftMs: number }>
}

export class SimulatedRedis {
  readonly service: SimulatedService
  readonly #timeline: Timeline
  readonly #sets = new Map<string, Set<string>>()
  readonly #values = new Map<string, Value>()

  constructor(timeline: Timeline, random: SeededRandom) {
    this.#timeline = timeline
    this.service = new SimulatedService(timeline, random)
  }

  /** What `openRedis` does, for one program. */
  async open(program: Program): Promise<RedisConnection> {
    return new SimulatedRedisConnection(this, program)
  }

  /** Empty, as after FLUSHALL or when another server takes its place. */
  flush(): void {
    this.#sets.clear()
    this.#values.clear()
  }

  copy(): RedisCopy {
    const now = this.#timeline.now
    return {
      sets: new Map([...this.#sets].map(([key, members]) => [key, [...members]])),
      values: new Map(
        [...this.#values].map(([key, { text, expiresAt }]) => [
          key,
          { text, leftMs: expiresAt - now },
        ]),
      ),
    }
  }

  /** As it was then: rows that have gone since are back, and last as long as they had left. */
  restore({ sets, values }: RedisCopy): void {
    const now = this.#timeline.now
    this.flush()
    for (const [key, members] of sets) this.#sets.set(key, new Set(members))
    for (const [key, { text, leftMs }] of values) {
      this.#values.set(key, { text, expiresAt: now + leftMs })
    }
  }

  execute([name, ...args]: RedisCommand): unknown {
    const [key = ''] = args
    switch (name) {
      case 'SADD':
        return this.#add(key, args.slice(1))
      case 'SREM':
        return args.slice(1).filter((member) => this.#sets.get(key)?.delete(member)).length
      case 'SMEMBERS':
        return [...(this.#sets.get(key) ?? [])]
      case 'SET':
        this.#values.set(key, {
          text: args[1] ?? '',
          expiresAt: args[2] === 'PX' ? this.#timeline.now + Number(args[3]) : Infinity,
        })
        return 'OK'
      case 'DEL':
        return args.filter((one) => this.#values.delete(one)).length
      case 'SSCAN':
        return ['0', [...(this.#sets.get(key) ?? [])]]
      case 'GETRANGE':
        return (this.#get(key) ?? '').slice(Number(args[1]), Number(args[2]) + 1)
      case 'MGET':
        return args.map((one) => this.#get(one))
      default:
        throw new Error(`the simulated Redis does not know ${name}`)
    }
  }

  #add(key: string, members: readonly string[]): number {
    const set = this.#sets.get(key) ?? new Set<string>()
    this.#sets.set(key, set)
    const before = set.size
    for (const member of members) set.add(member)
    return set.size - before
  }

  #get(key: string): string | null {
    const value = this.#values.get(key)
    if (value === undefined) return null
    if (value.expiresAt > this.#timeline.now) return value.text
    this.#values.delete(key)
    return null
  }
}

class SimulatedRedisConnection implements RedisConnection {
  readonly opening: Promise<unknown>
  readonly #incarnation: number
  #open = false
  #closed = false

  constructor(
    private readonly redis: SimulatedRedis,
    private readonly program: Program,
  ) {
    const { service } = redis
    this.#incarnation = service.incarnation
    // A frozen server's kernel takes connections all the same.
    this.opening =
      service.state === 'frozen'
        ? Promise.resolve()
        : service.request(program, this.#incarnation, () => undefined)
    this.opening.then(
      () => {
        this.#open = true
      },
      () => {},
    )
  }

  get ready(): boolean {
    return this.#open && !this.#closed && this.#incarnation === this.redis.service.incarnation
  }

  command(command: RedisCommand): Promise<unknown> {
    return this.#request(() => this.redis.execute(command))
  }

  async transaction(commands: readonly RedisCommand[]): Promise<void> {
    await this.#request(() => {
      for (const command of commands) this.redis.execute(command)
    })
  }

  close(): void {
    this.#closed = true
  }

  #request<T>(execute: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(serviceError('ECONNRESET'))
    return this.redis.service.request(this.program, this.#incarnation, execute)
  }
}
