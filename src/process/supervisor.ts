/**
 * The local supervisor: starts children in order, restarts them by its strategy when they end, and
 * stops them in reverse. When restarts come too often it gives up and ends with `shutdown`, which is
 * its own supervisor's business. It is a GenServer itself:
 *
 *     const pid = await Supervisor.start(citadel, {
 *       strategy: 'one_for_one',
 *       children: [{ id: 'counter', module: Counter, args: [5] }],
 *     })
 *     await citadel.call(pid, 'whichChildren')
 */

import { attempt } from '../base/arguments.js'
import { describeQuoted } from '../base/describe.js'
import { details } from '../base/error-text.js'
import { CitadelError, type ErrorCode } from '../base/errors.js'
import { numberFrom, oneOf, type Rules, readOptions, rule } from '../base/options.js'
import { Refusal } from '../base/refusal.js'
import type { Pid } from '../term/pid.js'
import type { BoundNode } from './bound-node.js'
import {
  type ChildSpec,
  type Complete,
  completeSpec,
  mustRestart,
  type Restart,
} from './child-spec.js'
import { describeReason, errorOf } from './exit-reason.js'
import { GenServer } from './gen-server.js'
import { isExit } from './item-kinds.js'
import { SPAWN_RULES, type SpawnOptions } from './process.js'
import { noReply } from './request.js'
import { RestartIntensity } from './restart-intensity.js'
import type { ServerClass, ServerShape } from './typed-call.js'

export type Strategy =
  /** Only the child that ended is restarted. */
  | 'one_for_one'
  /** All others are stopped, then all are started. */
  | 'one_for_all'
  /** Those started after it are stopped, then it and they are started. */
  | 'rest_for_one'

export interface SupervisorOptions {
  strategy?: Strategy | undefined
  children?: readonly ChildSpec[] | undefined
  /** More than this many restarts within `maxSeconds` end the supervisor: 3 in 5 unless set. */
  maxRestarts?: number | undefined
  maxSeconds?: number | undefined
}

const RULES: Rules<SupervisorOptions> = {
  strategy: oneOf('one_for_one', 'one_for_all', 'rest_for_one'),
  children: rule.list,
  maxRestarts: numberFrom(0),
  maxSeconds: numberFrom(0, 'a number of seconds from 0'),
}

export interface ChildInfo {
  readonly id: string
  /** Undefined: not running. */
  readonly pid: Pid | undefined
  readonly restart: Restart
}

interface Child {
  readonly spec: Complete
  pid: Pid | undefined
}

export class Supervisor extends GenServer {
  /** Its messages hold classes, and it never speaks to another node. */
  static readonly passByReference = true
  /** Children have time-outs of their own. */
  static readonly terminateTimeoutMs = Number.POSITIVE_INFINITY

  /** In the order in which they start. */
  readonly #children = new Map<string, Child>()
  /** Children that it stopped itself and whose `Exit` it has not seen yet. */
  readonly #stopped = new Set<number | string>()
  #strategy: Strategy = 'one_for_one'
  #intensity = new RestartIntensity(3, 5)

  /** Starts a supervisor, linked to the process that starts it. */
  static async start(
    citadel: Pick<BoundNode, 'spawn'>,
    options: SupervisorOptions,
    spawnOptions?: SpawnOptions,
  ): Promise<Pid<Supervisor>> {
    const read = readOptions('Supervisor.start', options, RULES)
    const { link = true, ...rest } = readOptions('Supervisor.start', spawnOptions, SPAWN_RULES)
    if (attempt(() => typeof citadel.spawn) !== 'function') {
      throw new CitadelError(
        'bad_argument',
        'Supervisor.start(citadel, options) wants a node first',
      )
    }
    return citadel.spawn(Supervisor, [read], { link, ...rest })
  }

  override async init(given?: SupervisorOptions): Promise<void> {
    const options = readOptions('Supervisor', given, RULES)
    this.trapExit = true
    this.#strategy = options.strategy ?? 'one_for_one'
    this.#intensity = new RestartIntensity(options.maxRestarts ?? 3, options.maxSeconds ?? 5)
    for (const spec of options.children ?? []) this.#add(spec)
    try {
      await this.#startAll([...this.#children.values()])
    } catch (error) {
      await this.terminate()
      throw error
    }
  }

