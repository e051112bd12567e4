/**
 * The distributed supervisor: children by id, each on the node its id belongs on, kept running
 * wherever there is a member that offers its class. Its name is all that its members share.
 */
import { attempt } from '../../base/arguments.js'
import { describe } from '../../base/describe.js'
import { CitadelError } from '../../base/errors.js'
import { logFailure } from '../../base/guard.js'
import type { Lease } from '../../base/lease.js'
import type { Logger } from '../../base/log.js'
import { giveLook } from '../../base/looks.js'
import { within } from '../../base/within.js'
import type { World } from '../../base/world.js'
import type { ChildPort, ServerModule } from '../../kernel/process-port.js'
import { fromOutcome, type RemoteOutcome } from '../../kernel/remote-outcome.js'
import type { GenServer } from '../../process/gen-server.js'
import type { InitArgs } from '../../process/typed-call.js'
import { termKey } from '../../term/key.js'
import type { Pid } from '../../term/pid.js'
import { unknownChild } from '../children/child-errors.js'
import { type ChildEvent, ChildEvents } from '../children/child-events.js'
import type { ChildHandle } from '../children/child-handle.js'
import {
  type ChildFinder,
  FollowingHandle,
  type HandleVerbs,
} from '../children/following-handle.js'
import type { MovingRows } from '../handoff/moving-rows.js'
import type { ProcessGroups } from '../registry/process-groups.js'
import { resolveWarnings } from '../registry/resolve-warnings.js'
import { rowArgs, rowKey } from '../registry/row-meta.js'
import type { Scopes } from '../scopes/scopes.js'
import type { Scope } from '../tables/scope.js'
import { type ChildRecipe, isRecipe } from '../tables/spec-table.js'
import { ChildEnder } from './child-ender.js'
import { ChildRunner } from './child-runner.js'
import { ChildStarter } from './child-starter.js'
import type { LeaveOptions, StartChildOptions, SupervisorOptions } from './children-options.js'
import type { ChildCounts, DistributedSupervisor } from './distributed-supervisor.js'
import { type Move, type MovesResult, Rebalancer } from './rebalancer.js'
import { StaticChildren } from './static-children.js'
import { additions, refuseJoining } from './supervisor-additions.js'
import { type MemberOffer, offerOf, SupervisorMembers } from './supervisor-members.js'
import { readLeaveOptions, readStartOptions, runnerOptions } from './supervisor-options.js'
import { type SupervisorShare, supervisorServerName } from './supervisor-server.js'

/** What a supervisor gets from its node. */
export interface SupervisorSeat {
  readonly lease?: Lease | undefined
  readonly scopes: Scopes
  readonly members: ProcessGroups
  readonly rows: MovingRows
  readonly processes: ChildPort
  readonly verbs: HandleVerbs
  readonly world: World
  readonly log: Logger
  /** The roles of this node. */
  readonly roles: readonly string[]
  /** `startedAgain` is told each later pid, should the server ever end. */
  startServer(name: string, share: SupervisorShare, startedAgain: (pid: Pid) => void): Promise<Pid>
  /** Settles when this node has looked for others: what nobody here knows may be known there. */
  readonly looked?: Promise<void> | undefined
  /** This node is no member any more. */
  left(): void
}

const TIMEOUT_MS = 5_000
const RETRY_MS = 20
/** How long a handle looks for a child that should run and does not. */
const CHILD_PATIENCE_MS = 30_000
/** How long `leave` may take to hand all children over, unless a budget is given. */
const LEAVE_MS = 25_000
/** How long a node that leaves waits to hear that all members know where its children are. */
const RELEASE_MS = 3_000
/** The longest that moves of many children may take on another node. */
const MOVES_MS = 600_000

export class JoinedSupervisor implements DistributedSupervisor {
  private readonly claims: Scope<'c'>
  private readonly specs: Scope<'s'>
  private readonly placement: SupervisorMembers
  private readonly runner: ChildRunner
  private readonly starter: ChildStarter
  private readonly ender: ChildEnder
  private readonly always: StaticChildren
  private readonly rebalancer: Rebalancer
  private readonly childEvents: ChildEvents
  private readonly receiver: string
  /** The classes this node can start, by name. */
  private readonly modules = new Map<string, ServerModule>()
  private server: Pid | undefined
  private left: Promise<void> | undefined
  /** The lease of this node has ended, and it has no other one yet. */
  private isFenced = false
  private isAbandoned = false
  private readonly unfollow: (() => void)[] = []

