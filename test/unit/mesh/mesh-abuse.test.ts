import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemWorld } from '../../../src/base/system-world.js'
import type { Address } from '../../../src/base/transport.js'
import { parseAddress } from '../../../src/mesh/address.js'
import { type BareConnection, dialNode } from '../../support/dial-node.js'
import { eventually } from '../../support/eventually.js'
import { freePort } from '../../support/free-port.js'
import { MeshNode, type MeshNodeOptions } from '../../support/mesh-node.js'

const A = 'a@127.0.0.1'
const B = 'b@127.0.0.1'
const X = 'x@127.0.0.1'
const world = systemWorld()

let a: MeshNode
let b: MeshNode
let address: Address

/** A machine that stands still for longer than the silent limit is no fault of the peer's. */
const times = { stopMs: 200, citadelSilentMs: 120_000 }

async function startPair(options: Partial<MeshNodeOptions> = {}): Promise<void> {
  const epmdPort = await freePort()
  a = new MeshNode(A, { epmdPort, times, ...options })
  b = new MeshNode(B, { epmdPort, times, ...options })
  await a.mesh.start()
  await b.mesh.start()
  await eventually(() => a.mesh.connect(B), { timeoutMs: 20_000 })
  await eventually(() => b.mesh.members().length === 1)
  const member = b.mesh.members()[0]!
  address = parseAddress(member.addresses[0]!)!
}

afterEach(async () => {
  await Promise.all([a.stop(), b.stop()])
})

/** Somebody who knows the cookie. */
async function intruder(cookie = 'secret', creation = 5): Promise<BareConnection> {
  const bare = dialNode({ world, name: X, creation, cookie }, address, A)
  await eventually(() => bare.outcome !== undefined || bare.isClosed)
  return bare
}

/** Somebody who knows nothing; answers whether the connection is closed. */
function stranger(): { write(bytes: Uint8Array): void; isClosed(): boolean; destroy(): void } {
  let isClosed = false
  const connection = world.transport.dial(address, {
    received() {},
    closed() {
      isClosed = true
    },
  })
  return {
    write: (bytes) => void connection.write(bytes),
    isClosed: () => isClosed,
    destroy: () => connection.destroy(),
  }
}

/** The pair works on and nobody was lost. */
async function unhurt(): Promise<void> {
  const before = b.sink.messages.length
  expect(a.mesh.send(a.pid, b.pid, 'still here')).toBe(true)
  await eventually(() => b.sink.messages.length > before)
  expect(a.saw('unreachable', B) + b.saw('unreachable', A)).toBe(0)
}

describe('one connection is closed and nothing else', () => {
  beforeEach(() => startPair())

  const bad: [string, Uint8Array][] = [
    ['a frame of 2 GB announced after a good handshake', Buffer.of(0x80, 0, 0, 0, 112)],
    ['a frame of nonsense', Buffer.of(0, 0, 0, 3, 1, 2, 3)],
    ['an unknown control message', Buffer.of(0, 0, 0, 6, 112, 131, 104, 1, 97, 200)],
    ['a term that ends early', Buffer.of(0, 0, 0, 5, 112, 131, 104, 3, 97)],
  ]
  test.each(bad)('for %s, with one line in the log', async (_what, bytes) => {
    const bare = await intruder()
    expect(bare.outcome?.type).toBe('established')
    bare.connection.write(bytes)
    await eventually(() => bare.isClosed)
    expect(a.log.lines.filter((line) => line.includes(X)).length).toBe(1)
    await unhurt()
  })

  test('for random bytes on the port, many times, with few lines in the log', async () => {
    for (let round = 0; round < 50; round++) {
      const someone = stranger()
      const noise = Buffer.from(
        Array.from({ length: 200 }, (_, at) => (at * 37 + round * 91) & 255),
      )
      someone.write(noise)
      await eventually(() => someone.isClosed())
    }
    expect(a.log.lines.length).toBeLessThan(5)
    await unhurt()
  })

  test('for a wrong cookie', async () => {
    const bare = await intruder('wrong')
    expect(bare.outcome).toMatchObject({ type: 'refused', reason: 'bad_cookie' })
    await unhurt()
  })

  test.each([
    ['', undefined],
    [', as both were to replace a still earlier one', 3],
  ])(
    'of an earlier start of a node, whose handshake ends when the present one is connected%s',
    async (_what, before) => {
      if (before !== undefined) await intruder('secret', before)
      const early = dialNode({ world, name: X, creation: 4, cookie: 'secret' }, address, A)
      const received = early.received.bind(early)
      const held: Uint8Array[] = []
      early.received = (bytes) => void held.push(bytes)
      await eventually(() => held.length > 0)
      const present = await intruder()
      expect(present.outcome?.type).toBe('established')
      early.received = received
      for (const bytes of held) received(bytes)
      await eventually(() => early.isClosed)
      expect(present.isClosed).toBe(false)
      await unhurt()
    },
  )

  test('and not thousands dialled for a capability with 10,000 addresses and 10,000 members', async () => {
    const port = Number(/:(\d+)$/.exec(b.mesh.addresses[0]!)![1])
    const members = Array.from({ length: 10_000 }, (_, n) => ({
      node: `m${n}@127.0.0.1`,
      creation: 1,
      addresses: [`tcp://127.0.0.1:${port}`, `tcp://127.0.0.1:${1 + n}`],
    }))
    const addresses = Array.from({ length: 10_000 }, (_, n) => `tcp://127.0.0.1:${1 + n}`)
    const offer = { version: 1, features: [], modules: [], weight: 1, addresses, members }
    const encoded = b.mesh.encode({ type: 'capability', ...offer })
    let most = 0
    const before = a.transport.connections.size
    expect(b.mesh.sendEncoded(A, 'citadel', encoded)).toBe(true)
    for (let look = 0; look < 40; look++) {
      await new Promise((resolve) => setTimeout(resolve, 25))
      most = Math.max(most, a.transport.connections.size - before)
    }
    expect(most).toBeGreaterThan(0)
    // Some of those that have just ended are still counted.
    expect(most).toBeLessThanOrEqual(32)
    await unhurt()
  })

  test('for a goodbye and a status that are malformed, which are ignored', async () => {
    const bare = await intruder()
    const system = { name: 'citadel', node: A }
    const encoded = b.mesh.encode({ type: 'status', unreachable: 'everybody' })
    expect(b.mesh.sendEncoded(A, system.name, encoded)).toBe(true)
    b.mesh.sendEncoded(A, system.name, b.mesh.encode({ type: 'of release 9' }))
    b.mesh.sendEncoded(A, system.name, b.mesh.encode(17))
    bare.connection.destroy()
    await unhurt()
  })
})

