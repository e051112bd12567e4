/** A bare node for tests below the mesh: it shakes hands over a real transport, and no more. */
import type { Address, Connection, ConnectionHandlers, Listener } from '../../src/base/transport.js'
import type { World } from '../../src/base/world.js'
import { CITADEL_FLAGS } from '../../src/distribution/flags.js'
import {
  Handshake,
  type HandshakeEffect,
  type HandshakeStatus,
} from '../../src/distribution/handshake.js'

export interface BareNodeOptions {
  world: World
  name: string
  creation: number
  cookie: string
  /** What the acceptor answers; `ok` unless set. */
  status?: HandshakeStatus
}

type Outcome = Extract<HandshakeEffect, { type: 'established' | 'refused' }>

/** One connection: how its handshake went, what it was asked, whether it is closed. */
export class BareConnection implements ConnectionHandlers {
  readonly asked: HandshakeEffect['type'][] = []
  outcome: Outcome | undefined
  isClosed = false
  connection!: Connection
  readonly #handshake: Handshake
  readonly #status: HandshakeStatus

  constructor(options: BareNodeOptions, peerName?: string) {
    this.#status = options.status ?? 'ok'
    this.#handshake = new Handshake({
      role: peerName === undefined ? 'acceptor' : 'initiator',
      self: { name: options.name, creation: options.creation, flags: CITADEL_FLAGS },
      cookie: options.cookie,
      challenge: options.world.random.uint32(),
      peerName,
    })
  }

  /** Starts the handshake; a dialled connection does it by itself when it is open. */
  opened(): void {
    this.#carryOut(this.#handshake.step({ type: 'start' }))
  }

  received(bytes: Uint8Array): void {
    this.#carryOut(this.#handshake.step({ type: 'bytes', bytes }))
  }

  closed(): void {
    this.isClosed = true
    this.#carryOut(this.#handshake.step({ type: 'closed' }))
  }

  #carryOut(effects: HandshakeEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'send') this.connection.write(effect.bytes)
      else if (effect.type === 'established' || effect.type === 'refused') this.outcome = effect
      else this.#answer(effect.type)
      if (effect.type === 'refused') this.connection.end()
    }
  }

  #answer(type: 'askStatus' | 'askConflict'): void {
    this.asked.push(type)
    this.#carryOut(
      type === 'askStatus'
        ? this.#handshake.step({ type: 'status', status: this.#status })
        : this.#handshake.step({ type: 'conflictDecision', proceed: true }),
    )
  }
}

export function dialNode(options: BareNodeOptions, to: Address, peerName: string): BareConnection {
  const bare = new BareConnection(options, peerName)
  bare.connection = options.world.transport.dial(to, bare)
  return bare
}

/** Listens on a free port of 127.0.0.1; `accepted` fills as peers connect. */
export async function listenNode(
  options: BareNodeOptions,
): Promise<{ listener: Listener; accepted: BareConnection[] }> {
  const accepted: BareConnection[] = []
  const at = { host: '127.0.0.1', port: 0 }
  const listener = await options.world.transport.listen(at, (connection) => {
    const bare = new BareConnection(options)
    bare.connection = connection
    bare.opened()
    accepted.push(bare)
    return bare
  })
  return { listener, accepted }
}
