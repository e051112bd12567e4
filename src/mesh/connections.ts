/**
 * The connections of a node: accepts and dials, has each handshake driven, and settles which of
 * two connections to the same node stays. At most one peer per node name; an unproved peer never
 * disturbs an established one.
 */
import type { Cookie } from '../base/cookie.js'
import { isNodeName } from '../base/node-name.js'
import type { Address, Connection, ConnectionHandlers, Listener } from '../base/transport.js'
import type { World } from '../base/world.js'
import { deaf, type Established, Greeting } from '../distribution/greeting.js'
import { HANDSHAKE_TIMEOUT_MS, type HandshakeStatus } from '../distribution/handshake.js'
import { addressUri } from './address.js'
import { Dial, type DialFailure } from './dial.js'
import { FailedGuesses } from './failed-guesses.js'
import type { Peer } from './peer.js'
import { Probe, type ProbeAnswer } from './probe.js'

export interface ConnectionsOptions {
  world: World
  self: { name: string; creation: number }
  cookie: Cookie
  lookup: (node: string) => Promise<Address | undefined>
}

export interface ConnectionsOwner {
  /** Makes the peer of a connection. Nothing was received yet. */
  make(established: Established): Peer
  /** It is the peer of that node now; `old` was until now. */
  connected(peer: Peer, old: Peer | undefined): void
  dialFailed(dial: Dial, failure: DialFailure): void
  /** Somebody says that it is that node, and has proved nothing yet. */
  greeted(node: string, creation: number): void
  /** An inbound connection came to nothing. */
  refused(reason: string, message: string): void
}

/** Inbound connections that have not proved themselves, at most; for a newer one an old one goes. */
const GREETINGS_MAX = 256

export class Connections {
  readonly peers = new Map<string, Peer>()
  private readonly dials = new Map<string, Dial>()
  private readonly probes = new Map<string, Probe>()
  private readonly greetings = new Set<Greeting>()
  private readonly challenges = new Set<number>()
  private readonly guesses = new FailedGuesses()
  private closing = false
  private begun = 0
  private readonly nextOrder = (): number => ++this.begun

  constructor(
    private readonly options: ConnectionsOptions,
    private readonly owner: ConnectionsOwner,
  ) {}

  listen(at: Address): Promise<Listener> {
    return this.options.world.transport.listen(at, (connection) => this.accept(connection))
  }

  /** That node is dialled, dials us, or has just connected. */
  isPending(node: string): boolean {
    return this.peers.has(node) || this.dials.has(node) || this.isGreeting(node)
  }

  /** Does nothing when that node is connected or being dialled. */
  dial(node: string, addresses: readonly string[], timeoutMs: number, useEpmd: boolean): void {
    if (this.closing || this.peers.has(node) || this.dials.has(node)) return
    const { nextOrder, challenges } = this
    const { world, self, cookie } = this.options
    const lookup = useEpmd ? this.options.lookup : undefined
    // What got stuck when the network was cut must not stand in the way when it is whole again.
    const handshakeMs = Math.min(HANDSHAKE_TIMEOUT_MS, 2 * timeoutMs)
    const dial = new Dial(
      {
        world,
        self,
        cookie,
        challenges,
        node,
        addresses,
        lookup,
        timeoutMs,
        handshakeMs,
        nextOrder,
      },
      {
        isGreeting: (name) => this.isGreeting(name),
        isConnected: (name) => this.peers.has(name),
        established: (established) => {
          this.dials.delete(node)
          return this.settle(established)
        },
        failed: (failed, failure) => {
          this.dials.delete(node)
          this.owner.dialFailed(failed, failure)
        },
      },
    )
    this.dials.set(node, dial)
    dial.start()
  }

  abandonDial(node: string): void {
    this.dials.get(node)?.abandon()
    this.dials.delete(node)
  }

