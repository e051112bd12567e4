/**
 * One node's share of a distributed supervisor: claims ids, starts their processes, restarts what
 * crashes, adopts what has no runner, stops what it lost or what was terminated. Level-triggered:
 * `orphans` holds the ids with a spec and no claim, and every change of the tables or of the view
 * looks at them again, so that a second death or a late joiner loses nothing.
 */
import type { Clock } from '../base/clock.js'
import { CitadelError } from '../base/errors.js'
import type { Logger } from '../base/log.js'
import { mustRestart } from '../process/child-spec.js'
import { describeReason } from '../process/exit-reason.js'
import { RestartIntensity } from '../process/restart-intensity.js'
import type { Pid } from '../term/pid.js'
import type { ClaimChange } from './claim-table.js'
import type { ClaimOutcome } from './claimant.js'
import type { ProcessPort, ServerModule } from './process-port.js'
import type { Scope } from './scope.js'
import type { Scopes } from './scopes.js'
import { showKey } from './show-key.js'
import type { ChildRecipe, SpecRow } from './spec-table.js'
import { specPut } from './spec-table.js'
import type { SupervisorMembers } from './supervisor-members.js'

export interface RunnerOptions {
  /** More restarts of one child than this within `maxSeconds`, and it is given up. */
  maxRestarts: number
  maxSeconds: number
  /** The first crash restarts at once, later ones after this, doubling up to `backoffMaxMs`. */
  backoffMs: number
  backoffMaxMs: number
}

interface Child {
  readonly id: string
  readonly childId: unknown
  readonly recipe: ChildRecipe
  readonly intensity: RestartIntensity
  epoch: number
  pid: Pid | undefined
  /** Set once the child is to end for good; no restart follows. */
  stopping: boolean
  readonly stopped: Promise<void>
  readonly hasStopped: () => void
}

const CLAIM_MS = 5_000
/** Somebody else has it, who decides is out of reach, or it was terminated meanwhile: no news. */
const ADOPTED_LATER: ReadonlySet<string> = new Set([
  'already_started',
  'unavailable',
  'timeout',
  'exited',
])
/** How many orphans are being started at one time. */
const ADOPTIONS_MAX = 256

export class ChildRunner {
  private readonly children = new Map<string, Child>()
  private readonly starting = new Map<string, Promise<Pid>>()
  private readonly orphans = new Set<string>()
  private leaving = false
  private readonly claims: Scope<'c'>
  private readonly specs: Scope<'s'>
  private readonly unsubscribe: (() => void)[]

  constructor(
    private readonly supervisor: string,
    private readonly modules: ReadonlyMap<string, ServerModule>,
    private readonly members: SupervisorMembers,
    private readonly scopes: Scopes,
    private readonly processes: ProcessPort,
    private readonly world: { clock: Clock; log: Logger },
    private readonly options: RunnerOptions,
  ) {
    this.claims = scopes.scope<'c'>(`c:supervisor/${supervisor}`)
    this.specs = scopes.scope<'s'>(`s:supervisor/${supervisor}`)
    const onClaim = (change: ClaimChange): void => this.claimChanged(change)
    const onSpec = (row: SpecRow): void => this.specChanged(row)
    this.claims.listeners.add(onClaim)
    this.specs.listeners.add(onSpec)
    this.unsubscribe = [
      () => this.claims.listeners.delete(onClaim),
      () => this.specs.listeners.delete(onSpec),
      scopes.onView(() => this.adopt()),
    ]
    for (const row of this.specs.table.rows.values()) this.noteOrphan(row.id)
  }

  /** The processes that run here, by the ids users gave. */
  running(): Map<unknown, Pid> {
    const running = new Map<unknown, Pid>()
    for (const { childId, pid } of this.children.values()) if (pid) running.set(childId, pid)
    return running
  }

  /**
   * Starts a child here. Undefined: by this node's view it belongs on another one. A repeated
   * request, known by the recipe's token, gets the process that the first one started. `versionMax`
   * is the requester's: a node that has just come back may not have heard of an older end of the id.
   */
  async start(
    id: string,
    childId: unknown,
    recipe: ChildRecipe,
    versionMax = 0,
  ): Promise<Pid | undefined> {
    for (let work = this.starting.get(id); work; work = this.starting.get(id)) {
      await work.catch(() => undefined)
    }
    const running = this.runningAs(id, childId, recipe.token)
    if (running) return running
    if (this.leaving || this.members.nodeFor(id, recipe.module) !== this.scopes.node)
      return undefined
    this.specs.table.raiseVersion(versionMax)
    const spec = { id, childId, recipe, version: 0, author: this.scopes.node, learnedAt: 0 }
    return this.begin(id, this.run(spec, true))
  }

  /** Ends a child that runs here and lets its id go. */
  async stop(id: string, reason: unknown = 'shutdown'): Promise<void> {
    const child = this.children.get(id)
    if (!child) return
    this.beginStop(child, reason)
    await child.stopped
  }

