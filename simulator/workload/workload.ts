/**
 * What users do all the time while faults happen: names, groups, children, calls, links, messages,
 * ends of processes, from every node that is up, drawn from the seed. Each operation reports what
 * it was told to the ledgers.
 */
import { CitadelError } from '../../src/base/errors.js'
import type { Pid } from '../../src/term/pid.js'
import type { SeededRandom } from '../../src/testing/seeded-random.js'
import type { Ledgers } from '../checks/ledgers.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import type { ClusterSimulation } from '../cluster/cluster-simulation.js'
import { WorkloadChildren } from './workload-children.js'
import { follow, type Operation, verbs } from './workload-operation.js'

const KEYS = 24
const GROUPS = 8
const WORKERS_PER_NODE = 6
/** Workers that are remembered: the living, and some of the dead, who are asked too. */
const WORKERS_MAX = 200
const ENDS_CHILDREN: ReadonlySet<string> = new Set(['terminateChild', 'endChild'])
const CALL_TIMEOUTS_MS = [300, 1_000, 5_000] as const

export class Workload {
  /** How often each operation was done. */
  readonly counts: Record<string, number> = {}
  private readonly workers: Pid[] = []
  private readonly operations: readonly (readonly [name: string, operation: Operation])[]
  /** True: from now on nobody ends a child. */
  gentle = false
  private readonly children: WorkloadChildren
  private running = false

  constructor(
    private readonly cluster: ClusterSimulation,
    private readonly ledgers: Ledgers,
    private readonly random: SeededRandom,
  ) {
    this.children = new WorkloadChildren({
      cluster,
      ledgers,
      random,
      ownWorker: (member) => this.ownWorker(member),
      on: (member, operation) => this.on(member, operation),
      note: (member, what) => this.note(member, what),
      failed: (member, what, error) => this.failed(member, what, error),
    })
    this.operations = this.draw()
  }

  /** Mean time between two operations in the whole cluster. */
  start(everyMs: number): void {
    this.running = true
    const next = (): void => {
      if (!this.running) return
      this.step()
      this.cluster.simulation.after(this.random.float() * 2 * everyMs, 'work', next)
    }
    next()
  }

  stop(): void {
    this.running = false
  }

  /** Every node calls every child. */
  callAll(): void {
    for (const member of this.cluster.working) {
      this.on(member, (working) => this.children.callAll(working))
    }
  }

  /** For so long all nodes are busy with children, on top of everything else. */
  rush(forMs: number, everyMs: number): void {
    const { simulation } = this.cluster
    const until = simulation.now + forMs
    const next = (): void => {
      const { working } = this.cluster
      if (!this.running || simulation.now >= until) return
      if (working.length > 0) {
        this.on(this.random.pick(working), (member) => this.children.busy(member))
      }
      simulation.after(this.random.float() * 2 * everyMs, 'work', next)
    }
    next()
  }

  /** A node is up: its workers start. */
  joined(member: ClusterMember): void {
    for (let index = 0; index < WORKERS_PER_NODE; index++) this.spawn(member)
  }

  private step(): void {
    const { working } = this.cluster
    if (working.length === 0) return
    const [name, operation] = this.random.pick(this.operations)
    if (this.gentle && ENDS_CHILDREN.has(name)) return
    this.counts[name] = (this.counts[name] ?? 0) + 1
    this.on(this.random.pick(working), operation)
  }

  /** As work of that node, when its program runs. */
  private on(member: ClusterMember, operation: Operation): void {
    member.run(() => {
      if (member.working) operation(member)
    })
  }

  /** Each seed likes some operations more than others. */
  private draw(): (readonly [string, Operation])[] {
    const kinds: Record<string, Operation> = {
      spawn: (member) => this.spawn(member),
      end: (member) => this.endWorker(member),
      register: (member) => this.register(member, this.key(), this.worker(member)),
      race: () => this.race(),
      unregister: (member) => this.unregister(member),
      force: (member) => this.register(member, this.key(), this.worker(member), true),
      join: (member) => this.group(member, 'join'),
      leave: (member) => this.group(member, 'leave'),
      registerChild: (member) => this.register(member, this.key(), this.children.somePid()),
      call: (member) => this.call(member),
      monitor: (member) => this.tie(member, 'watch', this.worker(member)),
      link: (member) => this.tie(member, 'tie', this.worker(member)),
      monitorChild: (member) => this.tie(member, 'watch', this.children.somePid()),
      pour: (member) => this.pour(member),
      ...this.children.operations(),
    }
    const operations: (readonly [string, Operation])[] = []
    for (const [name, operation] of Object.entries(kinds)) {
      const copies = 1 + this.random.below(4)
      for (let copy = 0; copy < copies; copy++) operations.push([name, operation])
    }
    return operations
  }

  // Processes.

  private spawn(member: ClusterMember): void {
    const trapExit = this.random.chance(0.5)
    follow(
      member,
      verbs(member).spawn(this.ledgers.Worker, [trapExit]),
      (pid) => {
        this.workers.push(pid)
        if (this.workers.length > WORKERS_MAX) this.workers.shift()
      },
      (error) => this.unexpected(member, 'spawn', error),
    )
  }

