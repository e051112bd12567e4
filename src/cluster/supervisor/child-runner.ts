/**
 * One node's share of a distributed supervisor: claims ids, starts their processes, restarts what
 * crashes, adopts what has no runner (`orphans.ts`), hands over what belongs elsewhere
 * (`departures.ts`), takes over what comes (`arrivals.ts`), stops what it lost or what was terminated.
 */
import { logFailure } from '../../base/guard.js'
import type { Lease } from '../../base/lease.js'
import type { Logger } from '../../base/log.js'
import type { World } from '../../base/world.js'
import type { ChildPort, ServerModule } from '../../kernel/process-port.js'
import { mustRestart } from '../../process/child-spec.js'
import type { Pid } from '../../term/pid.js'
import { showKey } from '../../term/show-key.js'
import type { Child } from '../children/child.js'
import * as errors from '../children/child-errors.js'
import type { ChildEvents } from '../children/child-events.js'
import { ChildStops } from '../children/child-stops.js'
import { ChildTable } from '../children/child-table.js'
import { NodeDeaths } from '../children/node-deaths.js'
import { Probation } from '../children/probation.js'
import { type Arrival, Arrivals } from '../handoff/arrivals.js'
import { Departures } from '../handoff/departures.js'
import { type HandoffOffer, type HandoffStep, succession } from '../handoff/handoff-offer.js'
import { LostChildren } from '../handoff/lost-children.js'
import type { MovingRows } from '../handoff/moving-rows.js'
import { Predecessors } from '../handoff/predecessors.js'
import { Conflicts } from '../scopes/conflicts.js'
import { knownByAll } from '../scopes/known-by-all.js'
import type { Scopes } from '../scopes/scopes.js'
import type { Claim } from '../tables/claim.js'
import type { ClaimChange } from '../tables/claim-table.js'
import type { Scope } from '../tables/scope.js'
import { type SpecRow, specPut } from '../tables/spec-table.js'
import { ChildStarts, type StartWish } from './child-starts.js'
import { orphanChooser } from './orphan-chooser.js'
import { Orphans } from './orphans.js'
import { type RestartOptions, Restarts } from './restarts.js'
import type { SupervisorMembers } from './supervisor-members.js'

export interface RunnerOptions extends RestartOptions {
  /**
   * How long a child may be held while it is handed over, and how long its present handler may take
   * to end before; else it stays where it is.
   */
  handoffMs: number
  /** Called at each step of a handoff, on the node that takes it. For tests and tracing. */
  onStep: (step: HandoffStep, childId: unknown) => void
  /**
   * A child is given up when so many nodes have died with it, each within `deathWindowMs` of getting it:
   * its code ends the programs it runs in. `Infinity`: never.
   */
  deathsMax: number
  deathWindowMs: number
}

export interface RunnerParts {
  readonly supervisor: string
  readonly modules: ReadonlyMap<string, ServerModule>
  readonly members: SupervisorMembers
  readonly scopes: Scopes
  readonly processes: ChildPort
  readonly rows: MovingRows
  readonly events: ChildEvents
  /** The name of the process by which the other members reach this one. */
  readonly receiver: string
  readonly world: World
  readonly log: Logger
  readonly lease?: Lease | undefined
}

/** How long nothing more is said of a placement that fails. */
const SILENT_MS = 10_000

export class ChildRunner {
  private readonly children: ChildTable
  private readonly starts: ChildStarts
  private readonly orphans: Orphans
  private readonly departures: Departures
  private readonly arrivals: Arrivals
  private readonly predecessors: Predecessors
  private readonly restarts: Restarts
  private readonly stops: ChildStops
  private readonly lost: LostChildren
  private readonly deaths: NodeDeaths
  private readonly probation: Probation
  private readonly moves = new Set<Promise<string | undefined>>()
  private silentUntil = Number.NEGATIVE_INFINITY
  /** Takes nothing new: neither starts, nor orphans, nor what others hand over. */
  private leaving = false
  private readonly claims: Scope<'c'>
  private readonly specs: Scope<'s'>
  private readonly unsubscribe: (() => void)[]

