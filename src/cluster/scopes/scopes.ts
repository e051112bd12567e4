/**
 * The driver of all scopes of a node: feeds the pure machines (replicas, view, claimant, home) with
 * messages, mesh events and time, and carries out what they want. Guarantee: a row is queued to
 * every member before the write is acknowledged, on the same stream as messages, so whoever hears
 * from the caller afterwards sees the row as well.
 */
import type { Clock, Timer } from '../../base/clock.js'
import type { Logger } from '../../base/log.js'
import { QuietLog } from '../../base/quiet-log.js'
import type { Encoded } from '../../distribution/control-writer.js'
import type { MeshEvent } from '../../mesh/mesh-event.js'
import type { Pid } from '../../term/pid.js'
import type { Arbiter, Claiming, ClaimOutcome } from '../arbiters/arbiter.js'
import { type ArbiterFactory, type ArbiterParts, meshArbiter } from '../arbiters/arbiters.js'
import { heldGrant, type Prepare } from '../arbiters/held-grant.js'
import { dropReservations } from '../arbiters/mesh-home.js'
import type { Ownership } from '../arbiters/ownership.js'
import type { Beats } from '../arbiters/quorum-driver.js'
import { ViewTracker } from '../arbiters/view.js'
import { Acknowledgements } from '../replication/acknowledgements.js'
import { deletionOf } from '../replication/deletion.js'
import type { RemovalReason } from '../replication/table.js'
import type { Lineage } from '../tables/claim.js'
import { type Claim, type ClaimChange, type ClaimTable, claimPut } from '../tables/claim-table.js'
import type { Scope, ScopeKind } from '../tables/scope.js'
import { Stamps } from '../tables/stamps.js'
import { EarliestTimer } from './earliest-timer.js'
import { FlushTurns } from './flush-turns.js'
import { OddInput } from './odd-input.js'
import { PacedStarts } from './paced-starts.js'
import { parseScopeMessage, type ScopeMessage } from './scope-message.js'
import { ScopeSender } from './scope-sender.js'
import { ScopeSet } from './scope-set.js'
import { SlowWork } from './slow-work.js'

const NEVER = Number.POSITIVE_INFINITY
const HEADS_EVERY_MS = 1_000
/** How long the end of a child is remembered, against members that were away meanwhile. */
const TOMBSTONE_MS = 3_600_000

/** What the driver needs of the mesh. */
export interface ScopeMesh {
  readonly name: string
  readonly creation: number
  onEvent(listener: (event: MeshEvent) => void): () => void
  encode(message: unknown): Encoded
  sendEncoded(node: string, endpoint: string, encoded: Encoded): boolean
  pendingBytes(node: string): number
}

export interface ScopesOptions {
  mesh: ScopeMesh
  clock: Clock
  log: Logger
  logMax?: number
  /** Who decides about keys; the mesh unless given. */
  arbiter?: ArbiterFactory
  ownership?: Ownership
  /** Whether this node has looked for others since it started. */
  hasLooked?: () => boolean
}

export class Scopes {
  readonly node: string
  readonly creation: number
  readonly clock: Clock
  readonly views: ViewTracker
  private readonly stamps: Stamps
  private readonly odd: OddInput
  private readonly scopes: ScopeSet
  private readonly arbiter: Arbiter
  private readonly beats: Beats | undefined
  private readonly starts: PacedStarts
  private readonly up = new Set<string>()
  /** Reports of members whose earlier rows have not all arrived. */
  private readonly lateReports = new Map<string, number>()
  private readonly acknowledgements = new Acknowledgements()
  private readonly claimListeners = new Set<(scope: string, change: ClaimChange) => void>()
  private readonly viewListeners = new Set<() => void>()
  private readonly flushTurns: FlushTurns
  private readonly slowWork: SlowWork
  private readonly sender: ScopeSender
  private readonly retry: EarliestTimer
  private tickTimer: Timer | undefined
  private stopListening: (() => void) | undefined

  constructor(private readonly options: ScopesOptions) {
    const { mesh, clock } = options
    this.node = mesh.name
    this.creation = mesh.creation
    this.clock = clock
    this.stamps = new Stamps(() => clock.wallTime())
    const log = new QuietLog(options.log, clock)
    this.odd = new OddInput(log)
    this.scopes = this.scopeSet()
    this.views = new ViewTracker(mesh.name, mesh.creation)
    this.sender = new ScopeSender(mesh, this.views, this.scopes, this.up, log)
    this.flushTurns = new FlushTurns(clock, () => this.flush())
    this.retry = new EarliestTimer(clock, () => {
      this.carryOn(this.now())
      this.changed()
    })
    this.starts = new PacedStarts(options.clock)
    this.slowWork = new SlowWork({
      clock: options.clock,
      replicas: () => this.scopes.replicas(),
      pendingBytes: (node) => mesh.pendingBytes(node),
      changed: () => void this.changed(),
      send: (replica, node, message) => {
        this.sender.drain(replica)
        return this.sender.send(node, message)
      },
    })
    const { arbiter, beats } = (options.arbiter ?? meshArbiter)(this.arbiterParts())
    options.ownership?.attach(this)
    this.arbiter = arbiter
    this.beats = beats
  }