  /** Writes the end of an id; whoever runs it stops it. */
  terminate(id: string, childId: unknown, versionMax = 0): void {
    this.specs.table.raiseVersion(versionMax)
    this.write({
      id,
      childId,
      recipe: undefined,
      version: 0,
      author: this.scopes.node,
      learnedAt: 0,
    })
  }

  /** Stops every child here; the other members adopt them. */
  async leave(): Promise<void> {
    this.leaving = true
    for (const unsubscribe of this.unsubscribe) unsubscribe()
    await Promise.allSettled(this.starting.values())
    await Promise.all([...this.children.keys()].map((id) => this.stop(id)))
    await this.scopes.changed()
  }

  /** The process that this request, or an earlier copy of it, has started; others are in its way. */
  private runningAs(id: string, childId: unknown, token: string): Pid | undefined {
    const pid = this.children.get(id)?.pid ?? this.claims.table.find(id)?.pid
    if (pid && this.specs.table.rows.get(id)?.recipe?.token !== token)
      throw alreadyStarted(childId, pid)
    return pid
  }

  private begin(id: string, work: Promise<Pid>): Promise<Pid> {
    const done = work.finally(() => {
      if (this.starting.get(id) === done) this.starting.delete(id)
    })
    this.starting.set(id, done)
    return done
  }

  /** Claims the id, then starts its process. What fails at its first start is not tried again. */
  private async run(spec: SpecRow, first: boolean): Promise<Pid> {
    const child = await this.claim(spec, first)
    if (!first && child.recipe.restart === 'temporary') return this.letGo(child)
    try {
      return await this.startProcess(child)
    } catch (error) {
      if (first || child.stopping) this.discard(child)
      else this.restart(child, error)
      if (first && this.specs.table.rows.get(spec.id)?.recipe?.token === spec.recipe?.token) {
        this.terminate(spec.id, spec.childId)
      }
      throw error
    }
  }

  /** Its node is gone, and it is not to be started again: only its end is written. */
  private letGo(child: Child): never {
    this.discard(child)
    this.terminate(child.id, child.childId)
    throw new CitadelError(
      'exited',
      `Child ${showKey(child.childId)} is temporary and its node is gone.`,
    )
  }

  private async claim(spec: SpecRow, first: boolean): Promise<Child> {
    let child: Child | undefined
    const scope = this.claims.replica.scope
    const request = { scope, id: spec.id, pid: undefined, force: false, timeoutMs: CLAIM_MS }
    const outcome = await this.scopes.claim(request, (epoch) => {
      // It may have been terminated, or started anew, while the claim was on its way.
      const recipe = first ? spec.recipe : this.specs.table.rows.get(spec.id)?.recipe
      if (!recipe || this.leaving || this.children.has(spec.id)) return false
      child = this.makeChild(spec, recipe, epoch)
      this.children.set(spec.id, child)
      this.putClaim(child)
      if (first) this.write(spec)
      return true
    })
    if (!child) throw refused(spec.childId, outcome)
    return child
  }

  private makeChild({ id, childId }: SpecRow, recipe: ChildRecipe, epoch: number): Child {
    let hasStopped = (): void => {}
    const stopped = new Promise<void>((resolve) => {
      hasStopped = resolve
    })
    const intensity = new RestartIntensity(this.options.maxRestarts, this.options.maxSeconds)
    return {
      id,
      childId,
      recipe,
      intensity,
      epoch,
      pid: undefined,
      stopping: false,
      stopped,
      hasStopped,
    }
  }

  private async startProcess(child: Child): Promise<Pid> {
    const module = this.modules.get(child.recipe.module)
    if (!module)
      throw new CitadelError('no_placement', `This node offers no module ${child.recipe.module}.`)
    const pid = await this.processes.spawn(module, child.recipe.args)
    if (child.stopping) {
      this.processes.exit(pid, 'kill')
      throw new CitadelError(
        'exited',
        `Child ${showKey(child.childId)} was stopped while it started.`,
        {
          reason: 'shutdown',
        },
      )
    }
    child.pid = pid
    this.putClaim(child)
    this.processes.watchExit(pid, (_, reason) => this.ended(child, reason))
    return pid
  }

  private putClaim({ id, childId: key, pid, epoch }: Child): void {
    const { own } = this.claims
    this.scopes.putClaim(this.claims, {
      id,
      key,
      pid,
      epoch,
      forced: false,
      meta: undefined,
      origin: own,
      mark: 0,
    })
  }

  /** Writes a spec as the newest version of it. */
  private write(row: SpecRow): void {
    const version = this.specs.table.versionMax + 1
    const stamped = { ...row, version, learnedAt: this.world.clock.now() }
    if (!this.specs.table.merge(stamped)) return
    this.specs.replica.wrote(specPut(stamped))
    void this.scopes.changed()
  }

  // --- ends and restarts

  private ended(child: Child, reason: unknown): void {
    child.pid = undefined
    if (child.stopping) return this.discard(child)
    if (!mustRestart(child.recipe.restart, reason)) {
      this.discard(child)
      return this.terminate(child.id, child.childId)
    }
    this.putClaim(child)
    this.restart(child, reason)
  }

