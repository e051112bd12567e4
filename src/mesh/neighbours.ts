/**
 * Who is around a node: the peers it is connected to and what it holds of all members. Introduces
 * itself to each peer, carries out the membership's effects, keeps the one coarse clock of all
 * links, redials what is lost. When a link is gone the sink hears of it first, then the listeners.
 */

import type { Timer } from '../base/clock.js'
import type { Cookie } from '../base/cookie.js'
import { CitadelError } from '../base/errors.js'
import { type Logger, silent } from '../base/log.js'
import type { Address, Listener } from '../base/transport.js'
import { TERM_VERSION } from '../distribution/control-op.js'
import type { Encoded } from '../distribution/control-writer.js'
import type { Established } from '../distribution/greeting.js'
import { ReadBudget } from '../distribution/inbox.js'
import type { Pid } from '../term/pid.js'
import { TermWriter } from '../term/term-writer.js'
import { believable } from './believable.js'
import { type Capability, LEAVING } from './capability.js'
import { type CitadelMessage, citadelTerm } from './citadel-message.js'
import { ConnectWaiters } from './connect-waiters.js'
import { Connections } from './connections.js'
import type { Dial, DialFailure } from './dial.js'
import { LinkLog } from './link-log.js'
import { type Member, Membership, type MembershipEvent } from './membership.js'
import type { MeshEvent } from './mesh-event.js'
import { type MeshOptions, type MeshSettings, meshSettings } from './mesh-options.js'
import { Peer, type PeerEnd } from './peer.js'
import { CITADEL, NET_KERNEL, PeerReceiver, pingTerm } from './peer-receiver.js'
import { SelfDoubt } from './self-doubt.js'

/** How long a dial by the peer, for which ours gave way, may take. */
const PEER_GAVE_WAY_MS = 2_000

export class Neighbours {
  /** Where this node listens, as URIs. */
  addresses: readonly string[] = []
  private readonly settings: MeshSettings
  private readonly log: Logger
  private readonly linkLog: LinkLog
  private readonly connections: Connections
  readonly membership: Membership
  private readonly doubt: SelfDoubt
  private readonly budget: ReadBudget
  private readonly waiters = new ConnectWaiters()
  private readonly listeners = new Set<(event: MeshEvent) => void>()
  private readonly scratch = new TermWriter()
  /** How many members have come up so far: tells whether a peer was told of all. */
  private upCount = 0
  private timer: Timer | undefined
  private tickedAt = Number.NEGATIVE_INFINITY
  private state: 'new' | 'running' | 'stopped' = 'new'

  constructor(
    private readonly options: MeshOptions & { readonly cookie: Cookie },
    /** The sender of what the mesh itself sends. */
    private readonly system: Pid,
  ) {
    const { world, cookie, epmd } = options
    this.settings = meshSettings(options)
    this.log = options.log ?? silent
    this.linkLog = new LinkLog(this.log, world.clock)
    this.budget = new ReadBudget(world.clock)
    const { times, membership } = this.settings
    this.doubt = new SelfDoubt(times.citadelSilentMs, times.citadelTickMs, world.clock.now())
    const chance = () => world.random.float()
    this.membership = new Membership(system.node, membership, chance, options.buriers)
    const self = { name: system.node, creation: system.creation }
    const lookup = (node: string) => epmd.lookup(node)
    this.connections = new Connections(
      { world, self, cookie, lookup },
      {
        make: (established) => this.makePeer(established),
        connected: (peer, old) => this.peerConnected(peer, old),
        dialFailed: (dial, failure) => this.dialFailed(dial, failure),
        greeted: (node, creation) => {
          if (this.membership.get(node)?.creation !== creation) return
          this.step({ type: 'lives', node, creation })
        },
        refused: (reason, message) => this.linkLog.refused(reason, message),
      },
    )
  }

  listen(at: Address): Promise<Listener> {
    return this.connections.listen(at)
  }

  start(): void {
    this.state = 'running'
    this.doubt.notice(this.clock.now())
    this.armTimer()
  }

  /** Says goodbye, and waits a bounded time until the peers have taken it. */
  async stop(): Promise<void> {
    this.state = 'stopped'
    this.timer?.cancel()
    this.connections.close()
    this.waiters.stop()
    const peers = [...this.connections.peers.values()]
    this.broadcast({ type: 'goodbye' })
    for (const peer of peers) {
      peer.goDown()
      this.options.sink.disconnected(peer.node)
    }
    const until = this.clock.now() + this.settings.times.stopMs
    while (this.connections.peers.size > 0 && this.clock.now() < until) await this.pause(5)
    for (const peer of peers) peer.drop()
  }