  private endWorker(member: ClusterMember): void {
    const pid = this.worker(member)
    if (!pid) return this.spawn(member)
    const way = this.random.pick(['kill', 'crash', 'finish', 'shutdown'] as const)
    if (way === 'kill' || way === 'shutdown') member.citadel.exit(pid, way)
    else verbs(member).cast(pid, way)
    if (this.random.chance(0.9)) this.spawn(member)
  }

  /** Mostly one of that node. */
  private worker(member: ClusterMember): Pid | undefined {
    const local = this.random.chance(0.7)
    const pids = this.workers.filter(
      (pid) => (pid.creation === member.creation) === local && (this.isAlive(pid) || this.rarely()),
    )
    return pids.length > 0 ? this.random.pick(pids) : undefined
  }

  private ownWorker(member: ClusterMember): Pid | undefined {
    const pids = this.workers.filter((pid) => member.isAlive(pid))
    return pids.length > 0 ? this.random.pick(pids) : undefined
  }

  private isAlive(pid: Pid): boolean {
    return this.ledgers.oracle.isAlive(pid)
  }

  private rarely(): boolean {
    return this.random.chance(0.02)
  }

  // Names.

  private key(): string {
    return `key${this.random.below(KEYS)}`
  }

  private register(member: ClusterMember, key: string, pid: Pid | undefined, force = false): void {
    if (!pid) return
    const { names, lives, oracle } = this.ledgers
    const before = lives.head(pid)
    if (force) names.disturb(key)
    follow(
      member,
      member.citadel.registry.register(key, pid, { force, timeoutMs: 3_000 }),
      () => {
        this.note(member, `${force ? 'forced' : 'registered'} ${key} for ${pid}`)
        const owner = lives.head(pid)
        // What is registered for the old self while it moves may be lost with it: docs/guarantees.md.
        if (oracle.isHeld(owner) || !owner.equals(before)) names.disturb(key)
        else if (!force) names.acknowledged(key, owner)
      },
      (error) => this.failed(member, `register ${key}`, error),
    )
  }

  /** Several nodes want one key at the same moment. */
  private race(): void {
    const key = this.key()
    const racers = this.random.shuffled(this.cluster.working).slice(0, 3)
    for (const member of racers) {
      this.on(member, () => this.register(member, key, this.ownWorker(member)))
    }
  }

  private unregister(member: ClusterMember): void {
    const key = this.key()
    this.ledgers.names.disturb(key)
    follow(
      member,
      member.citadel.registry.unregister(key),
      () => this.note(member, `unregistered ${key}`),
      (error) => this.failed(member, `unregister ${key}`, error),
    )
  }

  private group(member: ClusterMember, what: 'join' | 'leave'): void {
    const pid = this.worker(member)
    if (!pid) return
    const group = `group${this.random.below(GROUPS)}`
    const { names } = this.ledgers
    const row = names.begin(group, pid)
    const change = what === 'join' ? 1 : -1
    follow(
      member,
      member.citadel.groups[what](group, pid),
      () => names.end(row, change, undefined),
      (error) => {
        names.end(row, change, error)
        this.failed(member, `${what} ${group} ${pid}`, error)
      },
    )
  }

  // Calls, ties, messages.

  private call(member: ClusterMember): void {
    const pid = this.worker(member)
    if (!pid) return
    const timeoutMs = this.random.pick(CALL_TIMEOUTS_MS)
    const token = this.ledgers.calls.begin(
      member,
      `the call of ${pid} by ${member.name}`,
      timeoutMs,
      pid,
    )
    const caller = verbs(member).with({ timeoutMs })
    const forMs = this.random.chance(0.2) ? this.random.below(timeoutMs * 1.5) : 0
    const answer =
      forMs === 0 ? caller.call(pid, 'work', token) : caller.call(pid, 'workFor', token, forMs)
    this.awaitAnswer(member, token, answer)
  }

  private awaitAnswer(member: ClusterMember, token: number, answer: Promise<unknown>): void {
    const { calls } = this.ledgers
    follow(
      member,
      answer,
      (value) => calls.end(token, 'answered', value),
      (error) => calls.end(token, 'rejected', error),
    )
  }

  private tie(member: ClusterMember, how: 'watch' | 'tie', target: Pid | undefined): void {
    const owner = this.ownWorker(member)
    if (owner && target && !owner.equals(target)) verbs(member).cast(owner, how, target)
  }

  private pour(member: ClusterMember): void {
    const [from, to] = [this.ownWorker(member), this.worker(member)]
    if (!from || !to || from.equals(to)) return
    const count = 1 + this.random.below(8)
    verbs(member).cast(from, 'pour', to, count)
  }

  // What came of it.

  private note(member: ClusterMember, what: string): void {
    this.ledgers.oracle.tell(`${member.name} ${what}`)
  }

  private failed(member: ClusterMember, what: string, error: unknown): void {
    if (!(error instanceof CitadelError)) return this.unexpected(member, what, error)
    this.note(member, `could not ${what}: ${error.code}`)
  }

  private unexpected(member: ClusterMember, what: string, error: unknown): void {
    if (member.leaving) return
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.ledgers.oracle.breaks('I11', `${member.name}: ${what} failed with ${text}`)
  }
}