  private arbiterParts(): ArbiterParts {
    return {
      self: { node: this.node, creation: this.creation },
      views: this.views,
      log: this.options.log,
      now: this.now,
      table: (scope) => this.scope<'c'>(scope).table,
      claimScopes: () => this.scopes.claimScopes(),
      isUp: (node) => this.isUp(node),
      synced: (node) => this.synced(node),
      hasLooked: this.options.hasLooked ?? (() => true),
      sendRenewal: (node, beat) => void this.sender.send(node, ['e', beat]),
      changed: () => void this.changed(),
    }
  }

  start(): void {
    this.stopListening = this.options.mesh.onEvent((event) => this.meshEvent(event))
    this.tickTimer = this.options.clock.after(HEADS_EVERY_MS, () => this.tick())
  }

  stop(): void {
    this.stopListening?.()
    this.slowWork.stop()
    this.tickTimer?.cancel()
    this.retry.cancel()
    this.tickTimer = undefined
    this.arbiter.stop()
    this.acknowledgements.releaseAll()
  }

  /** The scope of that name, made on first use. */
  scope<K extends ScopeKind>(name: string): Scope<K> {
    return this.scopes.use<K>(name)
  }

  private scopeSet(): ScopeSet {
    const { clock, logMax } = this.options
    return new ScopeSet({
      node: this.node,
      creation: this.creation,
      now: this.now,
      logMax,
      stamps: this.stamps,
      // Microseconds since 1970: epochs, and versions of specs, go on rising when no node that knows the
      // earlier ones is left or can be reached, as long as wall clocks do and fewer than a million a
      // second are given.
      startedAt: Math.floor(clock.wallTime() * 1_000),
      created: (name, scope) => this.created(name, scope),
      // Of what others name and this node does not use, it hears by their heads.
      used: ({ replica }) => {
        for (const node of this.members.keys()) replica.catchUp(node)
        this.changed()
      },
      isMember: (node) => this.views.current.creationOf(node) !== undefined,
      skipped: (node, why) => this.odd.row(node, why),
      refused: (node) => this.odd.scope(node),
    })
  }

  private created(name: string, scope: Scope): void {
    if (scope.kind === 'c') {
      ;(scope as Scope<'c'>).listeners.add((change) => {
        for (const tell of this.claimListeners) tell(name, change)
      })
    }
    for (const [node, creation] of this.members) scope.replica.memberUp(node, creation)
  }

  /** Whether an owner has to know that it is one no more before somebody else becomes one. */
  get tellsOwnersFirst(): boolean {
    return this.options.ownership !== undefined
  }

  isUp(node: string): boolean {
    return node === this.node || this.up.has(node)
  }

  /** Calls back at each change of who is a member or reachable, and at each round of heads. */
  onView(listener: () => void): () => void {
    this.viewListeners.add(listener)
    return () => this.viewListeners.delete(listener)
  }

  /** Calls back at each change of an owner, in whichever scope of claims. */
  onClaim(listener: (scope: string, change: ClaimChange) => void): () => void {
    this.claimListeners.add(listener)
    return () => this.claimListeners.delete(listener)
  }

  /** The members that can be reached, without this node. */
  reachable(): string[] {
    return [...this.up]
  }

  /** Whether the rows of `node` are all here. */
  synced(node: string): boolean {
    if (!this.up.has(node)) return false
    for (const replica of this.scopes.replicas()) if (!replica.caughtUp(node)) return false
    return true
  }

  // --- writing own rows

  /** Asks for a key. `write` gets the epoch and must write the claim, or answer false; see `Prepare`. */
  claim(
    request: Omit<Claiming, 'deadline' | 'done' | 'prepare'> & { timeoutMs: number },
    write: (epoch: number, lineage?: Lineage) => boolean,
    prepare?: Prepare,
  ): Promise<ClaimOutcome> {
    return new Promise((resolve) => {
      const done = (outcome: ClaimOutcome): boolean => {
        const written = outcome.type === 'granted' ? write(outcome.epoch, outcome.lineage) : false
        resolve(outcome)
        return written
      }
      const { timeoutMs, ...rest } = request
      const guarded = this.options.ownership?.guarded(request.pid, done) ?? done
      const held = prepare && heldGrant(prepare, this.now, () => this.changed())
      const claim = { ...rest, deadline: this.now() + timeoutMs, done: guarded, prepare: held }
      this.starts.run(() => {
        this.arbiter.start(claim, this.now())
        this.changed()
      })
    })
  }

