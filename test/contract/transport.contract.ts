/**
 * What every Transport must do, run by the real one and by the simulated network. The fixture says
 * how to wait: with a deadline on the wall clock, or by moving the virtual one.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type {
  Address,
  Connection,
  ConnectionHandlers,
  Listener,
  Transport,
} from '../../src/base/transport.js'

export interface TransportFixture {
  transport: Transport
  /** A host to listen on and to dial. */
  host: string
  /** From how many pending bytes `write` answers false. */
  highMarkBytes: number
  /** An address where a dial is never answered, if there is one. */
  silent?: Address
  /** Lets time pass until the condition holds; fails when it takes too long. */
  until(condition: () => boolean): Promise<void>
  /** Lets enough time pass for anything under way to arrive. */
  settle(): Promise<void>
  close(): Promise<void>
}

/** Handlers that remember what they were told. */
class Recorder implements ConnectionHandlers {
  readonly chunks: Uint8Array[] = []
  bytes = 0
  openedCount = 0
  drainedCount = 0
  closedCount = 0
  toldAfterClosed = 0
  error: NodeJS.ErrnoException | undefined
  connection!: Connection

  opened(): void {
    this.openedCount++
    this.#note()
  }

  received(bytes: Uint8Array): void {
    this.chunks.push(bytes)
    this.bytes += bytes.length
    this.#note()
  }

  drained(): void {
    this.drainedCount++
    this.#note()
  }

  closed(error?: NodeJS.ErrnoException): void {
    this.closedCount++
    this.error = error
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1')
  }

  #note(): void {
    if (this.closedCount > 0) this.toldAfterClosed++
  }
}

const text = (value: string): Uint8Array => Buffer.from(value, 'latin1')

