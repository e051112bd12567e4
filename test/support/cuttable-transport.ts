/**
 * A TCP transport that a test can harm from inside its node: `cut` silences all connections in both
 * directions without closing one, as a partition does (what is dialled meanwhile gets no answer);
 * `heal` ends that, and what was cut comes back as reset; `reset` breaks every connection to
 * another node at whatever byte it is. Connections to EPMD are left alone.
 */
import { channel } from 'node:diagnostics_channel'
import type { Server, Socket } from 'node:net'
import { TcpTransport } from '../../src/base/tcp-transport.js'
import type {
  Address,
  Connection,
  ConnectionHandlers,
  Listener,
  Transport,
} from '../../src/base/transport.js'

export class CuttableTransport implements Transport {
  /** When the last byte of a host came, by its address; milliseconds of the machine's own clock. */
  readonly heardAt = new Map<string, number>()
  #isCut = false
  readonly #real = new TcpTransport()
  readonly #open = new Set<CuttableConnection>()
  readonly #accepted = new Set<Socket>()

  constructor(private readonly epmdPort: number) {
    channel('net.server.socket').subscribe(this.#sawSocket)
  }

  readonly #sawSocket = (message: unknown): void => {
    const { socket } = message as { socket: Socket & { server?: Server } }
    this.#accepted.add(socket)
    socket.once('close', () => this.#accepted.delete(socket))
  }

  /** It is used no more, in a process that goes on. */
  dispose(): void {
    channel('net.server.socket').unsubscribe(this.#sawSocket)
  }

  listen(at: Address, accept: (connection: Connection) => ConnectionHandlers): Promise<Listener> {
    return this.#real.listen(at, (real) => {
      if (at.port === this.epmdPort) return accept(real)
      const connection = new CuttableConnection(real.remote, this.heardAt)
      this.#add(connection)
      connection.real = real
      connection.handlers = accept(connection)
      return connection.events
    })
  }

  dial(to: Address, handlers: ConnectionHandlers, options?: { timeoutMs?: number }): Connection {
    if (to.port === this.epmdPort) return this.#real.dial(to, handlers, options)
    const connection = new CuttableConnection(to, this.heardAt)
    connection.handlers = handlers
    this.#add(connection)
    if (this.#isCut) connection.failLater(options?.timeoutMs ?? 1_000)
    else connection.real = this.#real.dial(to, connection.events, options)
    return connection
  }

  cut(): void {
    this.#isCut = true
    for (const connection of this.#open) connection.cut()
  }

  heal(): void {
    this.#isCut = false
    for (const connection of this.#open) connection.heal()
    this.#open.clear()
  }

  /** Each connection between two nodes is reset by the side that accepted it. */
  reset(): void {
    for (const socket of this.#accepted) {
      if (socket.localPort !== this.epmdPort) socket.resetAndDestroy()
    }
  }

  /** Closes every connection to another node, whoever made it. */
  close(): void {
    for (const connection of this.#open) connection.real?.destroy()
  }

  #add(connection: CuttableConnection): void {
    for (const old of this.#open) if (old.isOver) this.#open.delete(old)
    this.#open.add(connection)
    if (this.#isCut) connection.cut()
  }
}

class CuttableConnection implements Connection {
  real: Connection | undefined
  handlers: ConnectionHandlers | undefined
  isOver = false
  #isCut = false

  constructor(
    readonly remote: Address,
    private readonly heardAt: Map<string, number>,
  ) {}

  readonly events: ConnectionHandlers = {
    opened: () => {
      if (this.#isCut) this.real?.pause()
      else this.handlers?.opened?.()
    },
    received: (bytes) => {
      this.heardAt.set(this.remote.host, Number(process.hrtime.bigint()) / 1e6)
      if (!this.#isCut) this.handlers?.received(bytes)
    },
    drained: () => this.handlers?.drained?.(),
    closed: (error) => this.#closed(error),
  }

  get pendingBytes(): number {
    return this.real?.pendingBytes ?? 0
  }

  write(bytes: Uint8Array): boolean {
    return this.#isCut || (this.real?.write(bytes) ?? false)
  }

  end(): void {
    if (this.#isCut) this.destroy()
    else this.real?.end()
  }

  /** While it is cut the other side must not hear of it. */
  destroy(): void {
    if (this.#isCut) setImmediate(() => this.#closed())
    else this.real?.destroy()
  }

  pause(): void {
    this.real?.pause()
  }

  resume(): void {
    if (!this.#isCut) this.real?.resume()
  }

  cut(): void {
    this.#isCut = true
    this.real?.pause()
  }

  heal(): void {
    if (this.#isCut) this.real?.destroy()
    if (!this.real) this.#closed()
  }

  failLater(afterMs: number): void {
    const error = Object.assign(new Error('the network is cut'), { code: 'ETIMEDOUT' })
    setTimeout(() => this.#closed(error), afterMs)
  }

  #closed(error?: NodeJS.ErrnoException): void {
    if (this.isOver) return
    this.isOver = true
    this.handlers?.closed(error)
  }
}
