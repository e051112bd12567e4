/**
 * The Transport of real nodes, over TCP. Guarantees, beyond the port's own: no delay (whoever
 * writes has put messages together), a dial that ends within its time-out, a close that waits at
 * most `lingerMs` for the peer. Node.js calls all handlers from its event loop, so none of them
 * runs inside `listen`, `dial` or `write`.
 */
import { createServer, type Server, Socket } from 'node:net'
import { CitadelError } from './errors.js'
import type { Logger } from './log.js'
import { silent } from './log.js'
import type { Address, Connection, ConnectionHandlers, Listener, Transport } from './transport.js'

export interface TcpOptions {
  /** Pending bytes from which `write` answers false. At least 64 KiB; 1 MiB unless set. */
  highMarkBytes?: number
  /** How long dialling may take unless the call says otherwise; 5 s unless set. */
  dialTimeoutMs?: number
  /** How long after `end` the peer may take to accept the rest and close; 5 s unless set. */
  lingerMs?: number
  log?: Logger
}

type Limits = Required<Omit<TcpOptions, 'log'>>

/** Below this Node.js would not tell that the buffer is empty again. */
const HIGH_MARK_BYTES_MIN = 64 * 1024
const DEFAULTS: Limits = { highMarkBytes: 1024 * 1024, dialTimeoutMs: 5_000, lingerMs: 5_000 }

export class TcpTransport implements Transport {
  readonly #limits: Limits
  readonly #log: Logger

  constructor(options: TcpOptions = {}) {
    const { log = silent, ...limits } = options
    this.#limits = { ...DEFAULTS, ...limits }
    this.#log = log
    if (this.#limits.highMarkBytes < HIGH_MARK_BYTES_MIN) {
      throw new CitadelError('bad_argument', 'highMarkBytes must be at least 65536')
    }
  }

  listen(at: Address, accept: (connection: Connection) => ConnectionHandlers): Promise<Listener> {
    const server = createServer({ noDelay: true }, (socket) => {
      const remote = { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
      const connection = new TcpConnection(socket, remote, this.#limits)
      connection.attach(accept(connection))
    })
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: at.host, port: at.port, exclusive: true }, () => {
        server.off('error', reject)
        server.on('error', (error) => this.#log.warn('a connection could not be accepted', error))
        resolve(listenerOf(server))
      })
    })
  }

  dial(
    to: Address,
    handlers: ConnectionHandlers,
    options: { timeoutMs?: number } = {},
  ): Connection {
    const socket = new Socket()
    const connection = new TcpConnection(socket, to, this.#limits)
    connection.attach(handlers)
    connection.dial(options.timeoutMs ?? this.#limits.dialTimeoutMs)
    return connection
  }
}

function listenerOf(server: Server): Listener {
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('not a TCP listener')
  return {
    address: { host: bound.address, port: bound.port },
    // The callback of `close` would wait for the connections, which stay open.
    close: () =>
      new Promise((resolve) => {
        server.close()
        setImmediate(resolve)
      }),
  }
}

class TcpConnection implements Connection {
  readonly remote: Address
  readonly #socket: Socket
  readonly #limits: Limits
  #isOver = false
  #isFull = false
  #error: NodeJS.ErrnoException | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(socket: Socket, remote: Address, limits: Limits) {
    this.#socket = socket
    this.remote = remote
    this.#limits = limits
    socket.setNoDelay(true)
  }

  get pendingBytes(): number {
    return this.#socket.writableLength
  }

  attach(handlers: ConnectionHandlers): void {
    const socket = this.#socket
    socket.on('connect', () => {
      this.#stopTimer()
      handlers.opened?.()
    })
    socket.on('data', (bytes: Buffer) => handlers.received(bytes))
    socket.on('drain', () => {
      if (!this.#isFull) return
      this.#isFull = false
      handlers.drained?.()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#error ??= error
    })
    socket.on('close', () => {
      this.#isOver = true
      this.#stopTimer()
      handlers.closed(this.#error)
    })
  }

  dial(timeoutMs: number): void {
    this.#timer = setTimeout(() => {
      const where = `${this.remote.host}:${this.remote.port}`
      const error = new Error(`no answer from ${where} within ${timeoutMs} ms`)
      this.#socket.destroy(Object.assign(error, { code: 'ETIMEDOUT' }))
    }, timeoutMs)
    this.#socket.connect({ host: this.remote.host, port: this.remote.port })
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isOver) return false
    this.#socket.write(bytes)
    this.#isFull = this.#socket.writableLength >= this.#limits.highMarkBytes
    return !this.#isFull
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#socket.end()
    this.#stopTimer()
    this.#timer = setTimeout(() => this.#socket.destroy(), this.#limits.lingerMs)
    this.#timer.unref()
  }

  destroy(): void {
    this.#isOver = true
    this.#socket.destroy()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  #stopTimer(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