export function transportContract(
  name: string,
  make: () => TransportFixture | Promise<TransportFixture>,
): void {
  describe(`the transport contract: ${name}`, () => {
    let fixture: TransportFixture
    let listeners: Listener[]
    let connections: Connection[]

    beforeEach(async () => {
      fixture = await make()
      listeners = []
      connections = []
    })

    afterEach(async () => {
      for (const connection of connections) connection.destroy()
      for (const listener of listeners) await listener.close()
      await fixture.close()
    })

    async function listen(port = 0): Promise<{ address: Address; accepted: Recorder[] }> {
      const accepted: Recorder[] = []
      const listener = await fixture.transport.listen(
        { host: fixture.host, port },
        (connection) => {
          const recorder = new Recorder()
          recorder.connection = connection
          connections.push(connection)
          accepted.push(recorder)
          return recorder
        },
      )
      listeners.push(listener)
      return { address: listener.address, accepted }
    }

    function dial(to: Address, options?: { timeoutMs?: number }): Recorder {
      const recorder = new Recorder()
      recorder.connection = fixture.transport.dial(to, recorder, options)
      connections.push(recorder.connection)
      return recorder
    }

    async function pair(): Promise<{ client: Recorder; server: Recorder; address: Address }> {
      const { address, accepted } = await listen()
      const client = dial(address)
      await fixture.until(() => client.openedCount === 1 && accepted.length === 1)
      return { client, server: accepted[0]!, address }
    }

    /** Fills the way to a receiver that does not read, until `write` answers false. */
    function flood(from: Recorder): number {
      const chunk = new Uint8Array(64 * 1024).fill(7)
      for (let written = chunk.length; written < 64 * 1024 * 1024; written += chunk.length) {
        if (!from.connection.write(chunk)) return written
      }
      throw new Error('write never answered false')
    }

    test('a dialled connection is opened and carries bytes in order, both ways', async () => {
      const { client, server } = await pair()
      for (let i = 0; i < 100; i++) client.connection.write(text(`${i},`))
      server.connection.write(text('hello '))
      server.connection.write(text('back'))
      const all = Array.from({ length: 100 }, (_, i) => `${i},`).join('')
      await fixture.until(() => server.bytes === all.length && client.bytes === 10)
      expect(server.text).toBe(all)
      expect(client.text).toBe('hello back')
    })

    test('bytes written before the connection is established arrive', async () => {
      const { address, accepted } = await listen()
      const client = dial(address)
      client.connection.write(text('early'))
      await fixture.until(() => accepted[0]?.bytes === 5)
      expect(accepted[0]!.text).toBe('early')
    })

    test('no handler is called from inside dial, write, end or destroy', async () => {
      const { address } = await listen()
      const client = dial(address)
      expect(client.openedCount).toBe(0)
      await fixture.until(() => client.openedCount === 1)
      client.connection.write(text('x'))
      client.connection.end()
      client.connection.destroy()
      expect(client.closedCount).toBe(0)
      await fixture.until(() => client.closedCount === 1)
    })

    test('port 0 listens on a free port and the address tells which', async () => {
      const first = await listen()
      const second = await listen()
      expect(first.address.port).toBeGreaterThan(0)
      expect(second.address.port).not.toBe(first.address.port)
    })

    test('an address in use rejects with EADDRINUSE', async () => {
      const { address } = await listen()
      await expect(listen(address.port)).rejects.toMatchObject({ code: 'EADDRINUSE' })
    })

    test('dialling where nobody listens closes with ECONNREFUSED', async () => {
      const { address } = await listen()
      await listeners.pop()!.close()
      const client = dial(address)
      await fixture.until(() => client.closedCount === 1)
      expect(client.error?.code).toBe('ECONNREFUSED')
      expect(client.openedCount).toBe(0)
    })

    test('dialling where nobody answers closes with ETIMEDOUT', async (context) => {
      if (fixture.silent === undefined) return context.skip()
      const client = dial(fixture.silent, { timeoutMs: 50 })
      await fixture.until(() => client.closedCount === 1)
      expect(client.error?.code).toBe('ETIMEDOUT')
      expect(client.openedCount).toBe(0)
    })

    test('end sends what is queued, then closes both sides without an error', async () => {
      const { client, server } = await pair()
      const big = new Uint8Array(3 * 1024 * 1024).fill(1)
      client.connection.write(big)
      client.connection.write(text('last'))
      client.connection.end()
      await fixture.until(() => client.closedCount === 1 && server.closedCount === 1)
      expect(server.bytes).toBe(big.length + 4)
      expect(server.error).toBeUndefined()
      expect(client.error).toBeUndefined()
    })

    test('destroy closes both sides, once, and nothing is told afterwards', async () => {
      const { client, server } = await pair()
      client.connection.destroy()
      client.connection.destroy()
      client.connection.end()
      await fixture.until(() => client.closedCount === 1 && server.closedCount === 1)
      await fixture.settle()
      expect([client.closedCount, server.closedCount]).toEqual([1, 1])
      expect([client.toldAfterClosed, server.toldAfterClosed]).toEqual([0, 0])
    })

    test('writing to a closed connection does nothing and answers false', async () => {
      const { client, server } = await pair()
      client.connection.destroy()
      expect(client.connection.write(text('late'))).toBe(false)
      await fixture.until(() => server.closedCount === 1 && client.closedCount === 1)
      expect(client.connection.write(text('later'))).toBe(false)
      expect(server.bytes).toBe(0)
      expect(client.error).toBeUndefined()
    })

    test('a destroyed dial is never opened', async () => {
      const { address } = await listen()
      const client = dial(address)
      client.connection.destroy()
      await fixture.until(() => client.closedCount === 1)
      await fixture.settle()
      expect(client.openedCount).toBe(0)
    })

    test('above the high mark write answers false, and drained follows when all is gone', async () => {
      const { client, server } = await pair()
      server.connection.pause()
      const written = flood(client)
      expect(client.connection.pendingBytes).toBeGreaterThanOrEqual(fixture.highMarkBytes)
      await fixture.settle()
      expect(client.drainedCount).toBe(0)
      server.connection.resume()
      await fixture.until(() => client.drainedCount === 1)
      expect(client.connection.pendingBytes).toBe(0)
      await fixture.until(() => server.bytes === written)
    })

    test('below the high mark write answers true and drained is never told', async () => {
      const { client, server } = await pair()
      expect(client.connection.write(new Uint8Array(1024))).toBe(true)
      await fixture.until(() => server.bytes === 1024)
      await fixture.settle()
      expect(client.drainedCount).toBe(0)
    })

    test('a paused connection receives nothing until it is resumed, then all of it', async () => {
      const { client, server } = await pair()
      server.connection.pause()
      client.connection.write(text('held'))
      await fixture.settle()
      expect(server.bytes).toBe(0)
      client.connection.write(text(' back'))
      server.connection.resume()
      await fixture.until(() => server.bytes === 9)
      expect(server.text).toBe('held back')
    })

    test('a closed listener takes nobody new and keeps the connections it has', async () => {
      const { client, server, address } = await pair()
      await listeners.pop()!.close()
      const late = dial(address)
      await fixture.until(() => late.closedCount === 1)
      expect(late.error?.code).toBe('ECONNREFUSED')
      client.connection.write(text('still here'))
      await fixture.until(() => server.bytes === 10)
      expect(client.closedCount).toBe(0)
    })

    test('the address of a closed listener can be had again at once', async () => {
      const { address } = await listen()
      await listeners.pop()!.close()
      expect((await listen(address.port)).address.port).toBe(address.port)
    })
  })
}
