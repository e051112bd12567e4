/**
 * One connected node: an outbox, an inbox and the life of the link between them. Everything that
 * arrives goes to the receiver in the order of the stream; bytes that are no valid frame close
 * this connection and nothing else. `closed` of the owner is called exactly once.
 */
import type { Clock } from '../base/clock.js'
import type { Connection, ConnectionHandlers } from '../base/transport.js'
import { ControlReader, type ControlReceiver } from '../distribution/control-reader.js'
import { ControlWriter, type Encoded } from '../distribution/control-writer.js'
import type { Flags } from '../distribution/flags.js'
import { Inbox, type ReadBudget } from '../distribution/inbox.js'
import { Link, type LinkTimes, type PeerKind } from '../distribution/link.js'
import { Outbox, type OutboxLimits } from '../distribution/outbox.js'
import type { Signal } from '../process/signal.js'
import type { Pid } from '../term/pid.js'
import type { Ref } from '../term/ref.js'
import type { Capability } from './capability.js'

export interface PeerOptions {
  connection: Connection
  node: string
  creation: number
  flags: Flags
  /** This node dialled. */
  dialled: boolean
  /** When its handshake began, among the others. */
  order: number
  self: string
  clock: Clock
  budget: ReadBudget
  times: LinkTimes
  outbox: OutboxLimits
  frameLimitBytes: number
  /** Called before bytes go out, with the time. It may drop this peer. */
  beforeFlush?: ((now: number) => void) | undefined
}

/** Why a link ended; `error` there is for the log. */
export type PeerEnd =
  | { why: 'closed' }
  | { why: 'silent' }
  | { why: 'bad frame' | 'overflow'; error: unknown }
  /** Closed by this node. */
  | { why: 'dropped' }

export interface PeerOwner extends ControlReceiver {
  /** Bytes arrived and are about to be served. False: they are not wanted any more. */
  awake(): boolean
  closed(end: PeerEnd): void
}

export class Peer implements ConnectionHandlers {
  readonly node: string
  readonly creation: number
  readonly dialled: boolean
  readonly order: number
  /** What it said of itself, if it is a Citadel node. */
  capability: Capability | undefined
  /** How many members this node knew when it told the peer last. */
  toldMembers = 0
  /** Until when it may show what it is. */
  introducedBy = 0
  private readonly link: Link
  private readonly outbox: Outbox
  private readonly inbox: Inbox
  private readonly reader: ControlReader
  private readonly writer: ControlWriter
  private readonly clock: Clock
  private readonly connection: Connection

  constructor(
    options: PeerOptions,
    private readonly owner: PeerOwner,
  ) {
    const { connection, clock, flags, frameLimitBytes } = options
    this.node = options.node
    this.creation = options.creation
    this.dialled = options.dialled
    this.order = options.order
    this.clock = clock
    this.connection = connection
    this.link = new Link(options.times, clock.now())
    const overflowed = (): void => this.overflowed()
    this.outbox = new Outbox(connection, clock, options.outbox, overflowed, options.beforeFlush)
    this.writer = new ControlWriter(this.outbox.writer, flags, frameLimitBytes)
    this.reader = new ControlReader(options.self, options, owner)
    this.inbox = new Inbox(
      connection,
      clock,
      options.budget,
      frameLimitBytes,
      (frame) => this.reader.read(frame),
      (error) => this.finish({ why: 'bad frame', error }),
    )
  }

  get kind(): PeerKind {
    return this.link.kind
  }

  set kind(kind: PeerKind) {
    this.link.kind = kind
  }

  get isUp(): boolean {
    return this.link.state === 'up'
  }

  /** When the last byte arrived. */
  get heardAt(): number {
    return this.link.heardAt
  }

  get remoteHost(): string {
    return this.connection.remote.host
  }

  /** What the frame takes that is being handled. */
  get frameBytes(): number {
    return this.reader.cost
  }

  get pendingBytes(): number {
    return this.outbox.pendingBytes
  }

  /** False: going down, or above the high mark. */
  get takesMessages(): boolean {
    return this.link.state === 'up' && !this.outbox.full
  }

  message(from: Pid, to: Pid, message: unknown): boolean {
    if (!this.takesMessages) return false
    this.writer.message(from, to, message)
    this.outbox.written()
    return true
  }

  named(from: Pid, name: string, message: unknown): boolean {
    if (!this.takesMessages) return false
    this.writer.named(from, name, message)
    this.outbox.written()
    return true
  }

  alias(from: Pid, ref: Ref, message: unknown): boolean {
    if (!this.isUp) return false
    this.writer.alias(from, ref, message)
    this.outbox.written()
    return true
  }

  /** Above the high mark too. */
  encoded(from: Pid, name: string, message: Encoded): boolean {
    if (!this.isUp) return false
    this.writer.encoded(from, name, message)
    this.outbox.written()
    return true
  }

  /** Above the high mark too. */
  signal(signal: Signal): boolean {
    if (!this.isUp) return false
    this.writer.signal(signal)
    this.outbox.written()
    return true
  }

  spawnRefused(request: Ref, to: Pid): void {
    if (!this.isUp) return
    this.writer.spawnRefused(request, to)
    this.outbox.written()
  }

  onceWritable(callback: () => void): () => void {
    return this.outbox.onceWritable(callback)
  }

  /** Once per round of the coarse clock. True: a sign of life is due. */
  check(now: number, doubting: boolean): boolean {
    const verdict = this.link.check(now, doubting)
    if (verdict === 'silent') this.finish({ why: 'silent' })
    return verdict === 'tick'
  }

  /** The sign of life is going out in another form. */
  ticked(now: number): void {
    this.link.sent(now)
  }

  tick(now: number): void {
    this.writer.tick()
    this.outbox.written()
    this.link.sent(now)
  }

  /** Sends what is queued, then closes; nothing more is taken in. */
  goDown(): void {
    if (!this.link.goDown()) return
    this.outbox.flush()
    this.inbox.close()
    this.connection.end()
  }

  /** Closes at once. */
  drop(): void {
    this.finish({ why: 'dropped' })
  }

  received(bytes: Uint8Array): void {
    if (this.link.state !== 'up' || !this.owner.awake()) return
    this.link.heard(this.clock.now())
    this.inbox.received(bytes)
  }

  drained(): void {
    this.outbox.drained()
  }

  closed(): void {
    this.finish({ why: 'closed' })
  }

  private overflowed(): void {
    const waiting = Math.round(this.outbox.pendingBytes / 1024)
    const error = new Error(`${waiting} KiB were waiting for it`)
    this.link.goDown()
    // Not at once: a sender is in the middle of its send.
    this.clock.soon(() => this.finish({ why: 'overflow', error }))
  }

  private finish(end: PeerEnd): void {
    if (!this.link.close()) return
    this.inbox.close()
    this.connection.destroy()
    this.owner.closed(end)
    this.outbox.close()
  }
}
