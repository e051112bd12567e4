/** A link of somebody who knows the cookie and sends what it likes, at the pace of the other side. */

import { createConnection, type Socket } from 'node:net'
import type { Address } from '../../../src/base/transport.js'
import { OP } from '../../../src/distribution/control-op.js'
import { CITADEL_FLAGS } from '../../../src/distribution/flags.js'
import { Handshake, type HandshakeEffect } from '../../../src/distribution/handshake.js'
import { citadelTerm } from '../../../src/mesh/citadel-message.js'
import { Atom } from '../../../src/term/atom.js'
import { Pid } from '../../../src/term/pid.js'
import { Ref } from '../../../src/term/ref.js'
import { Tuple } from '../../../src/term/tuple.js'
import { frame, type Role } from './invented-frames.js'

export interface Identity {
  readonly name: string
  readonly creation: number
  readonly cookie: string
}

const DEAF_MS = 10_000

export class HostileLink {
  #isUp = false
  #isClosed = false
  #heard = Buffer.alloc(0)
  #wake: () => void = () => {}
  #marks = 0
  readonly #socket: Socket
  readonly #handshake: Handshake

  private constructor(
    private readonly self: Identity,
    to: { address: Address; name: string },
  ) {
    const { name, creation, cookie } = self
    this.#handshake = new Handshake({
      role: 'initiator',
      self: { name, creation, flags: CITADEL_FLAGS },
      cookie,
      challenge: Math.floor(Math.random() * 2 ** 32),
      peerName: to.name,
    })
    this.#socket = createConnection(to.address)
    this.#socket.setNoDelay(true)
    this.#socket.on('connect', () => this.#carryOut(this.#handshake.step({ type: 'start' })))
    this.#socket.on('data', (bytes) => this.#received(bytes))
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      this.#isClosed = true
      this.#wake()
    })
  }

  /** Undefined: it was not let in. */
  static async dial(
    self: Identity,
    to: { address: Address; name: string },
    role: Role,
  ): Promise<HostileLink | undefined> {
    const link = new HostileLink(self, to)
    while (!link.#isUp && !link.#isClosed) await link.#more()
    if (!link.#isUp) return undefined
    if (role === 'member') link.#introduce()
    return link
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get #pid(): Pid {
    return new Pid(this.self.name, 80, 0, this.self.creation)
  }

  #introduce(): void {
    const offer = { version: 1, features: [], modules: [], weight: 0 }
    const capability = { ...offer, addresses: [], members: [] }
    const control = new Tuple(OP.REG_SEND, this.#pid, new Atom(''), new Atom('citadel'))
    this.#socket.write(frame(control, { term: citadelTerm({ type: 'capability', capability }) }))
  }

  write(bytes: Uint8Array): void {
    if (!this.#isClosed) this.#socket.write(bytes)
  }

  /** Until the other side has dealt with all that was sent, or has closed, or says nothing for long. */
  async dealtWith(): Promise<'answered' | 'closed' | 'deaf'> {
    const mark = 0x7e000000 + (++this.#marks % 0xffffff)
    const { name, creation } = this.self
    const tag = new Ref(name, creation, [1, mark, 2])
    const label = new Atom('$gen_call')
    const request = new Tuple(new Atom('is_auth'), new Atom(name))
    const control = new Tuple(OP.REG_SEND, this.#pid, new Atom(''), new Atom('net_kernel'))
    const term = new Tuple(label, new Tuple(this.#pid, tag), request)
    this.#heard = Buffer.alloc(0)
    this.write(frame(control, { term }))
    const word = Buffer.alloc(4)
    word.writeUInt32BE(mark)
    const deadline = performance.now() + DEAF_MS
    while (!this.#isClosed && performance.now() < deadline) {
      if (this.#heard.includes(word)) return 'answered'
      await this.#more()
    }
    return this.#isClosed ? 'closed' : 'deaf'
  }

  close(): void {
    this.#socket.destroy()
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, 1_000)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #received(bytes: Buffer): void {
    if (this.#isUp) this.#heard = Buffer.concat([this.#heard.subarray(-64), bytes])
    else this.#carryOut(this.#handshake.step({ type: 'bytes', bytes }))
    this.#wake()
  }

  #carryOut(effects: readonly HandshakeEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'send') this.#socket.write(effect.bytes)
      else if (effect.type === 'established') this.#isUp = true
      else if (effect.type === 'refused') this.#socket.destroy()
      else if (effect.type === 'askConflict') {
        this.#carryOut(this.#handshake.step({ type: 'conflictDecision', proceed: true }))
      }
    }
  }
}
