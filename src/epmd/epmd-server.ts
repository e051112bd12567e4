/**
 * An EPMD inside a node, for machines without one. Names are held as long as their connection is
 * open. Everything from outside is bounded: connections, names, the size of a request and the
 * time to send it. KILL, STOP and DUMP are never obeyed: whoever sends them is cut off.
 */
import type { Clock, Timer } from '../base/clock.js'
import { CitadelError } from '../base/errors.js'
import { type Logger, silent } from '../base/log.js'
import type { Address, Connection, ConnectionHandlers, Listener } from '../base/transport.js'
import type { World } from '../base/world.js'
import {
  decodeRequest,
  type EpmdEntry,
  type EpmdName,
  type EpmdRequest,
  encodeAliveResponse,
  encodeNamesResponse,
  encodePortResponse,
  HANDSHAKE_VERSION,
  requestBody,
} from './epmd-protocol.js'

export interface EpmdServerOptions {
  world: World
  log?: Logger
  port: number
  /** 127.0.0.1 unless set: others on the network do not see it. */
  host?: string
  /** Names held at once; further ones are refused. */
  namesMax?: number
  /** Connections at once, those of names included; for a further one the oldest without goes. */
  connectionsMax?: number
  /** How long a connection may take to send its request. */
  requestTimeoutMs?: number
}

const LIMITS = { namesMax: 1_000, connectionsMax: 1_200, requestTimeoutMs: 5_000 }
/** Smaller creations belong to releases before Erlang/OTP 23. */
const CREATION_MIN = 4

export class EpmdServer {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #limits: typeof LIMITS
  readonly #entries = new Map<string, EpmdEntry>()
  readonly #guests = new Set<Guest>()
  #listener: Listener | undefined
  #creation: number

  private constructor(options: EpmdServerOptions) {
    this.#clock = options.world.clock
    this.#log = options.log ?? silent
    this.#limits = { ...LIMITS, ...definedOnly(options) }
    this.#creation = options.world.random.uint32()
  }

  /** Rejects with the system's error, `EADDRINUSE` when there is an EPMD already. */
  static async start(options: EpmdServerOptions): Promise<EpmdServer> {
    const server = new EpmdServer(options)
    const at = { host: options.host ?? '127.0.0.1', port: options.port }
    server.#listener = await options.world.transport.listen(at, (connection) =>
      server.#accept(connection),
    )
    return server
  }

  get address(): Address {
    return this.#listener!.address
  }

  names(): EpmdName[] {
    return [...this.#entries.values()].map(({ name, port }) => ({ name, port }))
  }

  /** Stops listening and closes all connections: whoever was registered notices. */
  async close(): Promise<void> {
    await this.#listener!.close()
    for (const { connection } of this.#guests) connection.destroy()
  }

  #accept(connection: Connection): ConnectionHandlers {
    if (!this.#hasRoom()) {
      connection.destroy()
      return { received() {}, closed() {} }
    }
    const newcomer = new Guest(connection, {
      deadline: (task) => this.#clock.after(this.#limits.requestTimeoutMs, task),
      asks: (request, guest) => this.#answer(request, guest),
      leaves: (guest) => this.#leave(guest),
    })
    this.#guests.add(newcomer)
    return newcomer
  }

  /** Made, if need be, by closing the oldest that holds no name: asking takes a moment only. */
  #hasRoom(): boolean {
    if (this.#guests.size < this.#limits.connectionsMax) return true
    for (const guest of this.#guests) {
      if (guest.entry !== undefined) continue
      this.#guests.delete(guest)
      guest.connection.destroy()
      return true
    }
    return false
  }

  #answer(request: EpmdRequest, guest: Guest): void {
    const { connection } = guest
    switch (request.type) {
      case 'alive':
        this.#register(request.entry, guest)
        return
      case 'port':
        connection.write(encodePortResponse(this.#entries.get(request.name)))
        connection.end()
        return
      case 'names':
        connection.write(encodeNamesResponse(this.address.port, this.#entries.values()))
        connection.end()
        return
      case 'other':
        this.#log.debug(`the embedded EPMD does not obey request ${request.code}`)
        connection.destroy()
    }
  }

  #register(entry: EpmdEntry, guest: Guest): void {
    const isWide = entry.highestVersion >= HANDSHAKE_VERSION
    const ok = !this.#entries.has(entry.name) && this.#entries.size < this.#limits.namesMax
    guest.connection.write(
      encodeAliveResponse({ ok, creation: this.#nextCreation(isWide) }, isWide),
    )
    if (!ok) {
      guest.connection.end()
      return
    }
    this.#entries.set(entry.name, entry)
    guest.entry = entry
  }

  /** Never the same twice in a row for a name, also after a restart: it starts at random. */
  #nextCreation(isWide: boolean): number {
    this.#creation = (this.#creation + 1) >>> 0
    if (this.#creation < CREATION_MIN) this.#creation = CREATION_MIN
    return isWide ? this.#creation : 1 + (this.#creation % 3)
  }

  #leave(guest: Guest): void {
    this.#guests.delete(guest)
    if (guest.entry !== undefined) this.#entries.delete(guest.entry.name)
  }
}

interface Host {
  deadline(task: () => void): Timer
  asks(request: EpmdRequest, guest: Guest): void
  leaves(guest: Guest): void
}

/** One connection: a single request, and for a registration the wait until it closes. */
class Guest implements ConnectionHandlers {
  readonly connection: Connection
  /** What it has registered. */
  entry: EpmdEntry | undefined
  readonly #host: Host
  readonly #deadline: Timer
  #bytes: Buffer = Buffer.alloc(0)
  #hasAsked = false

  constructor(connection: Connection, host: Host) {
    this.connection = connection
    this.#host = host
    this.#deadline = host.deadline(() => connection.destroy())
  }

  received(bytes: Uint8Array): void {
    if (this.#hasAsked) {
      this.connection.destroy()
      return
    }
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    const request = this.#request()
    if (request === undefined) return
    this.#hasAsked = true
    this.#deadline.cancel()
    this.#host.asks(request, this)
  }

  closed(): void {
    this.#deadline.cancel()
    this.#host.leaves(this)
  }

  #request(): EpmdRequest | undefined {
    try {
      const body = requestBody(this.#bytes)
      return body && decodeRequest(body)
    } catch (error) {
      if (!(error instanceof CitadelError)) throw error
      this.connection.destroy()
      return undefined
    }
  }
}

function definedOnly(options: EpmdServerOptions): Partial<typeof LIMITS> {
  const { namesMax, connectionsMax, requestTimeoutMs } = options
  return Object.fromEntries(
    Object.entries({ namesMax, connectionsMax, requestTimeoutMs }).filter(
      ([, v]) => v !== undefined,
    ),
  )
}