  constructor(
    readonly name: string,
    private readonly seat: SupervisorSeat,
    private readonly options: SupervisorOptions,
  ) {
    const { scopes, members, processes } = seat
    this.claims = scopes.scope<'c'>(`c:supervisor/${name}`)
    this.specs = scopes.scope<'s'>(`s:supervisor/${name}`)
    if (options.resolve && !seat.lease) {
      const warn = resolveWarnings(seat.log, seat.world.clock, `supervisor "${name}"`)
      this.claims.table.resolveBy(options.resolve, warn, true)
    }
    this.receiver = supervisorServerName(name)
    this.placement = new SupervisorMembers(members, name, options.placement, {
      role: options.role,
      childrenOf: (node) => this.claims.replica.origin(node)?.rows.size ?? 0,
    })
    for (const [name, module] of Object.entries(options.modules ?? {}))
      this.modules.set(name, module)
    const { receiver } = this
    this.childEvents = new ChildEvents(name, members, processes, receiver, scopes.node)
    const parts = {
      ...seat,
      supervisor: name,
      modules: this.modules,
      members: this.placement,
      events: this.childEvents,
      receiver,
      claims: this.claims,
      specs: this.specs,
    }
    const all = runnerOptions(name, options, seat)
    this.runner = new ChildRunner(parts, all)
    this.rebalancer = new Rebalancer({ ...parts, runner: this.runner }, all)
    this.starter = new ChildStarter({ ...parts, runner: this.runner })
    this.ender = new ChildEnder({ ...parts, runner: this.runner })
    this.always = new StaticChildren({
      ...parts,
      isMember: () => this.server !== undefined,
      start: (...request) => this.startChild(...request),
    })
  }

  /** Makes this node a member. The composition root calls it once. */
  async join(): Promise<void> {
    const { runner, rebalancer, childEvents: events } = this
    const flushed = (): Promise<void> => this.seat.scopes.changed()
    const share = { runner, rebalancer, events, flushed }
    this.server = await this.seat.startServer(this.receiver, share, (pid) => {
      this.startedAgain(pid).catch((error: unknown) => {
        logFailure(this.seat.log, 'joining a supervisor again', error)
      })
    })
    await this.seat.members.join(this.name, this.server, { meta: this.offer(false) })
    const { lease } = this.seat
    const end = lease?.onEnd(() => this.fence(true))
    const begin = lease?.onMove(() => this.fence(false))
    if (end && begin) this.unfollow.push(end, begin)
    for (const child of this.options.children ?? []) void this.always.ensure(child)
  }

  /** The process by which the other members reach this one had ended, and is another one now. */
  private async startedAgain(server: Pid): Promise<void> {
    if (this.left || !this.server) return this.seat.processes.exit(server, 'shutdown')
    this.server = server
    await this.seat.members.join(this.name, server, { meta: this.offer(false) })
    this.childEvents.startedAgain(server)
  }

  /** What this node offers to the supervisor. */
  private offer(draining: boolean): MemberOffer {
    const { weight: wanted = 1 } = this.options
    const weight = this.isFenced ? 0 : wanted
    return { ...offerOf(this.modules), weight, roles: this.seat.roles, draining }
  }

  /** What a second call of `citadel.supervisor` adds: classes, and children that are always there. */
  async extend(given: SupervisorOptions): Promise<void> {
    if (this.left) refuseJoining(this.name, given)
    const { modules, children } = additions(this.name, given, this.options, this.modules)
    for (const [name, module] of modules) this.modules.set(name, module)
    if (modules.length > 0) await this.offerAgain()
    for (const child of children) void this.always.ensure(child)
  }

  /** A node whose lease has ended runs no children, so they must belong on others. */
  private fence(isFenced: boolean): void {
    if (this.isFenced === isFenced) return
    this.isFenced = isFenced
    this.offerAgain().catch((error: unknown) => {
      this.seat.log.error(`what supervisor ${this.name} offers was not told`, error)
    })
  }

  private async offerAgain(): Promise<void> {
    const { server } = this
    if (!server || this.left) return
    await this.seat.members.join(this.name, server, { meta: this.offer(false) })
    // It was a member already.
    await this.seat.members.leave(this.name, server)
  }

