import { describe, expect, it } from 'vitest'
import type { Connection, ConnectionHandlers, Transport } from '../../../src/base/transport.js'
import { SeededRandom } from '../../../src/testing/seeded-random.js'
import { Simulation } from '../../../src/testing/simulation.js'

/** What one end of a connection has seen. */
class End implements ConnectionHandlers {
  connection!: Connection
  readonly chunks: Uint8Array[] = []
  openedAt: number | undefined
  drains = 0
  closings = 0
  error: NodeJS.ErrnoException | undefined
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }

  opened(): void {
    this.openedAt = this.#now()
  }

  received(bytes: Uint8Array): void {
    if (this.closings > 0) throw new Error('bytes after closed')
    this.chunks.push(bytes)
  }

  drained(): void {
    this.drains++
  }

  closed(error?: NodeJS.ErrnoException): void {
    this.closings++
    this.error = error
  }
}

const PORT = 4000

/** `server` is what the acceptor on h2 sees, `client` what the dialler on h1 sees. */
async function connected(simulation: Simulation) {
  const one = simulation.program('h1')
  const two = simulation.program('h2')
  const now = () => simulation.now
  const server = new End(now)
  await two.transport.listen({ host: 'h2', port: PORT }, (connection) => {
    server.connection = connection
    return server
  })
  const client = new End(now)
  client.connection = one.transport.dial({ host: 'h2', port: PORT }, client)
  await simulation.runUntil(
    () => client.openedAt !== undefined && server.connection !== undefined,
    1000,
  )
  return { one, two, client, server }
}

function dial(transport: Transport, host: string, options = {}): End {
  const end = new End(() => 0)
  end.connection = transport.dial({ host, port: PORT }, end, options)
  return end
}

const noise = (length: number, seed = 1): Buffer => {
  const random = new SeededRandom(seed)
  return Buffer.from(Array.from({ length }, () => random.below(256)))
}

