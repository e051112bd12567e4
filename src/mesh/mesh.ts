/**
 * The mesh: a node's links to all other nodes. As a Router it carries signals to remote processes;
 * it tells who is up, unreachable or dead (`neighbours.ts`, `membership.ts`); for the cluster layer
 * it sends what is encoded once to many. Design: `docs/architecture.md`, "The mesh".
 */
import { Cookie } from '../base/cookie.js'
import type { CitadelError } from '../base/errors.js'
import { parseNodeName } from '../base/node-name.js'
import type { Listener } from '../base/transport.js'
import type { Encoded } from '../distribution/control-writer.js'
import type { EpmdLease } from '../epmd/epmd.js'
import type { Router } from '../kernel/router.js'
import type { Signal, Target } from '../process/signal.js'
import { Pid } from '../term/pid.js'
import type { Ref } from '../term/ref.js'
import { addressUri } from './address.js'
import type { Capability } from './capability.js'
import type { Member } from './membership.js'
import type { MeshEvent } from './mesh-event.js'
import type { MeshOptions } from './mesh-options.js'
import { isReady, Neighbours } from './neighbours.js'

/** A node this one knows: connected, or a member that is unreachable. */
export interface PeerInfo {
  readonly node: string
  readonly creation: number
  readonly kind: 'citadel' | 'beam'
  readonly status: 'connected' | 'unreachable'
  readonly capability: Capability | undefined
}

export class Mesh implements Router {
  readonly name: string
  readonly creation: number
  private readonly options: MeshOptions & { readonly cookie: Cookie }
  private readonly neighbours: Neighbours
  private readonly system: Pid
  private listener: Listener | undefined
  private lease: EpmdLease | undefined
  private running = false

  constructor(given: MeshOptions) {
    const options = { ...given, cookie: Cookie.of(given.cookie) }
    this.options = options
    const { random } = options.world
    this.name = parseNodeName(options.name).full
    this.creation = options.creation ?? chooseCreation(random.uint32())
    this.system = new Pid(this.name, 0, 0, this.creation)
    this.neighbours = new Neighbours(options, this.system)
  }

  /** Listens and registers with EPMD. Rejects `name_taken` when the name is in use. */
  async start(): Promise<void> {
    const { name, host } = parseNodeName(this.name)
    const at = this.options.listen ?? { host: '127.0.0.1', port: 0 }
    this.listener = await this.neighbours.listen(at)
    const { port } = this.listener.address
    const everywhere = at.host === '0.0.0.0' || at.host === '::' || at.host === ''
    this.neighbours.addresses = [addressUri({ host: everywhere ? host : at.host, port })]
    try {
      this.lease = await this.options.epmd.register({ name, port, hidden: true })
    } catch (error) {
      await this.listener.close()
      throw error
    }
    this.running = true
    this.neighbours.start()
  }

  /** Says goodbye to all members, closes, gives the name back. */
  async stop(): Promise<void> {
    if (!this.running) return
    this.running = false
    this.lease?.close()
    await this.listener?.close()
    await this.neighbours.stop()
  }

  onEvent(listener: (event: MeshEvent) => void): () => void {
    return this.neighbours.onEvent(listener)
  }

  /** Where this node listens, as URIs. */
  get addresses(): readonly string[] {
    return this.neighbours.addresses
  }

  // The nodes.

  /** True when connected; for a Citadel peer, when its capability has arrived. */
  async connect(node: string, hints?: readonly string[]): Promise<boolean> {
    parseNodeName(node)
    return node === this.name || this.neighbours.connect(node, hints)
  }

  /** Why the last `connect` to that node answered false. */
  lastConnectError(node: string): CitadelError | undefined {
    return this.neighbours.lastConnectError(node)
  }

  /** Closes the link and does not redial until `connect`. Never death. False: was not connected. */
  disconnect(node: string): boolean {
    return this.neighbours.disconnect(node)
  }

  /** The connected nodes, Citadel or not. */
  nodes(): string[] {
    const nodes: string[] = []
    for (const peer of this.neighbours.peers()) if (isReady(peer)) nodes.push(peer.node)
    return nodes
  }