  onEvent(listener: (event: MeshEvent) => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  peer(node: string): Peer | undefined {
    return this.connections.peers.get(node)
  }

  peers(): IterableIterator<Peer> {
    return this.connections.peers.values()
  }

  /** The Citadel nodes that are up or unreachable. */
  members(): Member[] {
    return [...this.membership.members()]
  }

  /**
   * True when connected; for a Citadel peer, when its capability has arrived. `hints` are addresses
   * to try before EPMD; what is known of a member counts more.
   */
  async connect(node: string, hints: readonly string[] = []): Promise<boolean> {
    if (this.state !== 'running') return false
    this.connections.abandonProbe(node)
    this.step({ type: 'connect', node })
    if (this.isReady(node)) return true
    const connected = this.waiters.wait(node)
    this.dialWithEpmd(node, hints)
    return connected
  }

  /** Why the last `connect` to that node answered false. */
  lastConnectError(node: string): CitadelError | undefined {
    return this.waiters.errorOf(node)
  }

  /** Closes the link and does not redial until `connect`. Never death. False: was not connected. */
  disconnect(node: string): boolean {
    this.step({ type: 'disconnect', node })
    this.connections.abandonDial(node)
    const peer = this.connections.peers.get(node)
    const error = new CitadelError('aborted', `${node} was disconnected meanwhile`)
    if (this.waiters.has(node)) this.waiters.failed(node, error)
    if (!peer) return false
    if (peer.kind === 'citadel') this.tell(peer, { type: 'disconnect' })
    peer.goDown()
    this.peerGone(peer, { why: 'dropped' })
    return true
  }

  /** Tells all members the capability again: the modules or the weight have changed. */
  announce(): void {
    this.broadcast({ type: 'capability', capability: this.capability() })
  }

  /** Announces that this node is about to stop: its opinion about others counts no more. */
  leaving(): void {
    if (this.isLeaving(this.system.node)) return
    this.step({ type: 'leaving' })
    this.announce()
  }

  isLeaving(node: string): boolean {
    return this.membership.isLeaving(node)
  }

  /**
   * For whoever runs processes: called before a batch of work. After a gap longer than the silent
   * limit the links to Citadel nodes are cut first, because those nodes may have given this one up.
   */
  noticeTime(): void {
    const now = this.clock.now()
    this.options.beforeTraffic?.(now)
    if (this.state === 'running' && this.doubt.notice(now)) this.wake(now)
  }

  /** A message once encoded, for `sendEncoded` to many nodes. */
  encode(message: unknown): Encoded {
    this.scratch.rewind(0)
    this.scratch.u8(TERM_VERSION)
    this.scratch.term(message)
    return { bytes: this.scratch.take() }
  }

  // Peers come.

  private makePeer(established: Established): Peer {
    const { clock } = this.options.world
    const { times, outbox, frameLimitBytes } = this.settings
    const receiver = new PeerReceiver(this.system, this.options.sink, {
      awake: () => this.noticeTime(),
      citadelMessage: (from, message) => this.citadelMessage(from, message),
      pingAnswered: (from) => this.pingAnswered(from),
      closed: (from, end) => this.peerGone(from, end),
    })
    const rest = {
      self: this.system.node,
      clock,
      budget: this.budget,
      times,
      outbox,
      frameLimitBytes,
      beforeFlush: this.options.beforeTraffic,
    }
    const peer = new Peer({ ...established, ...rest }, receiver)
    receiver.peer = peer
    return peer
  }

  private peerConnected(peer: Peer, old: Peer | undefined): void {
    if (old) {
      this.lost(old, old.heardAt)
      old.drop()
    }
    this.step({ type: 'answered', node: peer.node, creation: peer.creation })
    peer.introducedBy = this.clock.now() + this.settings.times.introductionMs
    this.tell(peer, { type: 'capability', capability: this.capability() })
    peer.toldMembers = this.upCount
    peer.named(this.system, NET_KERNEL, pingTerm(this.system))
  }

  private citadelMessage(peer: Peer, message: CitadelMessage): void {
    if (message.type === 'capability') this.introduced(peer, message.capability)
    else if (peer.kind !== 'citadel') return
    else if (message.type === 'status') {
      this.step({ type: 'status', node: peer.node, opinion: message.opinion })
    } else if (message.type === 'goodbye') {
      this.forget(peer)
      this.step({ type: 'goodbye', node: peer.node })
    } else {
      this.step({ type: 'disconnect', node: peer.node })
      this.peerGone(peer, { why: 'dropped' })
      peer.drop()
    }
  }

  private introduced(peer: Peer, offered: Capability): void {
    const { node, creation } = peer
    const capability = believable(offered, node, peer.remoteHost)
    const first = peer.kind !== 'citadel'
    const refusal = first ? this.options.refusal?.(node, capability) : undefined
    if (refusal !== undefined) return this.refuse(peer, refusal)
    if (peer.kind === 'beam') this.emit({ type: 'beamDown', node })
    peer.kind = 'citadel'
    peer.capability = capability
    if (first) {
      if (peer.toldMembers !== this.upCount) {
        this.tell(peer, { type: 'capability', capability: this.capability() })
      }
      this.upCount++
    }
    this.step({ type: 'capability', node, creation, capability })
    if (first) this.waiters.connected(node)
  }

  /** It was never a member: there is no end of it to be told, and nobody dials it again by himself. */
  private refuse(peer: Peer, why: string): void {
    const { node } = peer
    this.linkLog.turnedAway(why)
    if (this.waiters.has(node)) this.waiters.failed(node, new CitadelError('unavailable', why))
    this.tell(peer, { type: 'disconnect' })
    peer.goDown()
    this.connections.peers.delete(node)
    this.options.sink.disconnected(node)
    this.step({ type: 'refuse', node })
  }

  /** A Citadel node has shown its capability before it answers anything. One may be slow, though. */
  private pingAnswered(peer: Peer): void {
    const isMember = this.membership.get(peer.node)?.creation === peer.creation
    if (peer.kind !== 'unknown' || isMember) return
    peer.kind = 'beam'
    this.step({ type: 'beam', node: peer.node })
    this.emit({ type: 'beamUp', node: peer.node })
    this.waiters.connected(peer.node)
  }

  // Peers go.

  private peerGone(peer: Peer, end: PeerEnd): void {
    if (this.connections.peers.get(peer.node) !== peer) return
    this.connections.peers.delete(peer.node)
    if (this.state === 'stopped') return
    this.linkLog.ended(peer.node, end)
    this.lost(peer, peer.heardAt)
    this.answerWaiters(peer)
  }

  /** Who waits for a node whose link has just ended: it was no use, or it was an older link. */
  private answerWaiters({ node, kind }: Peer): void {
    if (!this.waiters.has(node)) return
    const error = new CitadelError('noconnection', `${node} closed the connection at once`)
    if (kind === 'unknown') this.waiters.failed(node, error)
    else this.dialWithEpmd(node)
  }

  private lost(peer: Peer, heardAt: number): void {
    this.options.sink.disconnected(peer.node)
    if (peer.kind === 'beam') this.emit({ type: 'beamDown', node: peer.node })
    else this.step({ type: 'down', node: peer.node, heardAt })
  }

  /** The link ends, and nobody will ask for its other end again. */
  private forget(peer: Peer): void {
    this.connections.peers.delete(peer.node)
    this.options.sink.disconnected(peer.node)
    peer.drop()
  }

  private dialFailed(dial: Dial, { reason, gone, error }: DialFailure): void {
    const { node } = dial
    // Where an earlier start of it listened says nothing of the present one.
    const addresses = this.membership.get(node)?.addresses ?? []
    const refused = gone && addresses.join() === dial.options.addresses.join()
    this.step({ type: 'dialFailed', node, refused })
    if (!this.waiters.has(node)) {
      this.log.debug(`${node} could not be dialled: ${error.message}`)
    } else if (reason === 'simultaneous' || reason === 'already_connected') {
      this.waiters.giveWay(node, error, this.clock.now() + PEER_GAVE_WAY_MS)
    } else if (!dial.options.lookup) {
      this.dialWithEpmd(node)
    } else {
      this.linkLog.dialFailed(error, this.waiters.errorOf(node))
      this.waiters.failed(node, error)
    }
  }

  private dialWithEpmd(node: string, hints: readonly string[] = []): void {
    // A hint that refuses says nothing about a member, so a member is never dialled by hints.
    const addresses = this.membership.get(node)?.addresses ?? hints
    this.connections.dial(node, addresses, this.settings.times.dialTimeoutMs, true)
  }

  // Time.

  private armTimer(): void {
    this.timer = this.clock.after(this.settings.times.checkMs, () => {
      this.armTimer()
      this.tick()
    })
  }

  private tick(): void {
    this.noticeTime()
    const now = this.clock.now()
    const doubting = this.doubt.doubting(now)
    // After a pause of this node's own, an introduction may wait unread in a socket.
    if (now - this.tickedAt <= 2 * this.settings.times.checkMs) this.judgeUnknown(now)
    this.tickedAt = now
    // Before links are given up: a round counts for those that were lost before it.
    this.step({ type: 'tick', doubting })
    this.checkLinks(now, doubting)
    this.waiters.tick(now, (node) => this.connections.isPending(node))
  }

  private judgeUnknown(now: number): void {
    for (const peer of this.connections.peers.values()) {
      if (peer.kind === 'unknown' && now >= peer.introducedBy) this.pingAnswered(peer)
    }
  }

  private checkLinks(now: number, doubting: boolean): void {
    let status: Encoded | undefined
    for (const peer of this.connections.peers.values()) {
      if (!peer.check(now, doubting)) continue
      if (peer.kind !== 'citadel') {
        peer.tick(now)
        continue
      }
      status ??= this.encodedStatus(now)
      peer.encoded(this.system, CITADEL, status)
      peer.ticked(now)
    }
  }

  private encodedStatus(now: number): Encoded {
    const message: CitadelMessage = { type: 'status', opinion: this.membership.opinion(now) }
    return this.encode(citadelTerm(message))
  }

  private wake(now: number): void {
    this.step({ type: 'woke' })
    for (const peer of [...this.connections.peers.values()]) {
      if (peer.kind !== 'beam') this.cut(peer, now)
    }
    this.log.warn('this node was away for longer than the silent limit: it connects anew')
  }

  /** Cuts the links whose last words the network has not taken, so that they never arrive. */
  cutPending(): void {
    const now = this.clock.now()
    for (const peer of [...this.connections.peers.values()]) {
      if (peer.pendingBytes === 0) continue
      if (this.state === 'running') this.cut(peer, now)
      else peer.drop()
    }
  }

  private cut(peer: Peer, now: number): void {
    this.connections.peers.delete(peer.node)
    this.lost(peer, now)
    peer.drop()
    this.answerWaiters(peer)
  }

  // The membership's effects.

  private step(event: MembershipEvent): void {
    const now = this.clock.now()
    let tellStatus = false
    for (const effect of this.membership.step(event, now)) {
      if (effect.type === 'emit') this.emit(effect.event)
      else if (effect.type === 'tellStatus') tellStatus = true
      else if (effect.type === 'dial') this.redial(effect.node, effect.addresses)
      else this.probe(effect.node, effect.addresses)
    }
    if (!tellStatus || this.state !== 'running') return
    const status = this.encodedStatus(now)
    this.eachCitadel((peer) => peer.encoded(this.system, CITADEL, status))
  }

  private redial(node: string, addresses: readonly string[]): void {
    const { redialTimeoutMs } = this.settings.times
    this.connections.dial(node, addresses, redialTimeoutMs, addresses.length === 0)
  }

  private probe(node: string, addresses: readonly string[]): void {
    this.connections.probe(node, addresses, this.settings.times.redialTimeoutMs, (answer) => {
      if (answer.type === 'alive') this.step({ type: 'lives', node, creation: answer.creation })
      else this.step({ type: 'dialFailed', node, refused: answer.type === 'refused' })
    })
  }

  private emit(event: MeshEvent): void {
    for (const listener of this.listeners) {
      try {
        listener(event)
      } catch (error) {
        this.log.error(`a listener failed at ${event.type} of ${event.node}`, error)
      }
    }
  }

  // Words to peers.

  private capability(): Capability {
    const members = this.members().map(({ node, creation, addresses }) => ({
      node,
      creation,
      addresses,
    }))
    const offer = this.options.capability()
    const leaving = this.isLeaving(this.system.node) ? [LEAVING] : []
    const features = [...offer.features, ...leaving]
    return { ...offer, features, addresses: this.addresses, members }
  }

  private tell(peer: Peer, message: CitadelMessage): void {
    peer.encoded(this.system, CITADEL, this.encode(citadelTerm(message)))
  }

  private broadcast(message: CitadelMessage): void {
    const encoded = this.encode(citadelTerm(message))
    this.eachCitadel((peer) => peer.encoded(this.system, CITADEL, encoded))
  }

  private eachCitadel(act: (peer: Peer) => void): void {
    for (const peer of this.connections.peers.values()) if (peer.kind === 'citadel') act(peer)
  }

  private pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(delayMs, resolve))
  }

  private isReady(node: string): boolean {
    const peer = this.connections.peers.get(node)
    return peer !== undefined && isReady(peer)
  }

  private get clock() {
    return this.options.world.clock
  }
}

/** It is up and has shown what it is. */
export const isReady = (peer: Peer): boolean => peer.isUp && peer.kind !== 'unknown'
