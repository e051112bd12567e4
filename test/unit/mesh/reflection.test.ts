/** Somebody without the cookie who gives a node's challenges back to it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemWorld } from '../../../src/base/system-world.js'
import type { Address, Connection, Listener } from '../../../src/base/transport.js'
import { CITADEL_FLAGS } from '../../../src/distribution/flags.js'
import { Handshake } from '../../../src/distribution/handshake.js'
import {
  decodeChallenge,
  decodeReply,
  encodeChallenge,
  encodeName,
  encodeReply,
  encodeStatus,
} from '../../../src/distribution/handshake-message.js'
import { parseAddress } from '../../../src/mesh/address.js'
import { FailedGuesses } from '../../../src/mesh/failed-guesses.js'
import { dialNode } from '../../support/dial-node.js'
import { eventually } from '../../support/eventually.js'
import { freePort } from '../../support/free-port.js'
import { MeshNode } from '../../support/mesh-node.js'

const A = 'a@127.0.0.1'
const EVIL = { name: 'evil@127.0.0.1', creation: 5, flags: CITADEL_FLAGS }
const { transport } = systemWorld()

/** One connection of the attacker, as frames of the handshake. */
class Wire {
  readonly frames: Buffer[] = []
  isClosed = false
  connection!: Connection
  #bytes = Buffer.alloc(0)

  readonly handlers = {
    opened: () => this.connection.write(encodeName(EVIL)),
    received: (bytes: Uint8Array) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes])
      while (this.#bytes.length >= 2 && this.#bytes.length >= 2 + this.#bytes.readUInt16BE(0)) {
        const end = 2 + this.#bytes.readUInt16BE(0)
        this.frames.push(this.#bytes.subarray(2, end))
        this.#bytes = this.#bytes.subarray(end)
      }
    },
    closed: () => {
      this.isClosed = true
    },
  }

  frame = (index: number): Promise<Buffer | undefined> =>
    eventually(() => this.frames[index] ?? this.isClosed).then(() => this.frames[index])
}

describe('one node that is made to dial somebody without the cookie', () => {
  let a: MeshNode
  let address: Address
  let listener: Listener
  const dialled = new Wire()

  beforeEach(async () => {
    a = new MeshNode(A, { epmdPort: await freePort() })
    await a.mesh.start()
    address = parseAddress(a.mesh.addresses[0]!)!
    listener = await transport.listen({ host: '127.0.0.1', port: 0 }, (connection) => {
      dialled.connection = connection
      return dialled.handlers
    })
  })

  afterEach(async () => {
    await listener.close()
    await a.stop()
  })

  test('refuses its own challenge, so that its answer lets nobody in', async () => {
    const connecting = a.mesh.connect(EVIL.name, [`tcp://127.0.0.1:${listener.address.port}`])
    expect(await dialled.frame(0)).toBeDefined()
    dialled.connection.write(encodeStatus('ok'))

    // As a peer that dials at the same time it asks the same node for a challenge, and passes it on.
    const dialling = new Wire()
    dialling.connection = transport.dial(address, dialling.handlers)
    const asked = decodeChallenge((await dialling.frame(1))!)
    dialled.connection.write(encodeChallenge({ ...EVIL, challenge: asked.challenge }))

    const answer = await dialled.frame(1)
    if (answer) {
      const { digest } = decodeReply(answer)
      dialling.connection.write(encodeReply({ challenge: 1, digest }))
      await dialling.frame(2)
    }
    expect(answer).toBeUndefined()
    dialling.connection.destroy()
    expect(await connecting).toBe(false)
    expect(a.mesh.nodes()).toEqual([])
  })
})

describe('one handshake', () => {
  const self = { ...EVIL, name: A }

  test('of an initiator refuses a challenge that this node asks elsewhere, and its own', () => {
    for (const challenge of [77, 3]) {
      const machine = new Handshake({
        role: 'initiator',
        self,
        cookie: 'secret',
        challenge: 3,
        pending: new Set([3, 77]),
      })
      machine.step({ type: 'start' })
      machine.step({ type: 'bytes', bytes: encodeStatus('ok') })
      const bytes = encodeChallenge({ ...EVIL, challenge })
      expect(machine.step({ type: 'bytes', bytes })).toMatchObject([
        { type: 'refused', reason: 'reflected', code: 'bad_cookie' },
      ])
    }
  })
})

describe('one node and somebody who tries cookies', () => {
  test('waits longer before each of his handshakes, up to a second, and forgets', () => {
    const guesses = new FailedGuesses()
    const delays = Array.from({ length: 8 }, () => {
      guesses.failed('10.0.0.1', 0)
      return guesses.delayMs('10.0.0.1', 0)
    })
    expect(delays).toEqual([25, 50, 100, 200, 400, 800, 1_000, 1_000])
    expect(guesses.delayMs('10.0.0.2', 0)).toBe(0)
    expect(guesses.delayMs('10.0.0.1', 61_000)).toBe(0)
    for (let n = 0; n < 1_000; n++) guesses.failed(`10.1.${n >> 8}.${n & 255}`, 0)
    expect(guesses.delayMs('10.0.0.1', 0)).toBe(0)
  })

  test('lets in who knows it, from the same address, after a moment', async () => {
    const a = new MeshNode(A, { epmdPort: await freePort() })
    await a.mesh.start()
    const address = parseAddress(a.mesh.addresses[0]!)!
    const attempt = async (cookie: string) => {
      const bare = dialNode({ world: systemWorld(), ...EVIL, cookie }, address, A)
      await eventually(() => bare.outcome !== undefined || bare.isClosed)
      bare.connection.destroy()
      return bare.outcome?.type
    }
    for (const guess of ['one', 'two', 'three']) expect(await attempt(guess)).toBe('refused')
    expect(await attempt('secret')).toBe('established')
    expect(a.log.lines.filter((line) => line.includes('cookie'))).toHaveLength(1)
    await a.stop()
  })
})