  putClaim(scope: Scope<'c'>, claim: Claim, reason: 'normal' | 'forced' = 'normal'): void {
    const before = scope.own.rows.get(claim.id) as Claim | undefined
    scope.table.set(claim, reason)
    scope.replica.wrote(claimPut(claim))
    this.options.ownership?.wrote(before?.pid, claim.pid)
    this.changed()
  }

  deleteOwn(scope: Scope<'c'> | Scope<'g'>, id: string, reason: RemovalReason): void {
    const row = scope.own.rows.get(id)
    if (!row) return
    scope.table.delete(scope.own, id, reason)
    scope.replica.wrote(deletionOf(id, reason))
    if (scope.kind === 'c') this.arbiter.freed(scope.replica.scope, id, (row as Claim).epoch)
    this.options.ownership?.wrote((row as Claim).pid, undefined)
    this.changed()
  }

  /** Something is to be sent: it goes out at the end of this turn, with all else of the turn. */
  changed(): Promise<void> {
    return this.flushTurns.soon()
  }

  /**
   * Resolves when another member has applied this scope's rows written so far, or there is none; with
   * `byAll`, when all members that can be reached have.
   */
  async replicated({ replica }: Pick<Scope, 'replica'>, byAll = false): Promise<void> {
    if (this.up.size === 0 || replica.out.seq === 0) return this.changed()
    const seq = replica.wantAck()
    const acknowledged = this.acknowledgements.wait(replica.scope, seq, byAll ? this.up : undefined)
    await this.changed()
    await acknowledged
  }

  // --- inputs

  /** A message of another node's driver. Malformed ones throw, which closes that connection. */
  receive(term: unknown, from: Pid): void {
    if (this.members.get(from.node) !== from.creation) return
    const odd = (count: number): void => this.odd.parts(from.node, count)
    const message = parseScopeMessage(term, this.stamps.isPossible, odd)
    this.dispatch(from.node, message)
    if (this.hasOutput()) this.changed()
  }

  /** Most messages are updates that want no answer. */
  private hasOutput(): boolean {
    if (this.arbiter.hasOutput) return true
    for (const replica of this.scopes.replicas()) if (replica.outgoing.length > 0) return true
    return false
  }

  private readonly members = new Map<string, number>()

  private meshEvent(event: MeshEvent): void {
    switch (event.type) {
      case 'up':
        this.memberUp(event.node, event.creation)
        break
      case 'unreachable':
        this.memberDown(event.node)
        break
      case 'dead':
        this.memberDead(event.node, event.creation, event.certain)
        break
      default:
        return
    }
    this.arbiter.wake(this.now())
    this.tellView()
    this.changed()
  }

  private memberUp(node: string, creation: number): void {
    const dying = this.beats?.dyingAs(node)
    if (dying !== undefined && dying !== creation) this.memberDead(node, dying, true)
    this.beats?.up(node, creation)
    const viewChanged = this.views.add(node, creation)
    this.up.add(node)
    this.members.set(node, creation)
    for (const replica of this.scopes.replicas()) replica.memberUp(node, creation)
    if (viewChanged) this.sender.heads(this.arbiter, this.beats)
    else this.sender.heads(this.arbiter, this.beats, node)
  }

  private memberDown(node: string): void {
    this.up.delete(node)
    this.members.delete(node)
    this.lateReports.delete(node)
    this.views.forget(node)
    this.beats?.down(node)
    for (const replica of this.scopes.replicas()) replica.memberDown(node)
    this.arbiter.nodeLost(node, this.now())
    this.acknowledgements.lost(node)
    if (this.up.size === 0) this.acknowledgements.releaseAll()
  }

  private memberDead(node: string, creation: number, certain: boolean): void {
    this.memberDown(node)
    if (!certain && this.beats?.keepsKeys(node, creation)) return
    this.beats?.gone(node)
    const viewChanged = this.views.remove(node, creation)
    for (const { kind, table, replica } of this.scopes.values()) {
      replica.memberDead(node, creation)
      if (kind === 'c') dropReservations(table as ClaimTable, node, (_, c) => c === creation)
    }
    if (viewChanged) this.sender.heads(this.arbiter, this.beats)
    this.slowWork.begin()
  }