  constructor(
    private readonly parts: RunnerParts,
    private readonly options: RunnerOptions,
  ) {
    const { supervisor, scopes, world } = parts
    this.claims = scopes.scope<'c'>(`c:supervisor/${supervisor}`)
    this.specs = scopes.scope<'s'>(`s:supervisor/${supervisor}`)
    this.children = new ChildTable(scopes, this.claims, { supervisor, ...options })
    this.orphans = new Orphans({
      clock: world.clock,
      inOrder: parts.members.sticky,
      chooser: () => {
        const isHere = (id: string): boolean => this.isHere(id)
        return orphanChooser(this.claims, this.specs, parts, isHere, this.cannotPlace)
      },
      adopt: (id) => this.adopt(id),
    })
    this.deaths = new NodeDeaths(options.deathWindowMs, options.deathsMax)
    this.probation = new Probation({
      ...options,
      clock: world.clock,
      deaths: this.deaths,
      isOrphan: (id) => this.orphans.has(id),
      look: () => this.orphans.lookSoon(),
      giveUp: (id, deaths) => this.endsNodes(id, deaths),
    })
    const { claims } = this
    const shared = { ...parts, ...options, clock: world.clock, claims }
    this.starts = new ChildStarts({
      ...shared,
      specs: this.specs,
      children: this.children,
      started: (child, pid) => this.watch(child, pid),
      slow: (child, ms) => this.slow(child, ms),
      failed: (child, error) => this.restarts.restart(child, error),
      finish: (child, reason) => this.finish(child, reason),
      terminate: (id, childId) => this.terminate(id, childId),
      write: (row) => this.write(row),
    })
    this.departures = new Departures({
      ...shared,
      departed: (child) => this.children.release(child),
      keeps: (child, epoch) => this.children.keep(child, epoch),
      ended: (child, reason) => this.ended(child, reason),
      pause: (ms) => new Promise((resolve) => world.clock.after(ms, resolve)),
    })
    this.arrivals = new Arrivals({
      ...shared,
      isWanted: (offer) => this.isWanted(offer),
      identity: (childId, epoch) => this.children.identity(childId, epoch),
      arrived: (offer, arrival) => this.arrived(offer, arrival),
    })
    this.predecessors = new Predecessors({ ...shared, children: this.children })
    this.restarts = new Restarts(parts, options, {
      start: (child) => this.starts.startProcess(child),
      discard: (child) => this.children.discard(child),
      terminate: ({ id, childId }) => this.terminate(id, childId),
      respecify: ({ id, childId }, recipe) =>
        this.write({ id, childId, recipe, version: 0, author: this.node, learnedAt: 0 }),
    })
    this.stops = new ChildStops({
      ...shared,
      children: this.children,
      // Its `init` may never return: a new start of the id must not wait for it.
      unstarted: ({ id }) => this.starts.forget(id),
    })
    this.lost = new LostChildren({ ...shared, stops: this.stops })
    this.unsubscribe = this.subscribe()
    for (const row of this.specs.table.rows.values()) this.noteOrphan(row.id)
  }

  private subscribe(): (() => void)[] {
    const onClaim = (change: ClaimChange): void => this.claimChanged(change)
    const onSpec = (row: SpecRow): void => this.specChanged(row)
    this.claims.listeners.add(onClaim)
    this.specs.listeners.add(onSpec)
    const conflicts = new Conflicts({
      scopes: this.parts.scopes,
      scope: this.claims,
      lost: (own, by) => this.claimLost(own, by),
      renew: (own, epoch, lineage) => this.children.renew(own, epoch, lineage),
      follows: (own, earlier) => this.predecessors.release(own, earlier),
    })
    return [
      () => conflicts.close(),
      () => this.claims.listeners.delete(onClaim),
      () => this.specs.listeners.delete(onSpec),
      this.parts.scopes.onView(() => this.orphans.lookSoon()),
      this.parts.lease?.onEnd(() => this.leaseLost()) ?? (() => false),
    ]
  }