  startChild<T extends GenServer>(
    module: new () => T,
    args: InitArgs<T>,
    options: StartChildOptions,
  ): Promise<Pid<T>>
  startChild<N extends string>(
    module: N,
    args: readonly unknown[],
    options: StartChildOptions,
  ): Promise<Pid>
  async startChild(
    module: (new () => GenServer) | string,
    args: readonly unknown[],
    given: StartChildOptions,
  ): Promise<Pid> {
    this.checkOpen()
    const options = readStartOptions(given)
    const recipe: ChildRecipe = {
      module: this.moduleName(module),
      args: attempt(() => Array.isArray(args)) ? rowArgs(args) : args,
      restart: options.restart ?? this.options.restart ?? 'transient',
      shutdownMs: options.shutdownMs ?? 5_000,
      token: this.token(),
    }
    if (!isRecipe(recipe)) {
      const sentence =
        'startChild wants a class or its name, a list of arguments, and { id, restart?, shutdownMs? }.'
      throw new CitadelError('bad_argument', sentence)
    }
    const { id, key: childId } = rowKey(options.id)
    return this.starter.start({ id, childId, recipe, timeoutMs: options.timeoutMs ?? TIMEOUT_MS })
  }

  lookup(id: unknown): Pid | undefined {
    return this.find(termKey(id))
  }

  members(): Map<unknown, Pid> {
    const members = new Map<unknown, Pid>()
    for (const { key, pid } of this.claims.table.owners()) if (pid) members.set(key, pid)
    return members
  }

  localChildren(): Map<unknown, Pid> {
    return this.runner.running()
  }

  counts(): ChildCounts {
    let specs = 0
    let running = 0
    for (const { recipe } of this.specs.table.rows.values()) if (recipe) specs++
    for (const { pid } of this.claims.table.owners()) if (pid) running++
    return { specs, running, ...this.runner.counts }
  }

  events(): AsyncIterableIterator<ChildEvent> {
    return this.childEvents.subscribe(this.server)
  }

  nodes(): string[] {
    return this.placement.nodes()
  }

  nodeFor(id: unknown, module?: string): string | undefined {
    const key = termKey(id)
    const recipe = this.specs.table.rows.get(key)?.recipe
    const current = this.claims.table.find(key)?.origin.node
    const options = { current, avoid: recipe?.avoid }
    return this.placement.nodeFor(key, module ?? recipe?.module, options)
  }

  epoch(id: unknown): number {
    const key = termKey(id)
    return Math.max(this.claims.table.find(key)?.epoch ?? 0, this.runner.arriving(key) ?? 0)
  }

  async terminateChild(id: unknown): Promise<void> {
    this.checkOpen()
    return this.ender.end(termKey(id), id)
  }

  child<T = unknown>(id: unknown): ChildHandle<T> {
    const key = termKey(id)
    const finder: ChildFinder = {
      find: () => this.find(key),
      reachable: () => this.reachable(key),
      settle: () => this.awaitChild(key),
      now: () => this.seat.world.clock.now(),
      pause: () => this.pause(RETRY_MS),
    }
    return new FollowingHandle<T>(id, finder, this.seat.verbs)
  }

  // --- moving children

  async moveChild(id: unknown, to: string): Promise<boolean> {
    this.checkOpen()
    const key = termKey(id)
    if (!this.claims.table.find(key)) await this.seat.looked
    const recipe = this.specs.table.rows.get(key)?.recipe
    const from = this.claims.table.find(key)?.origin.node
    if (!recipe || !from) throw unknownChild(this.name, id)
    if (!this.placement.mayRun(to, recipe.module)) {
      throw new CitadelError(
        'no_placement',
        `${describe(to)} is no member that may run ${recipe.module} and is not draining.`,
      )
    }
    if (from === to) return true
    if (from === this.seat.scopes.node) return (await this.runner.move(key, to)) === undefined
    return this.ask(from, 'move', [key, to], MOVES_MS)
  }

  async plan(): Promise<Move[]> {
    const plans = await this.onEachMember<Move[]>('plan', () => this.rebalancer.plan(), TIMEOUT_MS)
    return plans.flat()
  }

  async rebalance(): Promise<MovesResult> {
    const here = (): Promise<MovesResult> => this.rebalancer.rebalance()
    const results = await this.onEachMember<MovesResult>('rebalance', here, MOVES_MS)
    const sum = { moved: 0, failed: 0 }
    for (const { moved, failed } of results) {
      sum.moved += moved
      sum.failed += failed
    }
    return sum
  }