  /** Rejects `already_started` for an id in use, `init_failed` when the child does not start. */
  startChild(spec: ChildSpec): Promise<Pid | typeof noReply> {
    return this.#answering(async () => {
      const child = this.#add(spec)
      try {
        return await this.#start(child)
      } catch (error) {
        this.#children.delete(child.spec.id)
        throw error
      }
    })
  }

  /** Stops a child. It is not restarted, but stays known unless it is temporary. */
  terminateChild(id: string): Promise<boolean | typeof noReply> {
    return this.#answering(async () => {
      const child = this.#known(id)
      await this.#stop(child)
      if (child.spec.restart === 'temporary') this.#children.delete(id)
      return true
    })
  }

  /** Starts a child that is known and not running. */
  restartChild(id: string): Promise<Pid | typeof noReply> {
    return this.#answering(() => {
      const child = this.#known(id)
      this.#mustNotRun(child)
      return this.#start(child)
    })
  }

  /** Forgets a child that is not running. */
  deleteChild(id: string): Promise<boolean | typeof noReply> {
    return this.#answering(async () => {
      this.#mustNotRun(this.#known(id))
      return this.#children.delete(id)
    })
  }

  whichChildren(): ChildInfo[] {
    return [...this.#children.values()].map(({ spec, pid }) => {
      return { id: spec.id, pid, restart: spec.restart }
    })
  }

  countChildren(): { specs: number; active: number } {
    const active = [...this.#children.values()].filter(({ pid }) => pid !== undefined).length
    return { specs: this.#children.size, active }
  }

  override async handleInfo(message: unknown): Promise<void> {
    if (!isExit(message)) return
    const child = [...this.#children.values()].find(({ pid }) => pid?.equals(message.pid) === true)
    if (child !== undefined) await this.#childEnded(child, message.reason)
    else if (this.#stopped.delete(message.pid.key)) return
    else if (message.reason === 'shutdown') this.citadel.exit(this.self, 'shutdown')
  }

  override async terminate(): Promise<void> {
    await this.#stopAll([...this.#children.values()])
  }

  /** What goes wrong for one caller is that caller's error and no reason to end; a cast has none. */
  async #answering<R>(work: () => Promise<R>): Promise<R | typeof noReply> {
    const { from } = this
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof CitadelError)) throw error
      if (from === undefined) throw new Refusal(error.code, error.message)
      this.citadel.reject(from, error)
      return noReply
    }
  }

  #add(given: ChildSpec): Child {
    const spec = completeSpec(given, (module) => attempt(() => isSupervisor(module)))
    const { id } = spec
    const known = this.#children.get(id)
    if (known !== undefined) {
      const hint = known.pid === undefined ? 'use restartChild, or deleteChild first' : 'it runs'
      throw failure('already_started', `there is a child '${id}' already: ${hint}`, known.pid)
    }
    const child: Child = { spec, pid: undefined }
    this.#children.set(id, child)
    return child
  }

  #known(id: string): Child {
    const child = this.#children.get(id)
    if (child !== undefined) return child
    throw failure('not_found', `there is no child ${describeQuoted(id)}: see whichChildren`)
  }

  #mustNotRun({ spec, pid }: Child): void {
    if (pid === undefined) return
    throw failure('already_started', `child '${spec.id}' runs: use terminateChild first`, pid)
  }

  async #start(child: Child): Promise<Pid> {
    const { module, args, name } = child.spec
    const options: SpawnOptions = name === '' ? { link: true } : { link: true, name }
    child.pid = await this.citadel.spawn(module as ServerClass<ServerShape>, args as [], options)
    return child.pid
  }

  async #startAll(children: readonly Child[]): Promise<void> {
    for (const child of children) if (child.pid === undefined) await this.#start(child)
  }

  async #stopAll(children: readonly Child[]): Promise<void> {
    for (const child of [...children].reverse()) await this.#stop(child)
  }

  async #stop(child: Child): Promise<void> {
    const { pid } = child
    if (pid === undefined) return
    const { shutdown } = child.spec
    child.pid = undefined
    this.#stopped.add(pid.key)
    const ended = this.citadel.whenEnded(pid)
    this.citadel.exit(pid, shutdown === 'brutal_kill' ? 'kill' : 'shutdown')
    const isTimed = typeof shutdown === 'number' && shutdown !== Number.POSITIVE_INFINITY
    const timer = isTimed ? this.citadel.exitAfter(pid, 'kill', shutdown) : undefined
    await ended
    if (timer !== undefined) this.citadel.cancelTimer(timer)
  }

  async #childEnded(child: Child, reason: unknown): Promise<void> {
    child.pid = undefined
    const { id, restart } = child.spec
    if (!mustRestart(restart, reason)) {
      if (restart === 'temporary') this.#children.delete(id)
      return
    }
    while (this.#intensity.allows(this.citadel.now())) {
      if (await this.#restart(child)) return
    }
    const sentence = `supervisor ${this.self} gives up: child '${id}' ended too often`
    const error = errorOf(reason)
    this.citadel.log.error(
      `${sentence}, the last time by ${describeReason(reason)}`,
      details(error),
    )
    this.citadel.exit(this.self, 'shutdown')
  }

  /** False: a child did not start, which counts as one more restart. */
  async #restart(child: Child): Promise<boolean> {
    const affected = this.#affected(child)
    await this.#stopAll(affected)
    const kept = affected.filter(({ spec }) => spec.restart !== 'temporary')
    for (const { spec } of affected)
      if (spec.restart === 'temporary') this.#children.delete(spec.id)
    try {
      await this.#startAll(kept)
      return true
    } catch (error) {
      if (error instanceof CitadelError) return false
      throw error
    }
  }

  /** The children to stop and start again with `child`; temporary ones are gone for good. */
  #affected(child: Child): Child[] {
    const all = [...this.#children.values()]
    if (this.#strategy === 'one_for_one') return [child]
    return this.#strategy === 'one_for_all' ? all : all.slice(all.indexOf(child))
  }
}

const isSupervisor = (module: ChildSpec['module']): boolean =>
  module === Supervisor || module.prototype instanceof Supervisor

const failure = (code: ErrorCode, sentence: string, pid?: Pid): CitadelError =>
  new CitadelError(code, sentence, pid === undefined ? {} : { pid })
