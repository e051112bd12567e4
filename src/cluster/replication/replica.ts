/**
 * The replica machine: one scope on one node. Own updates go out as a numbered stream, the streams
 * of the other members come in, gaps heal by updates from the log or by an exact snapshot. Pure:
 * inputs are method calls, outputs collect in `outgoing`, long work is done in slices by `work`.
 * Rule for rows with an owner: only an origin writes its rows, and absence from its snapshot deletes
 * them at the commit. Rule for shared rows, which outlive their writer: streams bring them quickly,
 * and whoever sees by the heads that a member's table differs has that member send what it has.
 */
import { CitadelError } from '../../base/errors.js'
import { deletedId, isDeletion, removalReason } from './deletion.js'
import { InStream } from './in-stream.js'
import { Members, type Silence } from './members.js'
import type { Row } from './origin.js'
import { Origin } from './origin.js'
import { OutStream } from './out-stream.js'
import type { ReplicaMessage } from './replica-message.js'
import type { RowBytes } from './row-bytes.js'
import type { Digests, Op, OwnedTable, Put, SharedTable } from './table.js'
import { checkRow, isOp } from './wire-check.js'

export interface Outgoing {
  /** A node, or undefined for every member that is up. */
  readonly to: string | undefined
  readonly message: ReplicaMessage
}

export interface ReplicaOptions {
  scope: string
  table: OwnedTable | SharedTable
  own: Origin
  now: () => number
  /** Updates kept for peers that missed some. */
  logMax?: number | undefined
  /** What the rows of a node take, in all scopes. */
  bytesOf?: ((node: string) => RowBytes) | undefined
  /** The members that are connected, for all scopes. */
  members?: Members | undefined
  /** A row of a node was left out, and why. */
  skipped?: ((node: string, why: unknown) => void) | undefined
}

interface Cursor {
  readonly snapshot: number
  readonly puts: Iterator<Put>
  /** Known when the first chunk is made: every later update reaches the receiver after it. */
  seq: number
  index: number
}

/** A repair that was asked for is asked for again after this long, on the same connection. */
const ASK_AGAIN_MS = 2_000
/** A snapshot of which nothing came for this long is asked for anew. */
const SNAPSHOT_STALLED_MS = 10_000
/** A difference in ended rows alone may be one of when they are forgotten: it is looked at this often. */
const COMPARE_ALL_MS = 10_000
/** So many rows of a shared table that differs are sent without a second look. */
const ROWS_AT_ONCE = 500
/** The digests of a table whose rows have an owner. */
const OWNED: Digests = { living: 0, all: 0 }
const CHUNK_BYTES = 48 * 1024
/** Rows of one origin in one scope. */
const ROWS_MAX = 2_000_000
/** Updates in one message. */
const BATCH_MAX = 500

export class Replica {
  readonly scope: string
  readonly table: OwnedTable | SharedTable
  readonly out: OutStream
  readonly outgoing: Outgoing[] = []
  private readonly ins = new Map<string, InStream>()
  private readonly cursors = new Map<string, Cursor>()
  /** Rows on their way to members whose table differs. */
  private readonly offers = new Map<string, Iterator<Put>>()
  /** The digests of members whose table differs when they last told, and those of this one then. */
  private readonly differences = new Map<string, { theirs: readonly number[]; mine: number[] }>()
  /** Removals in progress: the rows of dead origins, and what a snapshot did not contain. */
  private readonly removals: { rows: Iterator<Row>; origin: Origin; mark: number | undefined }[] =
    []
  private readonly members: Members
  /** How many heads had come when this was made. */
  private readonly bornAt: number
  private snapshots = 0
  private ackWanted = false
  private bytesPerRow = 160

  constructor(private readonly options: ReplicaOptions) {
    this.scope = options.scope
    this.table = options.table
    this.out = new OutStream(options.logMax ?? 20_000)
    this.members = options.members ?? new Members()
    this.bornAt = this.members.rounds
  }

  // --- own rows

  /** The own table has changed by `op`; it goes out with the next flush. */
  wrote(op: Op): void {
    this.out.append(op)
  }

  /** Broadcasts what was written since the last flush. */
  flush(): void {
    const batch = this.out.takeUnsent()
    if (!batch) return
    this.pushUpdates(undefined, batch.first, batch.ops, this.ackWanted)
    this.ackWanted = false
  }

