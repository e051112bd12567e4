/**
 * The distributed supervisor: children by id, each on the node its id belongs on, kept running
 * wherever there is a member that offers its class. Its name is all that its members share.
 */
import type { Timer } from '../base/clock.js'
import { CitadelError } from '../base/errors.js'
import type { Logger } from '../base/log.js'
import type { World } from '../base/world.js'
import type { GenServer } from '../process/gen-server.js'
import type { InitArgs } from '../process/typed-call.js'
import { termKey } from '../term/key.js'
import type { Pid } from '../term/pid.js'
import { type ChildFinder, ChildHandle, type HandleVerbs } from './child-handle.js'
import { ChildRunner, type RunnerOptions } from './child-runner.js'
import type { Groups } from './groups.js'
import type { Placement } from './placement.js'
import type { ProcessPort, ServerModule } from './process-port.js'
import { fromOutcome, type RemoteOutcome, toOutcome } from './remote-outcome.js'
import type { Scope } from './scope.js'
import type { Scopes } from './scopes.js'
import { showKey } from './show-key.js'
import { type ChildRecipe, isRecipe } from './spec-table.js'
import { type MemberOffer, SupervisorMembers } from './supervisor-members.js'
import { supervisorServerName } from './supervisor-server.js'

export interface SupervisorOptions extends Partial<RunnerOptions> {
  /** The classes this node can start, by the name that all members use. */
  modules?: Readonly<Record<string, ServerModule>>
  /**
   * When a child that ended is started again: always (`permanent`), unless it ended with `normal`
   * or `shutdown` (`transient`, the default, as the original Citadel), or never (`temporary`).
   */
  restart?: ChildRecipe['restart']
  placement?: Placement
  /** This node's share of children relative to the others; 1 unless given. */
  weight?: number
}

export interface StartChildOptions {
  /** What names the child in the cluster: any term, compared by value. */
  id: unknown
  restart?: ChildRecipe['restart']
  /** How long its `terminate` may take when it is stopped, in milliseconds; 5,000 unless given. */
  shutdownMs?: number
  /** How long to wait for the child to run, in milliseconds; 5,000 unless given. */
  timeoutMs?: number
}

/** What a supervisor gets from its node. */
export interface SupervisorSeat {
  readonly scopes: Scopes
  readonly members: Groups
  readonly processes: ProcessPort
  readonly verbs: HandleVerbs
  readonly world: World
  readonly log: Logger
  startServer(name: string, runner: ChildRunner, flushed: () => Promise<void>): Promise<Pid>
  /** This node is no member any more. */
  left(): void
}

const TIMEOUT_MS = 5_000
const RETRY_MS = 20
/** How long a handle looks for a child that should run and does not. */
const CHILD_PATIENCE_MS = 30_000
/** How long a start waits for an unreachable node: enough for a reset connection to come back. */
const NODE_PATIENCE_MS = 1_000

export class DistributedSupervisor {
  private readonly claims: Scope<'c'>
  private readonly specs: Scope<'s'>
  private readonly placement: SupervisorMembers
  private readonly runner: ChildRunner
  private server: Pid | undefined

  constructor(
    readonly name: string,
    private readonly seat: SupervisorSeat,
    private readonly options: SupervisorOptions,
  ) {
    this.claims = seat.scopes.scope<'c'>(`c:supervisor/${name}`)
    this.specs = seat.scopes.scope<'s'>(`s:supervisor/${name}`)
    this.placement = new SupervisorMembers(seat.members, name, options.placement)
    const modules = new Map(Object.entries(options.modules ?? {}))
    const { maxRestarts = 10, maxSeconds = 10, backoffMs = 50, backoffMaxMs = 5_000 } = options
    const world = { clock: seat.world.clock, log: seat.log }
    const intensity = { maxRestarts, maxSeconds, backoffMs, backoffMaxMs }
    const { scopes, processes } = seat
    this.runner = new ChildRunner(
      name,
      modules,
      this.placement,
      scopes,
      processes,
      world,
      intensity,
    )
  }

