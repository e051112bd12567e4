/**
 * Drives one handshake over one connection, in either role: carries out the machine's effects,
 * arms its deadline, asks the owner what the machine asks, and hands the connection on when both
 * sides have proved themselves. Ends with exactly one of `established` and `refused`.
 */

import type { Timer } from '../base/clock.js'
import type { Cookie } from '../base/cookie.js'
import { CitadelError } from '../base/errors.js'
import type { Connection, ConnectionHandlers } from '../base/transport.js'
import type { World } from '../base/world.js'
import { CITADEL_FLAGS, type Flags } from './flags.js'
import {
  HANDSHAKE_TIMEOUT_MS,
  Handshake,
  type HandshakeEffect,
  type HandshakeEvent,
  type HandshakeStatus,
  type RefusalReason,
} from './handshake.js'

/** A connection whose peer has proved that it knows the cookie. */
export interface Established {
  connection: Connection
  node: string
  creation: number
  /** What both sides can do. */
  flags: Flags
  /** This node dialled. */
  dialled: boolean
  /** The peers agreed that an older connection of theirs is no more. */
  replaces: boolean
  /** Of two handshakes of a node the one that began later has the higher one. */
  order: number
}

export interface GreetingOwner {
  /** May this peer connect now? It has proved nothing yet. */
  status(peer: { name: string; creation: number }): HandshakeStatus
  /** The peer believes that we are connected: is the new connection wanted? */
  conflict(node: string): boolean
  /** From now on the answered handlers are told what happens to the connection. */
  established(established: Established): ConnectionHandlers
  refused(greeting: Greeting, reason: RefusalReason, error: CitadelError): void
}

export interface GreetingOptions {
  world: World
  self: { name: string; creation: number }
  cookie: Cookie
  /** The challenges of all handshakes under way. */
  challenges: Set<number>
  /** The node dialled; absent for an acceptor. */
  peerName?: string
  /** How long the handshake may take; 5 s unless given. */
  handshakeMs?: number
  /** Numbers the handshakes of this node as they begin. */
  nextOrder: () => number
}

/** For a connection that is being closed. */
export const deaf: ConnectionHandlers = { received() {}, closed() {} }

export class Greeting implements ConnectionHandlers {
  /** The peer of an acceptor, once it has said its name. Not proved. */
  claimed: string | undefined
  private connection: Connection | undefined
  private readonly machine: Handshake
  private deadline: Timer | undefined
  private next: ConnectionHandlers | undefined
  private replaces = false
  private readonly order: number
  private readonly challenge: number

  constructor(
    private readonly options: GreetingOptions,
    private readonly owner: GreetingOwner,
  ) {
    const { world, self, cookie, peerName } = options
    this.order = options.nextOrder()
    this.challenge = world.random.uint32()
    this.machine = new Handshake({
      role: peerName === undefined ? 'acceptor' : 'initiator',
      self: { ...self, flags: CITADEL_FLAGS },
      cookie,
      challenge: this.challenge,
      pending: options.challenges,
      peerName,
    })
  }

  /** `delayMs`: nothing is read or said for so long. */
  start(connection: Connection, delayMs = 0): void {
    this.connection = connection
    this.options.challenges.add(this.challenge)
    if (delayMs === 0) this.begin()
    else {
      connection.pause()
      this.deadline = this.options.world.clock.after(delayMs, () => {
        connection.resume()
        this.begin()
      })
    }
  }

  private begin(): void {
    const { world, handshakeMs = HANDSHAKE_TIMEOUT_MS } = this.options
    this.deadline = world.clock.after(handshakeMs, () => this.step({ type: 'deadline' }))
    this.step({ type: 'start' })
  }

  /** Ends it without a word to the owner. */
  abandon(): void {
    this.over()
    this.next = deaf
    this.connection?.destroy()
  }

  received(bytes: Uint8Array): void {
    if (this.next) this.next.received(bytes)
    else this.step({ type: 'bytes', bytes })
  }

  drained(): void {
    this.next?.drained?.()
  }

  closed(error?: NodeJS.ErrnoException): void {
    if (this.next) this.next.closed(error)
    else this.step({ type: 'closed' })
  }

  private step(event: HandshakeEvent): void {
    for (const effect of this.machine.step(event)) this.carryOut(effect)
  }

  private carryOut(effect: HandshakeEffect): void {
    switch (effect.type) {
      case 'send':
        this.connection?.write(effect.bytes)
        break
      case 'askStatus': {
        const status = this.owner.status(effect.peer)
        this.claimed = effect.peer.name
        if (status === 'alive') this.replaces = true
        this.step({ type: 'status', status })
        break
      }
      case 'askConflict': {
        const proceed = this.owner.conflict(this.options.peerName ?? '')
        this.replaces = proceed
        this.step({ type: 'conflictDecision', proceed })
        break
      }
      case 'established':
        this.hand(effect)
        break
      case 'refused':
        this.refuse(effect)
    }
  }

  private hand({ peer, flags, rest }: Extract<HandshakeEffect, { type: 'established' }>): void {
    this.over()
    this.next = this.owner.established({
      connection: this.connection!,
      node: peer.name,
      creation: peer.creation,
      flags,
      dialled: this.options.peerName !== undefined,
      replaces: this.replaces,
      order: this.order,
    })
    if (rest.length > 0) this.next.received(rest)
  }

  private over(): void {
    this.deadline?.cancel()
    this.options.challenges.delete(this.challenge)
  }

  private refuse(effect: Extract<HandshakeEffect, { type: 'refused' }>): void {
    this.over()
    this.connection?.end()
    this.owner.refused(this, effect.reason, new CitadelError(effect.code, effect.message))
  }
}