  /** Has members acknowledge what was written last; answers its number. */
  wantAck(): number {
    this.ackWanted = true
    const { seq } = this.out
    const sent = this.out.unsentCount === 0 ? this.out.since(seq) : undefined
    if (sent && sent.length > 0) {
      this.ackWanted = false
      this.outgoing.push({ to: undefined, message: ['u', this.scope, seq, sent, true] })
    }
    return seq
  }

  // --- members

  memberUp(node: string, creation: number): void {
    const known = this.ins.get(node)
    if (known && known.origin.creation !== creation) this.memberDead(node, known.origin.creation)
    else known?.interrupted()
    this.members.connected(node, creation, this.options.now())
    this.dropSending(node)
  }

  /** What comes of a member is followed from its first word about this scope on. */
  private stream(
    node: string,
    silenceOf: (members: Members) => Silence = (members) => members.silence(node),
  ): InStream | undefined {
    const known = this.ins.get(node)
    const creation = this.members.creationOf(node)
    if (known || creation === undefined) return known
    const stream = new InStream(new Origin(node, creation, this.options.bytesOf?.(node)))
    const { round, currentAt } = silenceOf(this.members)
    if (round > this.bornAt) {
      // Until now it had nothing here.
      stream.exact = true
      stream.completeAt = currentAt
    }
    this.ins.set(node, stream)
    return stream
  }

  memberDown(node: string): void {
    this.members.lost(node)
    this.dropSending(node)
    this.ins.get(node)?.interrupted()
  }

  memberDead(node: string, creation: number): void {
    const stream = this.ins.get(node)
    if (!stream || stream.origin.creation !== creation) return
    this.memberDown(node)
    this.ins.delete(node)
    if (!this.table.owned) return
    const { origin } = stream
    origin.die()
    this.removals.push({ rows: origin.rows.present(), origin, mark: undefined })
  }

  origin(node: string): Origin | undefined {
    return node === this.options.own.node ? this.options.own : this.ins.get(node)?.origin
  }

  /** How far this node has applied `node`'s stream. */
  applied(node: string): number {
    const stream = this.ins.get(node)
    return stream?.exact ? stream.applied : 0
  }

  /**
   * Since when, at the earliest, `node` has a row that comes now; undefined: that cannot be known, as
   * what it had when it was met is still to come.
   */
  hasSince(node: string): number | undefined {
    const now = this.options.now()
    return node === this.options.own.node ? now : this.ins.get(node)?.hasSince(now)
  }

  /** Whether everything that `node` had written at its last heads is here. */
  caughtUp(node: string): boolean {
    const stream = this.ins.get(node)
    // One that has sent heads since this is here, and has not named it, has nothing in it.
    return stream ? !stream.behind : this.members.roundOf(node) > this.bornAt
  }

  // --- messages

  /** What this node's heads say of the table as a whole. */
  get digests(): Digests {
    return this.table.owned ? OWNED : this.table.digests
  }

  /** A member's heads: `seq` is the last update it has written, `digests` are those of its table. */
  head(node: string, seq: number, digests: Digests): void {
    const stream = this.stream(node, (members) => members.silenceBefore(node))
    if (!stream) return
    const now = this.options.now()
    stream.head = Math.max(stream.head, seq)
    // Nothing written means nothing to send, unless it keeps rows of others too.
    if (seq === 0 && this.table.owned) stream.exact = true
    this.heard(stream, now)
    if (stream.behind) this.ask(stream)
    else if (!this.table.owned) this.compare(stream, this.table, digests)
  }

  /** Asks a member for what is missing here now, rather than after its next heads. */
  catchUp(node: string): void {
    if (this.caughtUp(node)) return
    const stream = this.stream(node)
    if (stream) this.ask(stream)
  }

  /** A member's heads do not name this scope: it has no rows in it. */
  absent(node: string): void {
    const stream = this.ins.get(node)
    if (stream?.applied !== 0 || stream.snapshot !== 0) return
    stream.exact = true
    this.heard(stream, this.options.now())
  }

  private heard(stream: InStream, now: number): void {
    if (this.members.areCurrent(stream.origin.node, now)) stream.heard(now)
  }