describe('simulated network', () => {
  it('carries bytes in order, in pieces of its own choice', async () => {
    const simulation = new Simulation({ seed: 1, network: { splitProbability: 0.9 } })
    const { client, server } = await connected(simulation)
    const sent = noise(20_000)
    for (let at = 0; at < sent.length; at += 100) {
      client.connection.write(sent.subarray(at, at + 100))
    }
    await simulation.runFor(1000)
    expect(server.bytes.equals(sent)).toBe(true)
    expect(server.chunks.some((chunk) => chunk.length !== 100)).toBe(true)
    server.connection.write(Buffer.from('answer'))
    await simulation.runFor(10)
    expect(client.bytes.toString()).toBe('answer')
  })

  it('replays exactly from its seed, and differs from another', async () => {
    const run = async (seed: number): Promise<string> => {
      const simulation = new Simulation({ seed })
      const { client, server } = await connected(simulation)
      for (let round = 0; round < 50; round++) {
        client.connection.write(noise(500, round))
        server.connection.write(noise(50, round))
        await simulation.runFor(simulation.random.between([0.1, 2]))
      }
      simulation.network.reset('h1', 'h2')
      await simulation.runFor(1000)
      return simulation.trace.hash
    }
    expect(await run(11)).toBe(await run(11))
    expect(await run(11)).not.toBe(await run(12))
  })

  it('tells ECONNREFUSED, ENOTFOUND, ETIMEDOUT, EADDRINUSE and EADDRNOTAVAIL as a system does', async () => {
    const simulation = new Simulation({ seed: 1 })
    const { transport } = simulation.program('h1')
    simulation.network.host('h2')
    const refused = dial(transport, 'h2')
    const unknown = dial(transport, 'nowhere')
    expect(refused.closings + unknown.closings).toBe(0)
    await simulation.runFor(10)
    expect(refused.error?.code).toBe('ECONNREFUSED')
    expect(unknown.error?.code).toBe('ENOTFOUND')
    simulation.network.cut('h2', 'h1')
    const silent = dial(transport, 'h2', { timeoutMs: 500 })
    await simulation.runFor(499)
    expect(silent.closings).toBe(0)
    await simulation.runFor(2)
    expect(silent.error?.code).toBe('ETIMEDOUT')
    const at = { host: 'h1', port: PORT }
    const listener = await transport.listen(at, () => new End(() => 0))
    await expect(transport.listen(at, () => new End(() => 0))).rejects.toThrow(/EADDRINUSE/)
    await listener.close()
    await transport.listen(at, () => new End(() => 0))
    const elsewhere = transport.listen({ host: 'h9', port: 1 }, () => new End(() => 0))
    await expect(elsewhere).rejects.toThrow(/EADDRNOTAVAIL/)
  })

  it('keeps a listener on loopback to its own host', async () => {
    const simulation = new Simulation({ seed: 1 })
    const here = simulation.program('h1').transport
    const there = simulation.program('h2').transport
    await here.listen({ host: '127.0.0.1', port: PORT }, () => new End(() => 0))
    const own = dial(here, '127.0.0.1')
    const other = dial(there, 'h1')
    await simulation.runFor(10)
    expect(own.openedAt).toBeDefined()
    expect(other.error?.code).toBe('ECONNREFUSED')
  })

  it('holds bytes in a cut direction, lets the other pass, and delivers all after the heal', async () => {
    const simulation = new Simulation({ seed: 3 })
    const { client, server } = await connected(simulation)
    simulation.network.cut('h1', 'h2')
    client.connection.write(Buffer.from('one'))
    await simulation.runFor(5000)
    client.connection.write(Buffer.from('two'))
    server.connection.write(Buffer.from('back'))
    await simulation.runFor(5000)
    expect(server.chunks).toEqual([])
    expect(client.bytes.toString()).toBe('back')
    simulation.network.heal('h1', 'h2')
    client.connection.write(Buffer.from('three'))
    await simulation.runFor(1000)
    expect(server.bytes.toString()).toBe('onetwothree')
  })

  it('keeps the order when the cut comes and goes many times', async () => {
    const simulation = new Simulation({ seed: 4 })
    const { client, server } = await connected(simulation)
    const sent = noise(3000)
    for (let at = 0; at < sent.length; at += 10) {
      client.connection.write(sent.subarray(at, at + 10))
      if (simulation.random.chance(0.1)) simulation.network.cut('h1', 'h2')
      if (simulation.random.chance(0.1)) simulation.network.healAll()
      await simulation.runFor(simulation.random.between([0, 50]))
    }
    simulation.network.healAll()
    await simulation.runFor(1000)
    expect(server.bytes.equals(sent)).toBe(true)
  })

  it('partitions groups of hosts from each other', async () => {
    const simulation = new Simulation({ seed: 4 })
    const { network } = simulation
    network.partition([['a', 'b'], ['c']])
    const isCut = (from: string, to: string) => network.isCut(network.host(from), network.host(to))
    expect(isCut('a', 'b')).toBe(false)
    expect(isCut('a', 'c')).toBe(true)
    expect(isCut('c', 'b')).toBe(true)
    network.healAll()
    expect(isCut('a', 'c')).toBe(false)
  })

  it('resets both ends at a byte, and never leaves a hole in what was delivered', async () => {
    for (let afterBytes = 0; afterBytes <= 40; afterBytes++) {
      const simulation = new Simulation({ seed: afterBytes })
      const { client, server } = await connected(simulation)
      expect(simulation.network.reset('h2', 'h1', { afterBytes })).toBe(1)
      for (let round = 0; round < 10; round++) {
        client.connection.write(noise(10, round))
        await simulation.runFor(0.3)
      }
      await simulation.runFor(100)
      const sent = Buffer.concat(Array.from({ length: 10 }, (_, round) => noise(10, round)))
      expect(server.bytes.equals(sent.subarray(0, afterBytes))).toBe(true)
      expect([client.error?.code, server.error?.code]).toEqual(['ECONNRESET', 'ECONNRESET'])
      expect([client.closings, server.closings]).toEqual([1, 1])
      expect(simulation.network.connections.size).toBe(0)
    }
  })

  it('closes both ends in good order after end, with all bytes delivered', async () => {
    const simulation = new Simulation({ seed: 6 })
    const { client, server } = await connected(simulation)
    const sent = noise(600_000)
    client.connection.write(sent)
    client.connection.end()
    expect(client.connection.write(Buffer.from('late'))).toBe(false)
    await simulation.runFor(1000)
    expect(server.bytes.equals(sent)).toBe(true)
    expect([client.closings, server.closings]).toEqual([1, 1])
    expect([client.error, server.error]).toEqual([undefined, undefined])
    expect(simulation.network.connections.size).toBe(0)
  })

  it('closes at once on destroy, and tells both ends once', async () => {
    const simulation = new Simulation({ seed: 6 })
    const { client, server } = await connected(simulation)
    client.connection.destroy()
    client.connection.destroy()
    expect(client.closings).toBe(0)
    await simulation.runFor(100)
    expect([client.closings, server.closings]).toEqual([1, 1])
  })

  it('leaves bytes with the sender when the receiver is paused, and says so above the high mark', async () => {
    const simulation = new Simulation({ seed: 8 })
    const { client, server } = await connected(simulation)
    server.connection.pause()
    const chunk = noise(100_000)
    let accepted = 0
    while (client.connection.write(chunk)) accepted++
    accepted++
    await simulation.runFor(1000)
    expect(server.chunks).toEqual([])
    expect(accepted).toBeLessThan(20)
    expect(client.connection.pendingBytes).toBeGreaterThan(500_000)
    expect(client.drains).toBe(0)
    server.connection.resume()
    await simulation.runFor(1000)
    expect(client.drains).toBe(1)
    expect(client.connection.pendingBytes).toBe(0)
    expect(server.bytes.length).toBe(accepted * chunk.length)
  })

  it('keeps bytes for a stalled program and gives them to it when it wakes', async () => {
    const simulation = new Simulation({ seed: 8 })
    const { client, server, two } = await connected(simulation)
    two.stall(3000)
    client.connection.write(Buffer.from('while you slept'))
    await simulation.runFor(2999)
    expect(server.chunks).toEqual([])
    await simulation.runFor(2)
    expect(server.bytes.toString()).toBe('while you slept')
  })

  it('lets a dial to a stalled program succeed, as its kernel answers', async () => {
    const simulation = new Simulation({ seed: 8 })
    const { one, two } = await connected(simulation)
    two.stall(3000)
    const late = dial(one.transport, 'h2')
    await simulation.runFor(100)
    expect(late.openedAt).toBeDefined()
  })

  it('tells the peers of a crashed program, and refuses dials to it', async () => {
    const codes = new Set<string | undefined>()
    for (let seed = 0; seed < 10; seed++) {
      const simulation = new Simulation({ seed })
      const { one, two, client, server } = await connected(simulation)
      server.connection.write(Buffer.from('last words'))
      two.crash()
      await simulation.runFor(100)
      expect(client.closings).toBe(1)
      expect(server.closings).toBe(0)
      expect(client.bytes.toString()).toBe('last words')
      codes.add(client.error?.code)
      const again = dial(one.transport, 'h2')
      await simulation.runFor(10)
      expect(again.error?.code).toBe('ECONNREFUSED')
      expect(two.alive).toBe(false)
    }
    expect([...codes].sort()).toEqual(['ECONNRESET', undefined])
  })

  it('lets a host without power be silent, and reset old connections when it is back', async () => {
    const simulation = new Simulation({ seed: 10 })
    const { one, client } = await connected(simulation)
    simulation.network.powerOff('h2')
    client.connection.write(Buffer.from('hello?'))
    const knock = dial(one.transport, 'h2', { timeoutMs: 1000 })
    await simulation.runFor(60_000)
    expect(client.closings).toBe(0)
    expect(knock.error?.code).toBe('ETIMEDOUT')
    expect(() => simulation.program('h2')).toThrow('no power')
    simulation.network.powerOn('h2')
    await simulation.runFor(1000)
    expect(client.error?.code).toBe('ECONNRESET')
    const again = dial(one.transport, 'h2')
    await simulation.runFor(10)
    expect(again.error?.code).toBe('ECONNREFUSED')
  })

  it('loses a reset in a cut: the other end learns of it only when it writes', async () => {
    const simulation = new Simulation({ seed: 21 })
    const { client, server, two } = await connected(simulation)
    simulation.network.cut('h2', 'h1')
    client.connection.write(Buffer.from('unread'))
    server.connection.pause()
    await simulation.runFor(100)
    server.connection.destroy()
    await simulation.runFor(100)
    simulation.network.healAll()
    await simulation.runFor(1000)
    expect(two.alive).toBe(true)
    expect(client.closings).toBe(0)
    client.connection.write(Buffer.from('x'))
    await simulation.runFor(1000)
    expect(client.closings).toBe(1)
  })

  it('slows a way down and speeds it up again', async () => {
    const simulation = new Simulation({ seed: 2 })
    const { client, server } = await connected(simulation)
    simulation.network.setLatency('h1', 'h2', [200, 201])
    client.connection.write(Buffer.from('slow'))
    await simulation.runFor(199)
    expect(server.chunks).toEqual([])
    await simulation.runFor(5)
    expect(server.bytes.toString()).toBe('slow')
    simulation.network.setLatency('h1', 'h2')
    client.connection.write(Buffer.from(' fast'))
    await simulation.runFor(2)
    expect(server.bytes.toString()).toBe('slow fast')
  })
})