  /** Asks a node that is not to be connected whether it lives: at its addresses, else where EPMD says. */
  probe(
    node: string,
    addresses: readonly string[],
    timeoutMs: number,
    done: (answer: ProbeAnswer) => void,
  ): void {
    if (this.closing || this.probes.has(node)) return
    const { world, self, lookup } = this.options
    const begin = (at: readonly string[], told: typeof done): void => {
      if (this.closing) return
      const probe = new Probe({ world, self, node, addresses: at, timeoutMs }, (answer) => {
        if (this.probes.get(node) === probe) this.probes.delete(node)
        told(answer)
      })
      this.probes.set(node, probe)
      probe.start()
    }
    if (addresses.length > 0) return begin(addresses, done)
    // Where EPMD does not know it, or nobody listens, it may be elsewhere.
    const unsure = (answer: ProbeAnswer): void =>
      done(answer.type === 'refused' ? { type: 'silent' } : answer)
    lookup(node).then(
      (address) => begin(address ? [addressUri(address)] : [], unsure),
      () => done({ type: 'silent' }),
    )
  }

  abandonProbe(node: string): void {
    this.probes.get(node)?.abandon()
    this.probes.delete(node)
  }

  /** Takes no more connections and ends what is not established. */
  close(): void {
    this.closing = true
    for (const dial of this.dials.values()) dial.abandon()
    for (const probe of this.probes.values()) probe.abandon()
    for (const greeting of this.greetings) greeting.abandon()
    this.probes.clear()
    this.dials.clear()
    this.greetings.clear()
  }

  private accept(connection: Connection): ConnectionHandlers {
    if (this.closing) {
      connection.destroy()
      return deaf
    }
    if (this.greetings.size >= GREETINGS_MAX) this.makeRoom()
    const { nextOrder, challenges } = this
    const { world, self, cookie } = this.options
    const { host } = connection.remote
    const greeting: Greeting = new Greeting(
      { world, self, cookie, challenges, nextOrder },
      {
        status: (peer) => {
          this.owner.greeted(peer.name, peer.creation)
          return this.status(peer.name)
        },
        conflict: () => false,
        established: (established) => {
          this.greetings.delete(greeting)
          return this.settle(established)
        },
        refused: (refused, reason, error) => {
          this.greetings.delete(refused)
          if (reason === 'bad_cookie') this.guesses.failed(host, world.clock.now())
          this.owner.refused(reason, error.message)
        },
      },
    )
    this.greetings.add(greeting)
    greeting.start(connection, this.guesses.delayMs(host, world.clock.now()))
    return greeting
  }

  /** A handshake takes a moment: who has been at it longest is the least likely to be a node. */
  private makeRoom(): void {
    const [eldest] = this.greetings
    let goes = eldest
    for (const greeting of this.greetings) {
      if (greeting.claimed !== undefined) continue
      goes = greeting
      break
    }
    if (!goes) return
    this.greetings.delete(goes)
    goes.abandon()
    const most = `${GREETINGS_MAX} connections at once have not shown who they are`
    this.owner.refused('crowded', `${most}; the one that took longest was closed`)
  }

  /** Of two that dial each other at once, the one with the greater name goes on. */
  private status(node: string): HandshakeStatus {
    if (this.closing || !isNodeName(node)) return 'not_allowed'
    if (this.peers.has(node)) return 'alive'
    if (!this.dials.get(node)?.greeting) return 'ok'
    return this.options.self.name > node ? 'nok' : 'ok_simultaneous'
  }

  private isGreeting(node: string): boolean {
    for (const greeting of this.greetings) if (greeting.claimed === node) return true
    return false
  }

  /** Decides what a newly proved connection is; answers who hears of it from now on. */
  private settle(established: Established): ConnectionHandlers {
    const old = this.peers.get(established.node)
    if (this.closing || (old && !this.supersedes(established, old))) {
      established.connection.end()
      return deaf
    }
    const peer = this.owner.make(established)
    this.peers.set(peer.node, peer)
    this.owner.connected(peer, old)
    return peer
  }

  /** Both ends come to the same answer, whichever connection each of them saw first. */
  private supersedes(established: Established, old: Peer): boolean {
    // Last words of an earlier start may arrive when the present one is connected already.
    if (established.creation !== old.creation) return established.order > old.order
    if (established.replaces) return true
    if (established.dialled === old.dialled) return true
    return established.dialled === this.options.self.name > established.node
  }
}