describe('nobody is disturbed', () => {
  beforeEach(() => startPair())

  test('by bytes dribbled one by one, which are taken as the frames they make', async () => {
    const bare = await intruder()
    const frames = [Buffer.of(0, 0, 0, 0), Buffer.of(0, 0, 0, 5, 112, 131, 104, 1, 97)]
    for (const byte of Buffer.concat(frames)) {
      bare.connection.write(Buffer.of(byte))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    await eventually(() => bare.isClosed)
    await unhurt()
  })

  test('by many connections that say nothing', async () => {
    const strangers = Array.from({ length: 300 }, stranger)
    await unhurt()
    for (const one of strangers) one.destroy()
  })

  test('by one who takes the name of a connected node without knowing the cookie', async () => {
    const thief = dialNode({ world, name: B, creation: 5, cookie: 'wrong' }, address, A)
    await eventually(() => thief.isClosed)
    expect(thief.outcome?.type).not.toBe('established')
    await unhurt()
  })
})

describe('a peer that does not read', () => {
  test('makes sends answer false, and wakes who waits when it reads again', async () => {
    await startPair()
    for (const connection of b.transport.connections) connection.pause()
    const text = 'x'.repeat(10_000)
    let sent = 0
    await eventually(() => {
      for (let index = 0; index < 100; index++) {
        if (!a.mesh.send(a.pid, b.pid, text)) return true
        sent++
      }
      return false
    })
    const high = a.mesh.pendingBytes(B)
    expect(high).toBeGreaterThan(1024 * 1024)
    expect(high).toBeLessThan(8 * 1024 * 1024)
    expect(a.mesh.signal(B, { type: 'link', from: a.pid, to: b.pid })).toBe(true)
    let woken = 0
    const cancel = a.mesh.onceWritable(B, () => woken--)
    a.mesh.onceWritable(B, () => woken++)
    cancel()
    for (const connection of b.transport.connections) connection.resume()
    await eventually(() => woken === 1)
    await eventually(() => b.sink.messages.length === sent && b.sink.signals.length === 1)
    expect(a.mesh.send(a.pid, b.pid, 'again')).toBe(true)
    expect(a.saw('unreachable', B)).toBe(0)
  })

  test('is cut off at the hard cap, which the log tells, and connected anew', async () => {
    await startPair({ outbox: { hardCapBytes: 4 * 1024 * 1024 } })
    for (const connection of b.transport.connections) connection.pause()
    const encoded = a.mesh.encode('x'.repeat(1024 * 1024))
    await eventually(() => !a.mesh.sendEncoded(B, 'scope', encoded) || a.saw('unreachable', B) > 0)
    await eventually(() => a.saw('unreachable', B) === 1 && a.saw('up', B) === 2)
    expect(a.log.lines.join()).toContain('overflow')
    expect(a.mesh.pendingBytes(B)).toBeLessThan(100_000)
  })
})

test('a flood from a peer does not hold the event loop, and arrives whole and in order', async () => {
  await startPair()
  const total = 60_000
  let most = 0
  let seen = 0
  let running = true
  const turn = (): void => {
    most = Math.max(most, b.sink.messages.length - seen)
    seen = b.sink.messages.length
    if (running) setImmediate(turn)
  }
  setImmediate(turn)
  let next = 0
  const pump = (): void => {
    const started = performance.now()
    while (next < total && performance.now() - started < 5) {
      if (!a.mesh.send(a.pid, b.pid, next)) {
        a.mesh.onceWritable(B, pump)
        return
      }
      next++
    }
    if (next < total) setImmediate(pump)
  }
  pump()
  await eventually(() => b.sink.messages.length === total, { what: 'the flood', timeoutMs: 30_000 })
  running = false
  expect(b.sink.messages).toEqual(Array.from({ length: total }, (_, index) => index))
  // Taken in one turn of the event loop. Without a bound it would be more than 10,000.
  expect(most).toBeLessThan(4_000)
}, 60_000)