  private get node(): string {
    return this.parts.scopes.node
  }

  /** The processes that run here, by the ids users gave. */
  running(): Map<unknown, Pid> {
    return this.children.running()
  }

  /** The children of this node, those that are just being restarted included. */
  local(): Iterable<Child> {
    return this.children
  }

  /** How many have come or started that belonged elsewhere by the time they were here. */
  get misplaced(): number {
    return this.starts.misplaced
  }

  get counts(): { local: number; starting: number; orphans: number } {
    const { children, starts, orphans } = this
    return { local: children.size, starting: starts.size, orphans: orphans.size }
  }

  /** Whether the child's class can tell and take a state. */
  isCarriedOver({ recipe }: Child): boolean {
    return this.parts.modules.get(recipe.module)?.prototype.handoff !== undefined
  }

  /**
   * Starts a child here. Undefined: by this node's view it belongs on another one. A repeated
   * request, known by the recipe's token, gets the process that the first one started. `versionMax`
   * is the requester's: a node that has just come back may not have heard of an older end of the id.
   */
  async start(wish: StartWish, versionMax = 0): Promise<Pid | undefined> {
    this.specs.table.raiseVersion(versionMax)
    const started = await this.starts.start(wish)
    if (!started) return undefined
    const { pid, isNew } = started
    if (isNew) this.parts.events.tell({ type: 'started', id: wish.childId, node: this.node, pid })
    return pid
  }

  /** Ends a child that runs here and lets its id go. */
  async stop(id: string, reason: unknown = 'shutdown'): Promise<void> {
    const child = this.children.get(id)
    if (!child) return
    this.stops.begin(child, reason)
    await child.stopped
  }

  /** Writes the end of an id; whoever runs it stops it. */
  terminate(id: string, childId: unknown, versionMax = 0): void {
    this.specs.table.raiseVersion(versionMax)
    const { node: author } = this
    this.write({ id, childId, recipe: undefined, version: 0, author, learnedAt: 0 })
  }

  /**
   * The same for good, for everybody: resolves when the child is gone here, and all members that can be
   * reached know of it, but waits for these no longer than until they are held for unreachable.
   */
  async end(id: string, childId: unknown, versionMax = 0): Promise<void> {
    this.terminate(id, childId, versionMax)
    await this.stop(id)
    await knownByAll(this.parts.scopes, this.specs, this.claims)
  }

  /** Takes nothing new from now on. Resolves when what had begun is through. */
  async close(): Promise<void> {
    this.leaving = true
    this.orphans.close()
    this.probation.close()
    await this.starts.close()
  }

  /** After `close`: stops every child that is still here; the other members adopt them. */
  async leave(): Promise<void> {
    await Promise.all(this.children.ids().map((id) => this.stop(id)))
    for (const unsubscribe of this.unsubscribe) unsubscribe()
    await this.parts.scopes.changed()
  }

  /** From now on an end of a child is no more than that: others start it again. */
  abandon(): void {
    void this.close()
    for (const child of this.children) child.stopping = true
  }

  // --- handoff

  /** Hands a child of this node over to `to`. Resolves with why it stays; undefined: it does not. */
  async move(id: string, to: string, byPlan = false): Promise<string | undefined> {
    const child = this.children.get(id)
    if (!child) return 'it is not here any more'
    const move = this.departures.move(child, to, byPlan)
    this.moves.add(move)
    try {
      return await move
    } finally {
      this.moves.delete(move)
    }
  }

  /** Resolves when the moves that are under way are over. */
  async movesOver(): Promise<void> {
    await Promise.allSettled(this.moves)
  }

