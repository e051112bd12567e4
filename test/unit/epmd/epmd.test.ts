import { afterEach, describe, expect, test } from 'vitest'
import { systemWorld } from '../../../src/base/system-world.js'
import type { Address, Connection } from '../../../src/base/transport.js'
import { Epmd } from '../../../src/epmd/epmd.js'
import { EpmdClient, type EpmdClientOptions } from '../../../src/epmd/epmd-client.js'
import { encodeAliveRequest, encodeNamesRequest } from '../../../src/epmd/epmd-protocol.js'
import { EpmdServer, type EpmdServerOptions } from '../../../src/epmd/epmd-server.js'
import { eventually } from '../../support/eventually.js'
import { freePort } from '../../support/free-port.js'

const world = systemWorld()
const host = '127.0.0.1'
const open: { close(): Promise<void> | void }[] = []

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

function kept<T extends { close(): Promise<void> | void }>(closable: T): T {
  open.push(closable)
  return closable
}

const serve = async (options: Partial<EpmdServerOptions> = {}): Promise<EpmdServer> =>
  kept(await EpmdServer.start({ world, port: 0, ...options }))

const clientOf = (port: number, options: Partial<EpmdClientOptions> = {}): EpmdClient =>
  new EpmdClient({ transport: world.transport, clock: world.clock, port, ...options })

/** A raw connection that keeps what it is told. */
function dial(to: Address) {
  const state = { bytes: Buffer.alloc(0), isClosed: false, connection: {} as Connection }
  state.connection = world.transport.dial(to, {
    received(bytes) {
      state.bytes = Buffer.concat([state.bytes, bytes])
    },
    closed() {
      state.isClosed = true
    },
  })
  kept({ close: () => state.connection.destroy() })
  return state
}

describe('the EPMD client with the embedded server', () => {
  test('registers, looks up and lists', async () => {
    const server = await serve()
    const client = clientOf(server.address.port)
    const one = kept(await client.register({ name: 'n1', port: 4001 }))
    const two = kept(await client.register({ name: 'n2', port: 4002 }))
    expect(two.creation).not.toBe(one.creation)
    expect(await client.lookup('n1')).toEqual({ name: 'n1', port: 4001 })
    expect(await client.lookup('n3')).toBeUndefined()
    expect(await client.names()).toEqual([
      { name: 'n1', port: 4001 },
      { name: 'n2', port: 4002 },
    ])
  })

  test('a port that cannot be dialled rejects, and no deadline is left behind', async () => {
    const client = clientOf(70_000, { timeoutMs: 10 })
    await expect(client.lookup('n1')).rejects.toThrow('70000')
    await new Promise((resolve) => setTimeout(resolve, 30))
  })

  test('a name is free again when its registration is closed, with another creation', async () => {
    const server = await serve()
    const client = clientOf(server.address.port)
    const first = await client.register({ name: 'n1', port: 4001 })
    first.close()
    await first.lost
    const second = kept(await client.register({ name: 'n1', port: 4002 }))
    expect(second.creation).not.toBe(first.creation)
    expect(server.names()).toEqual([{ name: 'n1', port: 4002 }])
  })

  test('a name that stays taken rejects name_taken with what to do', async () => {
    const server = await serve()
    const client = clientOf(server.address.port, { nameTakenRetryMs: 250 })
    kept(await client.register({ name: 'n1', port: 4001 }))
    await expect(client.register({ name: 'n1', port: 4002 })).rejects.toMatchObject({
      code: 'name_taken',
      message: expect.stringMatching(/choose another name/),
    })
    expect(server.names()).toEqual([{ name: 'n1', port: 4001 }])
  })

  test('a name that becomes free while it is asked for is had', async () => {
    const server = await serve()
    const client = clientOf(server.address.port)
    const first = await client.register({ name: 'n1', port: 4001 })
    const second = client.register({ name: 'n1', port: 4002 })
    await client.names()
    first.close()
    kept(await second)
    expect(server.names()).toEqual([{ name: 'n1', port: 4002 }])
  })

  test('a server that goes away is told through lost', async () => {
    const server = await EpmdServer.start({ world, port: 0 })
    const registration = await clientOf(server.address.port).register({ name: 'n1', port: 1 })
    await server.close()
    await registration.lost
  })

  test('nobody listening rejects unavailable', async () => {
    const lookup = clientOf(await freePort()).lookup('n1')
    await expect(lookup).rejects.toMatchObject({
      code: 'unavailable',
      cause: { code: 'ECONNREFUSED' },
    })
  })

  test('somebody who never answers rejects timeout at the deadline', async () => {
    const silent = kept(
      await world.transport.listen({ host, port: 0 }, () => ({ received() {}, closed() {} })),
    )
    const client = clientOf(silent.address.port, { timeoutMs: 50 })
    for (const asked of [
      client.names(),
      client.lookup('a'),
      client.register({ name: 'a', port: 1 }),
    ]) {
      await expect(asked).rejects.toMatchObject({ code: 'timeout' })
    }
  })

  test('somebody who answers nonsense rejects bad_format', async () => {
    const odd = kept(
      await world.transport.listen({ host, port: 0 }, (connection) => ({
        received: () => void connection.write(Buffer.from('HTTP/1.1 400\r\n')),
        closed() {},
      })),
    )
    const client = clientOf(odd.address.port)
    await expect(client.lookup('a')).rejects.toMatchObject({ code: 'bad_format' })
    await expect(client.register({ name: 'a', port: 1 })).rejects.toMatchObject({
      code: 'bad_format',
    })
  })
})