  private dispatch(node: string, message: ScopeMessage): void {
    switch (message[0]) {
      case 'h':
        return this.heads(node, message)
      case 'u':
        this.replica(node, message[1])?.updates(node, message[2], message[3], message[4])
        return this.lateReport(node)
      case 'a':
        return this.acknowledgements.acknowledged(node, message[1], message[2])
      case 'n':
        this.replica(node, message[1])?.need(node, message[2])
        return this.slowWork.begin()
      case 's':
        return this.replica(node, message[1])?.chunk(
          node,
          message[2],
          message[3],
          message[4],
          message[5],
        )
      case 'c':
        this.replica(node, message[1])?.commit(node, message[2], message[3])
        this.lateReport(node)
        return this.slowWork.begin()
      case 'd':
        this.replica(node, message[1])?.differs(node, message[2])
        return this.slowWork.begin()
      case 'o':
        return this.replica(node, message[1])?.offered(node, message[2])
      case 'q': {
        const creation = this.members.get(node)!
        const named = this.scopes.namer(node)
        const answers = message[1]
          .filter(([, , scope]) => named(scope))
          .map((request) => this.arbiter.answer(node, creation, request, this.now()))
        this.sender.send(node, ['g', answers])
        return
      }
      case 'g':
        return this.arbiter.answered(node, message[1], this.now())
      case 'r':
        return this.released(node, message[1])
      case 'e':
        return this.beats?.renewed(node, message[1])
    }
  }

  claimScopes(): IterableIterator<Scope<'c'>> {
    return this.scopes.claimScopes()
  }

  /** Of a scope that a member names; undefined: it names too many. */
  private replica(node: string, name: string): Scope['replica'] | undefined {
    return this.scopes.named(name, node)?.replica
  }

  private heads(node: string, [, view, heads, oldest, beat]: ScopeMessage & { 0: 'h' }): void {
    this.scopes.members.came(node, this.now())
    const named = this.scopes.namer(node)
    for (const [scope, seq, applied, mark, all] of heads) {
      const known = named(scope)
      if (!known) continue
      const { kind, replica, table } = known
      replica.head(node, seq, { living: mark, all })
      if (kind === 'c') (table as ClaimTable).sawEpoch(mark)
      this.acknowledgements.acknowledged(node, scope, applied)
    }
    const listed = new Set(heads.map(([scope]) => scope))
    for (const [name, { replica }] of this.scopes) if (!listed.has(name)) replica.absent(node)
    this.lateReports.set(node, view)
    this.lateReport(node)
    this.beats?.came(node, beat)
    if (this.lateReports.has(node)) return
    for (const { table } of this.claimScopes()) {
      dropReservations(table, node, (request) => request < oldest)
    }
  }

  /** Counts a member's report once the rows it had written before are all here. */
  private lateReport(node: string): void {
    const view = this.lateReports.get(node)
    if (view === undefined || !this.synced(node)) return
    this.lateReports.delete(node)
    const wasSettled = this.views.settled
    this.views.report(node, view)
    if (this.views.settled && !wasSettled) this.arbiter.wake(this.now())
    this.beats?.renewAll()
    this.tellView()
  }

  private released(node: string, requests: readonly number[]): void {
    const released = new Set(requests)
    for (const { table } of this.claimScopes()) {
      dropReservations(table, node, (request) => released.has(request))
    }
  }

  // --- time

  private readonly now = (): number => this.options.clock.now()

  private tick(): void {
    this.tickTimer = this.options.clock.after(HEADS_EVERY_MS, () => this.tick())
    const now = this.now()
    for (const { kind, table } of this.scopes.values()) {
      if (kind === 's') (table as Scope<'s'>['table']).forgetTombstones(now - TOMBSTONE_MS)
      if (kind === 'c') (table as ClaimTable).ageContested()
    }
    this.scopes.sweep()
    this.carryOn(now)
    this.sender.heads(this.arbiter, this.beats)
    this.tellView()
    this.changed()
  }

  private tellView(): void {
    for (const listener of this.viewListeners) listener()
  }

  // --- output

  private flush(): void {
    this.sender.updates()
    this.sender.requests(this.arbiter)
    const { releases } = this.arbiter
    for (const [node, requests] of releases) {
      if (node === this.node) this.released(node, requests)
      else this.sender.send(node, ['r', requests])
    }
    releases.clear()
    const at = Math.min(this.arbiter.nextTick ?? NEVER, this.beats?.dueAt ?? NEVER)
    if (at !== NEVER) this.retry.at(at)
  }

  private carryOn(now: number): void {
    this.arbiter.tick(now)
    for (const [node, creation] of this.beats?.due() ?? []) {
      this.memberDead(node, creation, true)
      this.arbiter.wake(now)
      this.tellView()
    }
  }
}
