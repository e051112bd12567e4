/**
 * Starts of children on this node: claims the id, then starts its process. One start of an id at a
 * time; whoever asks while one is under way, or while the child restarts or ends, waits for that.
 */
import type { Clock } from '../../base/clock.js'
import { within } from '../../base/within.js'
import type { ChildPort, ServerModule } from '../../kernel/process-port.js'
import { copied } from '../../term/kept.js'
import type { Pid } from '../../term/pid.js'
import { alreadyStarted, type Child, refused } from '../children/child.js'
import * as errors from '../children/child-errors.js'
import type { ChildTable } from '../children/child-table.js'
import type { Trial } from '../children/node-deaths.js'
import type { Scopes } from '../scopes/scopes.js'
import type { Scope } from '../tables/scope.js'
import type { ChildRecipe, SpecRow } from '../tables/spec-table.js'
import type { SupervisorMembers } from './supervisor-members.js'

export interface ChildStartsParts {
  readonly scopes: Scopes
  readonly clock: Clock
  readonly members: SupervisorMembers
  readonly modules: ReadonlyMap<string, ServerModule>
  readonly processes: ChildPort
  readonly children: ChildTable
  readonly claims: Scope<'c'>
  readonly specs: Scope<'s'>
  /** The child's process runs, and is to be looked after. */
  started(child: Child, pid: Pid): void
  /** Its `init` has not returned yet. */
  slow(child: Child, ms: number): void
  /** The process of a child that was to run again did not start. */
  failed(child: Child, error: unknown): void
  /** A temporary child whose node is gone. */
  finish(child: Child, reason: unknown): void
  terminate(id: string, childId: unknown): void
  write(row: SpecRow): void
}

/** What is to run, and how long whoever asks for it waits. */
export interface StartWish {
  readonly id: string
  readonly childId: unknown
  readonly recipe: ChildRecipe
  readonly timeoutMs: number
}

const ADOPT_MS = 5_000
const LOOK_MS = 20
/** An `init` that takes longer is worth a word. */
const SLOW_MS = 5_000
/** How long a node that leaves waits for starts: what takes longer has perhaps never begun. */
const CLOSE_MS = 1_000

export class ChildStarts {
  private readonly underWay = new Map<string, Promise<unknown>>()
  /** How many have come or started that belonged elsewhere, or were too many, by the time they were here. */
  misplaced = 0
  private isClosed = false

  constructor(private readonly parts: ChildStartsParts) {}

  get size(): number {
    return this.underWay.size
  }

  has(id: string): boolean {
    return this.underWay.has(id)
  }

  /** The start of an id is not waited for any more. */
  forget(id: string): void {
    this.underWay.delete(id)
  }

  /** Nothing starts here from now on. Resolves when what had begun is through, or takes long. */
  async close(): Promise<void> {
    this.isClosed = true
    await within(this.parts.clock, CLOSE_MS, Promise.allSettled(this.underWay.values()))
  }

  /** Begins another kind of start of the id, once no start of it is under way. */
  async after<T>(id: string, begin: () => Promise<T>): Promise<T> {
    for (let work = this.underWay.get(id); work; work = this.underWay.get(id)) {
      await work.catch(() => undefined)
    }
    return this.begin(id, begin())
  }

  /** Notes a start until it is over. The caller has looked that there is no other one. */
  private begin<T>(id: string, work: Promise<T>): Promise<T> {
    const done = work.finally(() => {
      if (this.underWay.get(id) === done) this.underWay.delete(id)
    })
    this.underWay.set(id, done)
    return done
  }

  /**
   * A start that somebody has asked for. `isNew` false: an earlier copy of the request has made it.
   * Undefined: by this node's view the child belongs on another one.
   * @throws CitadelError `already_started` with the pid of the one that runs; `timeout`.
   */
  async start(wish: StartWish): Promise<{ pid: Pid; isNew: boolean } | undefined> {
    const { id, childId, recipe, timeoutMs } = wish
    const deadline = this.parts.clock.now() + timeoutMs
    for (;;) {
      await this.settled(wish, deadline)
      // From here to `begin` nothing is waited for: of two in one turn the second finds the first.
      const running = this.runningAs(wish)
      if (running) return { pid: running, isNew: false }
      if (this.isClosed || !this.belongsHere(id, recipe)) return undefined
      const { node: author } = this.parts.scopes
      const spec = { id, childId, recipe, version: 0, author, learnedAt: 0 }
      const left = deadline - this.parts.clock.now()
      const pid = await this.begin(id, this.run(spec, true, left))
      if (pid) return { pid, isNew: true }
    }
  }

  /** Undefined: it is not wanted any more, or not here. */
  adopt(spec: SpecRow, trial: Trial | undefined): Promise<Pid | undefined> {
    return this.begin(spec.id, this.run(spec, false, ADOPT_MS, trial))
  }

  /** A sticky placement gives a new child to any node that may run it. */
  private belongsHere(id: string, { module, avoid }: ChildRecipe): boolean {
    const { members, scopes } = this.parts
    return members.sticky
      ? members.mayRun(scopes.node, module)
      : members.nodeFor(id, module, { avoid }) === scopes.node
  }