describe('the embedded EPMD', () => {
  test.each([
    ['KILL', 107],
    ['STOP', 115],
    ['DUMP', 100],
  ])('cuts off whoever sends %s and goes on', async (_name, code) => {
    const server = await serve()
    const client = clientOf(server.address.port)
    kept(await client.register({ name: 'n1', port: 4001 }))
    const rude = dial(server.address)
    rude.connection.write(Buffer.concat([Buffer.from([0, 3, code]), Buffer.from('n1')]))
    await eventually(() => rude.isClosed)
    expect(rude.bytes).toHaveLength(0)
    expect(await client.names()).toEqual([{ name: 'n1', port: 4001 }])
  })

  test('understands a request that is dribbled byte by byte', async () => {
    const server = await serve()
    const slow = dial(server.address)
    for (const byte of encodeNamesRequest()) slow.connection.write(Buffer.of(byte))
    await eventually(() => slow.isClosed)
    expect(slow.bytes.readUInt32BE(0)).toBe(server.address.port)
  })

  test('cuts off a request over its limit, random bytes, and one that never comes', async () => {
    const server = await serve({ requestTimeoutMs: 50 })
    const big = dial(server.address)
    big.connection.write(Buffer.alloc(2, 0xff))
    const random = dial(server.address)
    random.connection.write(Buffer.from([0, 4, 120, 1, 2, 3]))
    const mute = dial(server.address)
    await eventually(() => big.isClosed && random.isClosed && mute.isClosed)
    expect(await clientOf(server.address.port).names()).toEqual([])
  })

  test('cuts off a registered node that sends more, and forgets it', async () => {
    const server = await serve()
    const node = dial(server.address)
    const entry = { hidden: true, highestVersion: 6, lowestVersion: 6, extra: new Uint8Array() }
    node.connection.write(encodeAliveRequest({ ...entry, name: 'n1', port: 1 }))
    await eventually(() => server.names().length === 1)
    node.connection.write(Buffer.of(0))
    await eventually(() => node.isClosed && server.names().length === 0)
  })

  test('holds no more names than its bound', async () => {
    const server = await serve({ namesMax: 1 })
    const client = clientOf(server.address.port, { nameTakenRetryMs: 0 })
    kept(await client.register({ name: 'n1', port: 1 }))
    await expect(client.register({ name: 'n2', port: 2 })).rejects.toMatchObject({
      code: 'limit_exceeded',
      message: expect.stringContaining('which nobody has'),
    })
  })

  test('closes connections beyond its bound and keeps those it has', async () => {
    const server = await serve({ connectionsMax: 1 })
    const client = clientOf(server.address.port)
    const registration = kept(await client.register({ name: 'n1', port: 1 }))
    await expect(client.names()).rejects.toMatchObject({ code: 'unavailable' })
    registration.close()
    await eventually(() => server.names().length === 0)
    expect(await client.names()).toEqual([])
  })

  test('answers a node of an old release with a creation that it knows', async () => {
    const server = await serve()
    const old = dial(server.address)
    const entry = { hidden: false, highestVersion: 5, lowestVersion: 5, extra: new Uint8Array() }
    old.connection.write(encodeAliveRequest({ ...entry, name: 'old', port: 1 }))
    await eventually(() => old.bytes.length === 4)
    expect([...old.bytes.subarray(0, 3)]).toEqual([121, 0, 0])
    expect(old.bytes[3]).toBeGreaterThan(0)
    expect(old.bytes[3]).toBeLessThan(4)
  })
})

