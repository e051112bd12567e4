/**
 * The Transport port: streams of bytes between hosts. `mesh/tcp-transport.ts` is the real one, the
 * simulated network in `testing/` the other; `test/contract/transport.contract.ts` holds both to
 * the same behaviour. A transport never calls a handler from inside `listen`, `dial` or `write`.
 */
export interface Address {
  host: string
  port: number
}

/** What a connection tells its owner. After `closed` nothing more is told. */
export interface ConnectionHandlers {
  /** Only for a dialled connection: it is established. */
  opened?(): void
  /** Bytes arrived. The array belongs to the receiver. */
  received(bytes: Uint8Array): void
  /** The write buffer is empty again after `write` answered false. */
  drained?(): void
  /**
   * The connection is gone, once. `error.code` is `ECONNREFUSED` when nobody listens at the
   * address, `ETIMEDOUT` when dialling took too long.
   */
  closed(error?: NodeJS.ErrnoException): void
}

export interface Connection {
  readonly remote: Address
  /** Bytes accepted by `write` and not yet given to the network. */
  readonly pendingBytes: number
  /** Queues bytes in order. The array must not be changed afterwards. False: above the high mark. */
  write(bytes: Uint8Array): boolean
  /** Sends what is queued, then closes. */
  end(): void
  /** Closes at once; `closed` follows. */
  destroy(): void
  /** Stops and restarts reading, so that a flood from a peer stays in the network. */
  pause(): void
  resume(): void
}

export interface Listener {
  readonly address: Address
  /** Stops accepting. Connections accepted before stay open. */
  close(): Promise<void>
}

export interface Transport {
  /**
   * Accepts connections at `at` (port 0: a free one). Rejects with the system's error, for example
   * `EADDRINUSE`, when the address cannot be had.
   */
  listen(at: Address, accept: (connection: Connection) => ConnectionHandlers): Promise<Listener>
  /** Opens a connection; failure is told through `handlers.closed`. */
  dial(to: Address, handlers: ConnectionHandlers, options?: { timeoutMs?: number }): Connection
}