  /** Resolves when all members know where the children are that have left, or after `ms`. */
  releasedAll(ms: number): Promise<void> {
    return this.departures.releasedAll(ms)
  }

  /** The request of a node that hands a child over; rejects if this one does not get it. */
  async takeOver(offer: HandoffOffer): Promise<Pid> {
    const { id, childId, pid: from, state } = offer
    try {
      // After a start that loses against the running child, as that of a static one.
      const pid = await this.starts.after(id, () => this.arrivals.takeOver(offer))
      const moved = { id: childId, from: from.node, node: this.node, pid }
      this.parts.events.tell({ type: 'moved', ...moved, hasState: state !== undefined })
      return pid
    } catch (error) {
      // The old node may be gone meanwhile.
      this.orphans.lookSoon()
      throw error
    }
  }

  /** With which token a child that is about to come here begins; undefined: none is. */
  arriving(id: string): number | undefined {
    return this.arrivals.epoch(id)
  }

  /** The state of another process of the id, which has lost it to the one here. */
  merge(id: string, state: unknown): Promise<void> {
    return this.lost.heard(this.children.get(id), state)
  }

  /** All members know where the child is now: the old rows here can go. */
  released(id: string, epoch: number, pid: Pid): void {
    if (this.children.has(id)) return
    const own = this.children.ownClaim(id)
    if (own?.epoch === epoch) this.children.forgetClaim(id)
    this.departures.released(id, pid)
    this.options.onStep('released', own?.key)
  }

  /** Another token is no reason: after a split that started the id twice, one recipe runs, one is kept. */
  private isWanted({ id }: HandoffOffer): boolean {
    const spec = this.specs.table.rows.get(id)
    if (this.leaving || this.children.has(id)) return false
    return spec === undefined || spec.recipe !== undefined
  }

  private arrived(offer: HandoffOffer, { pid, identity, lineage }: Arrival): Child {
    const { id, recipe, pid: from, byPlan } = offer
    this.departures.cameBack(id)
    const child = this.children.add(id, identity, recipe, lineage)
    child.pid = pid
    this.children.writeClaim(child, succession(from))
    this.watch(child, pid)
    if (byPlan) this.starts.noteIfMisplaced(id, recipe)
    return child
  }

  // --- processes and specs

  private watch(child: Child, pid: Pid): void {
    this.parts.processes.watchExit(pid, (_, reason) => {
      if (child.pid === pid) this.ended(child, reason)
    })
  }

  /** Writes a spec as the newest version of it. */
  private write(row: SpecRow): void {
    const version = this.specs.table.versionMax + 1
    const stamped = { ...row, version, learnedAt: this.parts.world.clock.now() }
    if (!this.specs.table.merge(stamped)) return
    this.specs.replica.wrote(specPut(stamped))
    void this.parts.scopes.changed()
  }

  // --- ends and restarts

  private ended(child: Child, reason: unknown): void {
    if (!this.children.holds(child)) return
    child.pid = undefined
    if (child.stopping || reason === 'lease_lost') return this.children.discard(child)
    if (child.moving) {
      // Who has it is being decided; the state is on its way to the other side perhaps.
      child.moving.ended = { reason }
      return
    }
    // It has lost its id, as after a split: how it ends is not how the child ends.
    const owner = this.claims.table.find(child.id)
    if (owner && owner.origin !== this.claims.own) return this.children.discard(child)
    if (!mustRestart(child.recipe.restart, reason)) {
      this.children.discard(child)
      return this.finish(child, reason)
    }
    this.children.writeClaim(child)
    this.restarts.restart(child, reason)
  }

  /** Nothing is over but this node's part in it: the specs stay, and whoever may adopts them. */
  private leaseLost(): void {
    for (const child of [...this.children]) this.children.discard(child)
    this.departures.leaseLost()
  }