  updates(node: string, first: number, ops: readonly Op[], wantAck: boolean): void {
    const stream = this.stream(node)
    if (!stream) return
    const known = stream.known(first)
    const last = first + ops.length - 1
    stream.head = Math.max(stream.head, last)
    if (wantAck) stream.wantAck(last)
    if (known === undefined) return this.ask(stream)
    for (let i = known; i < ops.length; i++) this.apply(stream, ops[i]!)
    stream.advance(Math.max(0, ops.length - known))
    this.heard(stream, this.options.now())
    this.acknowledge(node, stream)
  }

  /** Tells a member that what it waits for is here, be it by its update or by a repair after that. */
  private acknowledge(node: string, stream: InStream): void {
    if (!stream.takeAckDue()) return
    this.outgoing.push({ to: node, message: ['a', this.scope, stream.applied] })
  }

  need(node: string, first: number): void {
    if (!this.members.has(node)) return
    this.flush()
    const ops = first > 0 ? this.out.since(first) : undefined
    if (ops) {
      this.pushUpdates(node, first, ops, false)
    } else if (!this.cursors.has(node)) {
      const puts = this.table.snapshot()[Symbol.iterator]()
      this.cursors.set(node, { snapshot: ++this.snapshots, puts, seq: 0, index: 0 })
    }
  }

  chunk(node: string, snapshot: number, index: number, seq: number, puts: readonly Put[]): void {
    const stream = this.stream(node)
    if (!stream?.admitChunk(snapshot, index, seq)) return
    stream.askedAt = this.options.now()
    for (const put of puts) this.apply(stream, put)
  }

  commit(node: string, snapshot: number, seq: number): void {
    const stream = this.stream(node)
    if (!stream || stream.snapshot !== snapshot) return
    if (!stream.admitCommit(snapshot, seq)) {
      stream.restart()
      return this.ask(stream)
    }
    stream.committed()
    this.heard(stream, this.options.now())
    const { origin } = stream
    if (this.table.owned) {
      this.removals.push({ rows: origin.rows.present(), origin, mark: snapshot })
    }
    this.acknowledge(node, stream)
    if (stream.behind) this.ask(stream)
  }

  /**
   * The digests of a member whose table differs. It gets the rows of the parts that differ; if these
   * are many, only of those parts that are on both sides what they were the last time: while many
   * rows are on their way, most parts differ for a moment.
   */
  differs(node: string, theirs: readonly number[]): void {
    if (this.table.owned || !this.members.has(node) || this.offers.has(node)) return
    const mine = this.table.partDigests()
    const before = this.differences.get(node)
    this.differences.set(node, { theirs, mine })
    let wanted = theirs
    if (hasMore(this.table.rowsWhereOther(theirs), ROWS_AT_ONCE)) {
      const isStill = (digest: number, at: number): boolean =>
        digest === before?.theirs[at] && mine[at] === before.mine[at]
      wanted = theirs.map((digest, at) => (isStill(digest, at) ? digest : mine[at]!))
    }
    this.offers.set(node, this.table.rowsWhereOther(wanted)[Symbol.iterator]())
  }

  offered(node: string, puts: readonly Put[]): void {
    const stream = this.stream(node)
    if (this.table.owned || !stream) return
    let skipped = 0
    for (const put of puts) if (!this.apply(stream, put)) skipped++
    stream.compared(skipped > 0)
  }

  // --- long work, in slices

  get busy(): boolean {
    return this.removals.length > 0 || this.cursors.size > 0 || this.offers.size > 0
  }

  /** Removes rows of dead origins and what snapshots lacked, until done or `until` has passed. */
  removeSome(until: number): void {
    let count = 0
    for (let removal = this.removals[0]; removal; removal = this.removals[0]) {
      const next = removal.rows.next()
      if (next.done) {
        this.removals.shift()
        if (removal.mark === undefined) removal.origin.rows.clear()
      } else if (removal.mark === undefined || next.value.mark < removal.mark) {
        // Why a row went that a snapshot lacks, its node has not said.
        const reason = removal.mark === undefined ? 'node_down' : 'normal'
        this.table.delete(removal.origin, next.value.id, reason)
      }
      if (++count % 64 === 0 && this.options.now() >= until) return
    }
  }

  /** The members that rows are being sent to, in chunks. */
  receivers(): string[] {
    return [...new Set([...this.cursors.keys(), ...this.offers.keys()])]
  }

  /** The next part of what is being sent to `node`. */
  nextChunk(node: string): ReplicaMessage | undefined {
    const cursor = this.cursors.get(node)
    return cursor ? this.nextOfSnapshot(node, cursor) : this.nextOfOffer(node)
  }