  /** Makes this node a member. The composition root calls it once. */
  async join(): Promise<void> {
    this.server = await this.seat.startServer(supervisorServerName(this.name), this.runner, () =>
      this.seat.scopes.changed(),
    )
    const modules = Object.keys(this.options.modules ?? {})
    const offer: MemberOffer = { modules, weight: this.options.weight ?? 1 }
    await this.seat.members.join(this.name, this.server, { meta: offer })
  }

  /**
   * Starts a child on the node its id belongs on. Resolves when `init` has returned and at least one
   * other member, if there is one, knows of it.
   * @throws CitadelError `already_started` with the running child's `pid`; `no_placement` when no
   *   member offers the class; `init_failed`; `unavailable` when the node is not reachable now.
   */
  startChild<T extends GenServer>(
    module: new () => T,
    args: InitArgs<T>,
    options: StartChildOptions,
  ): Promise<Pid<T>>
  /** By the name that the members have for the class, from a node that has it not. */
  startChild(module: string, args: readonly unknown[], options: StartChildOptions): Promise<Pid>
  async startChild(
    module: (new () => GenServer) | string,
    args: readonly unknown[],
    options: StartChildOptions,
  ): Promise<Pid> {
    if (options?.id === undefined) {
      throw new CitadelError(
        'bad_argument',
        'startChild needs an id: startChild(Worker, args, { id: 1 }).',
      )
    }
    const id = termKey(options.id)
    const recipe: ChildRecipe = {
      module: this.moduleName(module),
      args,
      restart: options.restart ?? this.options.restart ?? 'transient',
      shutdownMs: options.shutdownMs ?? 5_000,
      token: this.token(),
    }
    if (!isRecipe(recipe)) {
      throw new CitadelError(
        'bad_argument',
        'startChild wants a class or its name, a list of arguments, and { id, restart?, shutdownMs? }.',
      )
    }
    const { clock } = this.seat.world
    const deadline = clock.now() + (options.timeoutMs ?? TIMEOUT_MS)
    let blockedSince: number | undefined
    while (clock.now() < deadline) {
      const running = this.find(id)
      if (running && this.specs.table.rows.get(id)?.recipe?.token !== recipe.token) {
        throw new CitadelError(
          'already_started',
          `Child ${showKey(options.id)} runs already, as ${running}; look it up instead.`,
          {
            pid: running,
          },
        )
      }
      const node = this.placement.nodeFor(id, recipe.module)
      if (node === undefined) {
        throw new CitadelError(
          'no_placement',
          `No member of supervisor "${this.name}" offers ${recipe.module}; pass it in { modules } on some node.`,
        )
      }
      if (this.seat.scopes.isUp(node)) {
        const pid = await this.startOn(node, id, options.id, recipe, deadline - clock.now())
        if (pid) return pid
      } else {
        blockedSince ??= clock.now()
        if (clock.now() - blockedSince >= NODE_PATIENCE_MS) throw this.unavailable(options.id, node)
      }
      await this.pause(RETRY_MS)
    }
    throw new CitadelError(
      'timeout',
      `Child ${showKey(options.id)} did not start in time; it may still, so look it up.`,
    )
  }

  /** The process that runs the child, or undefined. */
  lookup(id: unknown): Pid | undefined {
    return this.find(termKey(id))
  }

  /** All children that run in the cluster, by id. */
  members(): Map<unknown, Pid> {
    const members = new Map<unknown, Pid>()
    for (const { key, pid } of this.claims.table.owners()) if (pid) members.set(key, pid)
    return members
  }

  /** The children that run on this node, by id. */
  localChildren(): Map<unknown, Pid> {
    return this.runner.running()
  }

  /** The member nodes, sorted by name. */
  nodes(): string[] {
    return this.placement.nodes()
  }

  /** The node that the id belongs on now; undefined when there is no member. */
  nodeFor(id: unknown, module?: string): string | undefined {
    return this.placement.nodeFor(termKey(id), module)
  }

  /** How often the child has been given to a runner, a fencing token: 0 when it is not known. */
  epoch(id: unknown): number {
    return this.claims.table.find(termKey(id))?.epoch ?? 0
  }