  async leave(options?: LeaveOptions): Promise<void> {
    const { budgetMs = LEAVE_MS } = readLeaveOptions('leave', options)
    this.left ??= this.depart(budgetMs)
    return this.left
  }

  async drain(options?: LeaveOptions): Promise<void> {
    return this.leave(readLeaveOptions('drain', options))
  }

  private async depart(budgetMs: number): Promise<void> {
    const { server } = this
    if (!server) return
    const { members, processes, scopes, world } = this.seat
    const deadline = world.clock.now() + budgetMs
    this.rebalancer.close()
    // No child is placed here any more, as soon as the others know.
    await members.join(this.name, server, { meta: this.offer(true) })
    await within(world.clock, budgetMs, this.runner.close())
    // A child that does not hand its state over must not take the time of all others.
    const left = Math.max(0, deadline - world.clock.now())
    const drained = this.rebalancer.drain(deadline).catch((error: unknown) => {
      this.seat.log.error(`children of supervisor ${this.name} were not handed over`, error)
    })
    await within(world.clock, left, drained)
    this.server = undefined
    await members.leave(this.name, server)
    await members.leave(this.name, server)
    await this.runner.leave()
    // What others sent here before they knew is here when they acknowledge that the rows are gone.
    await this.runner.releasedAll(Math.min(RELEASE_MS, Math.max(0, deadline - world.clock.now())))
    await scopes.replicated(this.claims, true)
    this.childEvents.close()
    for (const unfollow of this.unfollow) unfollow()
    processes.exit(server, 'shutdown')
    this.seat.left()
  }

  /** The node stops, ready or not: what still runs here is to run elsewhere, however it ends. */
  abandon(): void {
    this.isAbandoned = true
    this.runner.abandon()
  }

  private checkOpen(): void {
    if (this.isAbandoned) throw new CitadelError('stopped', 'the node has stopped')
  }

  // --- the parts

  private find(id: string): Pid | undefined {
    return this.claims.table.find(id)?.pid
  }

  private moduleName(module: string | (abstract new () => GenServer)): string {
    if (typeof module === 'string') return module
    if (typeof module !== 'function') {
      throw new CitadelError(
        'bad_argument',
        'startChild wants a class, or the name that members have for it.',
      )
    }
    this.seat.processes.noteClass(module)
    for (const [name, offered] of this.modules) if (offered === module) return name
    return module.name
  }

  private token(): string {
    const { random } = this.seat.world
    return `${random.uint32().toString(36)}${random.uint32().toString(36)}`
  }

  /** The child's process, if its node can be reached. */
  private reachable(id: string): Pid | undefined {
    const pid = this.find(id)
    return pid && this.seat.scopes.isUp(pid.node) ? pid : undefined
  }

  /** Waits for a known child to run within reach; undefined when there is none, or it takes too long. */
  private async awaitChild(id: string): Promise<Pid | undefined> {
    const { clock } = this.seat.world
    const deadline = clock.now() + CHILD_PATIENCE_MS
    if (!this.specs.table.rows.has(id)) await this.seat.looked
    while (this.specs.table.rows.get(id)?.recipe && this.server && clock.now() < deadline) {
      const pid = this.reachable(id)
      if (pid) return pid
      await this.pause(RETRY_MS)
    }
    return undefined
  }

  private async onEachMember<T>(
    method: string,
    here: () => Promise<T>,
    timeoutMs: number,
  ): Promise<T[]> {
    const { scopes } = this.seat
    const nodes = this.placement.nodes().filter((node) => scopes.isUp(node))
    return Promise.all(
      nodes.map((node) =>
        node === scopes.node ? here() : this.ask<T>(node, method, [], timeoutMs),
      ),
    )
  }

  private async ask<T>(
    node: string,
    method: string,
    args: readonly unknown[],
    timeoutMs: number,
  ): Promise<T> {
    const to = { name: this.receiver, node }
    const outcome = await this.seat.processes.call(to, method, args, timeoutMs)
    return fromOutcome(outcome as RemoteOutcome<T>)
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.seat.world.clock.after(ms, resolve))
  }
}

giveLook(JoinedSupervisor, 'DistributedSupervisor', (it) => ({ name: it.name, nodes: it.nodes() }))