  private nextOfSnapshot(node: string, cursor: Cursor): ReplicaMessage {
    if (cursor.index === 0) {
      this.flush()
      cursor.seq = this.out.seq
    }
    const puts = this.take(cursor.puts)
    if (puts.length > 0 || cursor.index === 0) {
      return ['s', this.scope, cursor.snapshot, cursor.index++, cursor.seq, puts]
    }
    this.cursors.delete(node)
    this.flush()
    return ['c', this.scope, cursor.snapshot, this.out.seq]
  }

  private nextOfOffer(node: string): ReplicaMessage | undefined {
    const offer = this.offers.get(node)
    const puts = offer ? this.take(offer) : []
    if (puts.length > 0) return ['o', this.scope, puts]
    this.offers.delete(node)
    return undefined
  }

  /** As many of the next rows as go into one message. */
  private take(rows: Iterator<Put>): Put[] {
    const puts: Put[] = []
    const max = Math.max(1, Math.min(500, Math.floor(CHUNK_BYTES / this.bytesPerRow)))
    while (puts.length < max) {
      const next = rows.next()
      if (next.done) break
      puts.push(next.value)
    }
    return puts
  }

  /** How large a chunk came out, so that the next ones stay under the limit. */
  chunkWas(message: ReplicaMessage, bytes: number): void {
    const rows = message[0] === 's' ? message[5].length : message[0] === 'o' ? message[2].length : 0
    if (rows > 0) this.bytesPerRow = Math.max(bytes / rows, this.bytesPerRow * 0.9)
  }

  private pushUpdates(
    to: string | undefined,
    first: number,
    ops: readonly Op[],
    wantAck: boolean,
  ): void {
    for (let i = 0; i < ops.length; i += BATCH_MAX) {
      const part = ops.length <= BATCH_MAX ? ops : ops.slice(i, i + BATCH_MAX)
      const last = i + BATCH_MAX >= ops.length
      this.outgoing.push({ to, message: ['u', this.scope, first + i, part, wantAck && last] })
    }
  }

  /** One row that makes no sense is left out, and those beside it are not. */
  private apply(stream: InStream, op: Op): boolean {
    const { origin } = stream
    try {
      checkRow(isOp(op), 'row', origin.node)
      if (isDeletion(op)) this.table.delete(origin, deletedId(op), removalReason(op))
      else if (origin.rows.size >= ROWS_MAX && !origin.rows.has(op[0])) throw tooMany(origin.node)
      else this.table.put(origin, op, stream.mark, stream.exact ? 'normal' : 'node_up')
      return true
    } catch (error) {
      if (!(error instanceof CitadelError)) throw error
      this.options.skipped?.(origin.node, error)
      return false
    }
  }

  private compare(stream: InStream, table: SharedTable, { living, all }: Digests): void {
    const now = this.options.now()
    const mine = table.digests
    const pauseMs = COMPARE_ALL_MS * 2 ** stream.skips
    const isDue = stream.comparedAt === undefined || now - stream.comparedAt >= pauseMs
    if (living === mine.living && all === mine.all) return
    // Rows that are left out here each time keep the tables different: that is looked at ever more rarely.
    if (!isDue && (living === mine.living || stream.skips > 0)) return
    stream.comparedAt = now
    const message = ['d', this.scope, table.partDigests()] as const
    this.outgoing.push({ to: stream.origin.node, message })
  }

  private ask(stream: InStream): void {
    const now = this.options.now()
    const { node } = stream.origin
    if (!this.members.has(node)) return
    const patienceMs = stream.snapshot === 0 ? ASK_AGAIN_MS : SNAPSHOT_STALLED_MS
    if (stream.askedAt !== undefined && now - stream.askedAt < patienceMs) return
    if (stream.snapshot !== 0) stream.restart()
    stream.askedAt = now
    const first = stream.exact ? stream.applied + 1 : 0
    this.outgoing.push({ to: node, message: ['n', this.scope, first] })
  }

  private dropSending(node: string): void {
    this.cursors.delete(node)
    this.offers.delete(node)
    this.differences.delete(node)
  }
}

const tooMany = (node: string): CitadelError =>
  new CitadelError('limit_exceeded', `${node} has ${ROWS_MAX} rows here already.`)

function hasMore(rows: Iterable<unknown>, count: number): boolean {
  let left = count
  for (const _ of rows) if (left-- === 0) return true
  return false
}