describe('the EPMD policy', () => {
  const node = (epmdPort: number, embed = true): Epmd => kept(new Epmd({ world, epmdPort, embed }))

  test('embeds an EPMD when there is none, and uses the one that is there', async () => {
    const port = await freePort()
    const [one, two] = [node(port), node(port)]
    const lease = await one.register({ name: 'n1', port: 4001 })
    await two.register({ name: 'n2', port: 4002 })
    expect(lease.creation).toBeGreaterThan(0)
    expect([one.isEmbedded, two.isEmbedded]).toEqual([true, false])
    expect(await two.lookup('n1@127.0.0.1')).toEqual({ host, port: 4001 })
    expect(await two.lookup('n9@127.0.0.1')).toBeUndefined()
    expect((await one.names()).map(({ name }) => name)).toEqual(['n1', 'n2'])
  })

  test('eight nodes that start at once end up with one EPMD that knows all of them', async () => {
    const port = await freePort()
    const nodes = Array.from({ length: 8 }, () => node(port))
    await Promise.all(nodes.map((one, i) => one.register({ name: `n${i}`, port: 4000 + i })))
    expect(nodes.filter((one) => one.isEmbedded)).toHaveLength(1)
    expect(await nodes[0]!.names()).toHaveLength(8)
  })

  test('when the node with the EPMD goes, the others register anew within a second', async () => {
    const port = await freePort()
    const nodes = [node(port), node(port), node(port), node(port)]
    for (const [i, one] of nodes.entries()) await one.register({ name: `n${i}`, port: 4000 + i })
    const goneAt = performance.now()
    await nodes[0]!.close()
    const names = async (): Promise<string> => {
      try {
        return (await nodes[1]!.names())
          .map(({ name }) => name)
          .sort()
          .join()
      } catch {
        return 'no EPMD'
      }
    }
    await eventually(async () => (await names()) === 'n1,n2,n3')
    expect(performance.now() - goneAt).toBeLessThan(1_000)
    expect(nodes.slice(1).filter((one) => one.isEmbedded)).toHaveLength(1)
  })

  test('a closed lease gives the name back and does not come again', async () => {
    const port = await freePort()
    const [one, two] = [node(port), node(port)]
    await one.register({ name: 'n1', port: 4001 })
    const lease = await two.register({ name: 'n2', port: 4002 })
    lease.close()
    await eventually(async () => (await one.names()).length === 1)
    await one.close()
    await two.register({ name: 'n3', port: 4003 })
    expect(await two.names()).toEqual([{ name: 'n3', port: 4003 }])
  })

  test('one that is busy for longer than the deadline is asked again', async () => {
    const server = await serve()
    let attempts = 0
    // The first request is never answered, as by a node that is busy; the next ones go through.
    const front = kept(
      await world.transport.listen({ host, port: 0 }, (connection) => {
        if (++attempts === 1) return { received() {}, closed() {} }
        const behind = world.transport.dial(server.address, {
          received: (bytes) => void connection.write(bytes),
          closed: () => connection.destroy(),
        })
        return {
          received: (bytes) => void behind.write(bytes),
          closed: () => behind.destroy(),
        }
      }),
    )
    const lease = await node(front.address.port).register({ name: 'n1', port: 4001 })
    expect(attempts).toBe(2)
    expect(await clientOf(server.address.port).names()).toEqual([{ name: 'n1', port: 4001 }])
    lease.close()
  })

  test('told not to embed, it rejects when there is no EPMD', async () => {
    const lone = node(await freePort(), false)
    await expect(lone.register({ name: 'n1', port: 1 })).rejects.toMatchObject({
      code: 'unavailable',
    })
  })

  test('a taken name rejects, and the node that has it keeps it', async () => {
    const port = await freePort()
    const [one, two] = [node(port), node(port)]
    await one.register({ name: 'n1', port: 4001 })
    await expect(two.register({ name: 'n1', port: 4002 })).rejects.toMatchObject({
      code: 'name_taken',
    })
    expect(await two.lookup('n1@127.0.0.1')).toEqual({ host, port: 4001 })
  })
})