  *peers(): IterableIterator<PeerInfo> {
    for (const { node, creation, kind, capability } of this.neighbours.peers()) {
      if (kind !== 'unknown') yield { node, creation, kind, status: 'connected', capability }
    }
    for (const { node, creation, status, capability } of this.neighbours.members()) {
      if (status === 'unreachable') yield { node, creation, kind: 'citadel', status, capability }
    }
  }

  /** The Citadel nodes that are up or unreachable, this one not included. */
  members(): Readonly<Member>[] {
    return this.neighbours.members()
  }

  /** A node that a member has named is being dialled for the first time. */
  get isCompleting(): boolean {
    return this.neighbours.membership.isCompleting
  }

  // Router.

  kind(node: string): 'citadel' | 'beam' | undefined {
    const peer = this.neighbours.peer(node)
    if (!peer?.isUp) return undefined
    return peer.kind === 'citadel' ? 'citadel' : 'beam'
  }

  send(from: Pid, to: Target, message: unknown): boolean {
    const peer = this.neighbours.peer(to.node)
    if (peer === undefined) return false
    return to instanceof Pid ? peer.message(from, to, message) : peer.named(from, to.name, message)
  }

  sendToAlias(from: Pid, ref: Ref, message: unknown): boolean {
    return this.neighbours.peer(ref.node)?.alias(from, ref, message) ?? false
  }

  signal(node: string, signal: Signal): boolean {
    return this.neighbours.peer(node)?.signal(signal) ?? false
  }

  pass(node: string, endpoint: string, message: unknown): boolean {
    return this.sendEncoded(node, endpoint, this.encode(message))
  }

  onceWritable(node: string, callback: () => void): () => void {
    const peer = this.neighbours.peer(node)
    if (peer) return peer.onceWritable(callback)
    let wanted = true
    this.options.world.clock.soon(() => {
      if (wanted) callback()
    })
    return () => {
      wanted = false
    }
  }

  // For the cluster layer.

  /** A message once encoded, for `sendEncoded` to many nodes. */
  encode(message: unknown): Encoded {
    return this.neighbours.encode(message)
  }

  /** Whether it is connected and takes messages at the moment: its link is below the high mark. */
  takesMessages(node: string): boolean {
    return this.neighbours.peer(node)?.takesMessages ?? false
  }

  /** Whether it is connected and has told that feature. */
  offers(node: string, feature: string): boolean {
    const peer = this.neighbours.peer(node)
    return peer?.isUp === true && peer.capability?.features.includes(feature) === true
  }

  /** Which start of it is connected. */
  creationOf(node: string): number | undefined {
    return this.neighbours.peer(node)?.creation
  }

  /** To a name of that node, above the high mark too. False: not connected. */
  sendEncoded(node: string, name: string, encoded: Encoded): boolean {
    return this.neighbours.peer(node)?.encoded(this.system, name, encoded) ?? false
  }

  /** Bytes on their way to that node which the network did not take yet. */
  pendingBytes(node: string): number {
    return this.neighbours.peer(node)?.pendingBytes ?? 0
  }

  /** Cuts the links with bytes that the network did not take yet: they are not to arrive any more. */
  cutPending(): void {
    this.neighbours.cutPending()
  }

  /** Tells all members the capability again: the modules or the weight have changed. */
  announce(): void {
    this.neighbours.announce()
  }

  /**
   * Tells all members that this node is about to stop. From then on it holds nobody for dead
   * because of silence, and no member waits for its agreement that somebody is.
   */
  leaving(): void {
    this.neighbours.leaving()
  }

  /** This node, or a member, has said that it is about to stop. */
  isLeaving(node: string): boolean {
    return this.neighbours.isLeaving(node)
  }

  /**
   * For whoever runs processes: called before a batch of work. After a gap longer than the silent
   * limit the links to Citadel nodes are cut first, because those nodes may have given this one up.
   */
  noticeTime(): void {
    this.neighbours.noticeTime()
  }
}

/** 0 to 3 mean something else to old nodes. */
const chooseCreation = (chance: number): number => Math.max(4, chance)