  /** It is here now, whether the placement can say so or not. */
  noteIfMisplaced(id: string, recipe: ChildRecipe): void {
    const { members, scopes } = this.parts
    try {
      const isHere = this.belongsHere(id, recipe) && !members.isTooFull(scopes.node, recipe.module)
      if (!isHere) this.misplaced++
    } catch {
      // Whoever places it next is told of it.
    }
  }

  /** Waits while it is open whether the child runs here: it starts, restarts, or ends just now. */
  private async settled({ id, childId }: StartWish, deadline: number): Promise<void> {
    const { children, clock } = this.parts
    for (;;) {
      const work = this.underWay.get(id)
      const child = children.get(id)
      if (!work && !(child && (child.stopping || !child.pid))) return
      const left = deadline - clock.now()
      if (left <= 0) throw errors.startedLate(childId)
      const pause = new Promise<void>((resolve) => clock.after(Math.min(LOOK_MS, left), resolve))
      const changed = work ? work.catch(() => undefined) : child?.stopped
      await Promise.race([changed, pause])
    }
  }

  /** The process that this request, or an earlier copy of it, has started; others are in its way. */
  private runningAs({ id, childId, recipe: { token } }: StartWish): Pid | undefined {
    const { children, claims, specs } = this.parts
    const pid = children.get(id)?.pid ?? claims.table.find(id)?.pid
    if (pid && specs.table.rows.get(id)?.recipe?.token !== token) throw alreadyStarted(childId, pid)
    return pid
  }

  /** Claims the id, then starts its process. What fails at its first start is not tried again. */
  private async run(
    spec: SpecRow,
    first: boolean,
    timeoutMs: number,
    trial?: Trial,
  ): Promise<Pid | undefined> {
    const { children } = this.parts
    const child = await this.claim(spec, first, timeoutMs, trial)
    if (!child) return undefined
    if (!first && child.recipe.restart === 'temporary') return this.letGo(child)
    try {
      const pid = await this.startProcess(child)
      this.noteIfMisplaced(spec.id, child.recipe)
      return pid
    } catch (error) {
      const leaseLost = errors.isLeaseLost(error)
      const { stopping } = child
      if (first || stopping || leaseLost) children.discard(child)
      else this.parts.failed(child, error)
      if (leaseLost) throw errors.leaseLostAtStart(spec.childId)
      if (first && this.isOnlyStart(spec)) this.parts.terminate(spec.id, spec.childId)
      throw stopping ? errors.stoppedAtStart(spec.childId) : error
    }
  }

  /** Not if another start of the id runs elsewhere, as after a split. */
  private isOnlyStart({ id, recipe }: SpecRow): boolean {
    const known = this.parts.specs.table.rows.get(id)?.recipe
    return known?.token === recipe?.token && !this.parts.claims.table.find(id)
  }

  /** Its node is gone, and it is not to be started again: only its end is written. */
  private letGo(child: Child): never {
    this.parts.children.discard(child)
    this.parts.finish(child, 'noconnection')
    throw errors.nodeIsGone(child.childId)
  }

  /** Undefined: it is granted and of no use, since the child has ended, or runs, or the node leaves. */
  private async claim(
    spec: SpecRow,
    first: boolean,
    timeoutMs: number,
    trial: Trial | undefined,
  ): Promise<Child | undefined> {
    const { claims, specs, children, scopes } = this.parts
    let child: Child | undefined
    const { scope } = claims.replica
    const request = { scope, id: spec.id, pid: undefined, force: false, timeoutMs }
    const outcome = await scopes.claim(request, (epoch) => {
      // It may have been terminated, or started anew, while the claim was on its way.
      const recipe = first ? spec.recipe : specs.table.rows.get(spec.id)?.recipe
      if (!recipe || this.isClosed || children.has(spec.id)) return false
      child = children.add(spec.id, children.identity(spec.childId, epoch), recipe)
      child.trial = trial
      children.writeClaim(child)
      if (first) this.parts.write(spec)
      return true
    })
    if (!child && outcome.type !== 'granted') throw refused(spec.childId, outcome)
    return child
  }

  async startProcess(child: Child): Promise<Pid> {
    const { processes, modules, children, clock } = this.parts
    const module = modules.get(child.recipe.module)
    if (!module) throw errors.noModule(child.recipe.module)
    const warning = clock.after(SLOW_MS, () => this.parts.slow(child, SLOW_MS))
    let pid: Pid
    // Not by `finally` of the promise: it takes turns in which a process that crashes at once goes unseen.
    try {
      pid = await processes.spawn(module, child.recipe.args.map(copied), child.identity)
    } finally {
      warning.cancel()
    }
    if (child.stopping) {
      processes.exit(pid, 'kill')
      throw errors.stoppedAtStart(child.childId)
    }
    child.pid = pid
    children.writeClaim(child)
    this.parts.started(child, pid)
    return pid
  }
}