  /**
   * Stops the child and forgets it.
   * @throws CitadelError `not_found` when no such child is known.
   */
  async terminateChild(id: unknown): Promise<void> {
    const key = termKey(id)
    const spec = this.specs.table.rows.get(key)
    const claim = this.claims.table.find(key)
    if (!spec?.recipe && !claim) {
      throw new CitadelError('not_found', `Supervisor "${this.name}" has no child ${showKey(id)}.`)
    }
    const node = claim?.origin.node ?? this.seat.scopes.node
    if (node !== this.seat.scopes.node && this.seat.scopes.isUp(node)) {
      const to = { name: supervisorServerName(this.name), node }
      const outcome = await this.seat.processes.call(
        to,
        'terminateChild',
        [key, id, this.specs.table.versionMax],
        TIMEOUT_MS + 6_000,
      )
      fromOutcome(outcome as RemoteOutcome<void>)
      return
    }
    this.runner.terminate(key, id)
    await this.runner.stop(key)
    await this.seat.scopes.replicated(this.specs)
  }

  /** A handle that follows the child wherever it runs. */
  child<T = unknown>(id: unknown): ChildHandle<T> {
    const key = termKey(id)
    const finder: ChildFinder = {
      find: () => this.find(key),
      reachable: () => this.reachable(key),
      settle: () => this.awaitChild(key),
      now: () => this.seat.world.clock.now(),
      pause: () => this.pause(RETRY_MS),
    }
    return new ChildHandle<T>(id, finder, this.seat.verbs)
  }

  /** Leaves the supervisor: its children here stop, and the other members start them. */
  async leave(): Promise<void> {
    if (!this.server) return
    const { server } = this
    this.server = undefined
    await this.seat.members.leave(this.name, server)
    await this.runner.leave()
    this.seat.processes.exit(server, 'shutdown')
    this.seat.left()
  }

  /** Leaves, so that this node can be stopped without a child missing anywhere. */
  drain(): Promise<void> {
    return this.leave()
  }

  private find(id: string): Pid | undefined {
    return this.claims.table.find(id)?.pid
  }

  private moduleName(module: string | (abstract new () => GenServer)): string {
    if (typeof module === 'string') return module
    for (const [name, offered] of Object.entries(this.options.modules ?? {})) {
      if (offered === module) return name
    }
    return module.name
  }

  private token(): string {
    const { random } = this.seat.world
    return `${random.uint32().toString(36)}${random.uint32().toString(36)}`
  }

  /** Undefined: that node does not see the id as its own, or was lost; try again. */
  private async startOn(
    node: string,
    id: string,
    childId: unknown,
    recipe: ChildRecipe,
    timeoutMs: number,
  ): Promise<Pid | undefined> {
    if (node === this.seat.scopes.node) {
      const pid = await this.within(timeoutMs, this.runner.start(id, childId, recipe))
      if (pid) await this.seat.scopes.replicated(this.specs)
      return pid
    }
    const to = { name: supervisorServerName(this.name), node }
    const call = this.seat.processes.call(
      to,
      'start',
      [id, childId, recipe, this.specs.table.versionMax],
      timeoutMs,
    )
    const reply = await toOutcome(call)
    if (reply.ok) return fromOutcome(reply.value as RemoteOutcome<Pid | null>) ?? undefined
    // The node was lost or is leaving. The token makes asking again harmless.
    if (reply.code === 'noconnection' || reply.code === 'noproc' || reply.code === 'exited')
      return undefined
    return fromOutcome(reply) as never
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
    while (this.specs.table.rows.get(id)?.recipe && this.server && clock.now() < deadline) {
      const pid = this.reachable(id)
      if (pid) return pid
      await this.pause(RETRY_MS)
    }
    return undefined
  }

  /** Undefined when it took longer: an `init` may never return. */
  private async within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
    let timer: Timer | undefined
    const late = new Promise<undefined>((resolve) => {
      timer = this.seat.world.clock.after(ms, () => resolve(undefined))
    })
    try {
      return await Promise.race([work, late])
    } finally {
      timer?.cancel()
    }
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.seat.world.clock.after(ms, resolve))
  }

  private unavailable(childId: unknown, node: string): CitadelError {
    return new CitadelError(
      'unavailable',
      `Child ${showKey(childId)} belongs on ${node}, which cannot be reached now; try again in a few seconds.`,
    )
  }
}