  private slow({ childId: id }: Child, ms: number): void {
    const { log, events, supervisor } = this.parts
    log.warn(
      `Supervisor ${supervisor}: init of child ${showKey(id)} has not returned for ${ms} ms.`,
    )
    events.tell({ type: 'slow_start', id, node: this.node, ms })
  }

  /** A child is done, for good. */
  private finish({ id, childId }: Child, reason: unknown): void {
    this.parts.events.tell({ type: 'ended', id: childId, node: this.node, reason })
    this.terminate(id, childId)
  }

  // --- the tables have changed

  private claimChanged(change: ClaimChange): void {
    const { id, before, after } = change
    const now = this.parts.scopes.clock.now()
    if (after && after.origin !== before?.origin) {
      const since = this.claims.replica.hasSince(after.origin.node)
      if (since === undefined) this.deaths.found(id)
      else this.deaths.began(id, since)
    } else if (!after && before?.origin.dead) this.deaths.died(before, now)
    if (after) this.orphans.delete(id)
    else this.noteOrphan(id)
    const child = this.children.get(id)
    if (child) this.departures.noticedOf(child, change)
    else this.departures.noticed(change)
  }

  /** Another node has the id of a child of this one: it has moved there, or lost it after a split. */
  private claimLost(own: Claim, by: Claim): boolean {
    const child = this.children.get(own.id)
    if (child && !this.departures.overtaken(child, own, by)) this.lost.giveUp(child)
    return true
  }

  private specChanged(row: SpecRow): void {
    this.noteOrphan(row.id, row)
    if (row.recipe) return
    this.deaths.ended(row.id)
    const child = this.children.get(row.id)
    if (!child || child.stopping) return
    const { childId: id } = child
    const ended = { type: 'ended', id, node: this.node, reason: 'shutdown' } as const
    void child.stopped.then(() => this.parts.events.tell(ended))
    this.stops.begin(child, 'shutdown')
  }

  private noteOrphan(id: string, spec = this.specs.table.rows.get(id)): void {
    if (spec?.recipe && !this.claims.table.find(id)) this.orphans.add(id)
    else this.orphans.delete(id)
  }

  /** Runs or starts here. */
  private isHere(id: string): boolean {
    return this.children.has(id) || this.starts.has(id) || this.probation.holds(id)
  }

  /** A child is given up, since the programs that run it end. */
  private endsNodes(id: string, deaths: number): void {
    const spec = this.specs.table.rows.get(id)
    if (!spec?.recipe) return
    const { log, events, supervisor } = this.parts
    log.error(
      `Supervisor ${supervisor}: child ${showKey(spec.childId)} is given up, since ${deaths} nodes died soon after they had got it; start it again when its cause is mended.`,
    )
    events.tell({ type: 'gave_up', id: spec.childId, node: this.node, reason: 'node_deaths' })
    this.terminate(id, spec.childId)
  }

  /** Once in a while: it is the same for all orphans, at each look. */
  private readonly cannotPlace = (error: unknown): void => {
    const now = this.parts.scopes.clock.now()
    if (now < this.silentUntil) return
    this.silentUntil = now + SILENT_MS
    const supervisor = this.parts.supervisor
    this.parts.log.error(
      `Supervisor ${supervisor}: children without a node cannot be placed`,
      error,
    )
  }

  private async adopt(id: string): Promise<void> {
    const spec = this.specs.table.rows.get(id)
    if (!spec) return
    try {
      const trial = this.probation.admit(id)
      if (trial === 'later') return
      const pid = await this.starts.adopt(spec, trial)
      if (!pid) return
      this.parts.events.tell({ type: 'adopted', id: spec.childId, node: this.node, pid })
    } catch (error) {
      if (errors.isAdoptedLater(error)) return
      const which = `Supervisor ${this.parts.supervisor}: child ${showKey(spec.childId)}`
      logFailure(this.parts.log, `${which}: another start of it`, error)
    }
  }
}