  private restart(child: Child, reason: unknown): void {
    const { clock, log } = this.world
    if (!child.intensity.allows(clock.now())) {
      const { maxRestarts, maxSeconds } = this.options
      log.error(
        `Supervisor ${this.supervisor}: child ${showKey(child.childId)} ended more than ${maxRestarts} times in ` +
          `${maxSeconds} s and is given up; start it again when its cause is mended.`,
        { reason: describeReason(reason) },
      )
      this.discard(child)
      return this.terminate(child.id, child.childId)
    }
    const { backoffMs, backoffMaxMs } = this.options
    const crashes = child.intensity.count
    const delay = crashes === 1 ? 0 : Math.min(backoffMaxMs, backoffMs * 2 ** (crashes - 2))
    const again = (): void => {
      if (child.stopping) return this.discard(child)
      this.startProcess(child).catch((error) => {
        if (child.stopping) this.discard(child)
        else this.restart(child, error)
      })
    }
    if (delay === 0) again()
    else clock.after(delay, again)
  }

  private beginStop(child: Child, reason: unknown): void {
    if (child.stopping) return
    child.stopping = true
    const { pid } = child
    if (!pid) {
      // Its `init` may never return: a new start of the id must not wait for it.
      this.starting.delete(child.id)
      return this.discard(child)
    }
    this.processes.exit(pid, reason)
    const kill = this.world.clock.after(child.recipe.shutdownMs, () =>
      this.processes.exit(pid, 'kill'),
    )
    void child.stopped.then(() => kill.cancel())
  }

  private discard(child: Child): void {
    child.stopping = true
    if (this.children.get(child.id) === child) {
      this.children.delete(child.id)
      this.scopes.deleteOwn(this.claims, child.id, 'normal')
    }
    child.hasStopped()
  }

  // --- the tables have changed

  private claimChanged({ id, before, after }: ClaimChange): void {
    if (after) this.orphans.delete(id)
    else this.noteOrphan(id)
    if (before?.origin === this.claims.own && after && after.origin !== this.claims.own) {
      const child = this.children.get(id)
      if (child) this.beginStop(child, 'name_conflict')
    }
  }

  private specChanged(row: SpecRow): void {
    this.noteOrphan(row.id, row)
    if (row.recipe) return
    const child = this.children.get(row.id)
    if (child) this.beginStop(child, 'shutdown')
  }

  private noteOrphan(id: string, spec = this.specs.table.rows.get(id)): void {
    if (!spec?.recipe || this.claims.table.find(id)) {
      this.orphans.delete(id)
      return
    }
    this.orphans.add(id)
    this.adoptSoon()
  }

  private adopting = 0
  private adoptionDue = false

  /** Once per turn, however many ids have lost their runner in it. */
  private adoptSoon(): void {
    if (this.adoptionDue || this.leaving) return
    this.adoptionDue = true
    this.world.clock.soon(() => {
      this.adoptionDue = false
      this.adopt()
    })
  }

  private adopt(): void {
    if (this.orphans.size === 0) return
    const nodeFor = this.members.chooser()
    for (const id of this.orphans) {
      if (this.leaving || this.adopting >= ADOPTIONS_MAX) return
      const spec = this.specs.table.rows.get(id)
      if (!spec?.recipe || this.children.has(id) || this.starting.has(id)) continue
      if (nodeFor(id, spec.recipe.module) === this.scopes.node) this.adoptOne(spec)
    }
  }

  private adoptOne(spec: SpecRow): void {
    this.adopting++
    this.begin(spec.id, this.run(spec, false))
      .catch((error) => this.adoptionFailed(spec, error))
      .finally(() => {
        this.adopting--
        if (this.adopting <= ADOPTIONS_MAX / 2 && this.orphans.size > 0) this.adoptSoon()
      })
  }

  /** Somebody else has it, or who decides was out of reach: the next view or heads will tell. */
  private adoptionFailed({ childId }: SpecRow, error: unknown): void {
    const code = error instanceof CitadelError ? error.code : undefined
    if (code !== undefined && ADOPTED_LATER.has(code)) return
    const child = showKey(childId)
    this.world.log.error(`Supervisor ${this.supervisor}: child ${child} could not start again.`, {
      error: String(error),
    })
  }
}

function alreadyStarted(childId: unknown, pid: Pid | undefined): CitadelError {
  return new CitadelError(
    'already_started',
    `Child ${showKey(childId)} runs already, as ${pid}; look it up instead.`,
    { pid },
  )
}

function refused(childId: unknown, outcome: ClaimOutcome): CitadelError {
  switch (outcome.type) {
    case 'taken':
      return alreadyStarted(childId, outcome.pid)
    case 'unavailable':
      return new CitadelError(
        'unavailable',
        `Who decides about child ${showKey(childId)} cannot be reached; try again soon.`,
      )
    default:
      return new CitadelError(
        'timeout',
        `No decision about child ${showKey(childId)} in time; try again.`,
      )
  }
}
