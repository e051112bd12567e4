/**
 * Scopes of several nodes under virtual time, with a network in memory: one ordered stream each way
 * between two nodes, a random delay for every message, and random moments at which each side learns
 * what became of the other. Nothing but the processes and the mesh is stood in for.
 */
import type { Clock, Timer } from '../../src/base/clock.js'
import { CitadelError } from '../../src/base/errors.js'
import { Lease } from '../../src/base/lease.js'
import { silent } from '../../src/base/log.js'
import { quorumArbiter } from '../../src/cluster/arbiters/arbiters.js'
import { Ownership } from '../../src/cluster/arbiters/ownership.js'
import type { QuorumSize } from '../../src/cluster/arbiters/quorum.js'
import { KeyRegistry, REGISTRY_SCOPE } from '../../src/cluster/registry/key-registry.js'
import { ProcessGroups } from '../../src/cluster/registry/process-groups.js'
import { ProcessRows } from '../../src/cluster/scopes/process-rows.js'
import { Scopes } from '../../src/cluster/scopes/scopes.js'
import type { Resolve } from '../../src/cluster/tables/claim-order.js'
import type { Scope } from '../../src/cluster/tables/scope.js'
import type { ProcessPort } from '../../src/kernel/process-port.js'
import { toOutcome } from '../../src/kernel/remote-outcome.js'
import type { Capability } from '../../src/mesh/capability.js'
import type { MeshEvent } from '../../src/mesh/mesh-event.js'
import { decodeTerm, encodeTerm } from '../../src/term/codec.js'
import { Pid } from '../../src/term/pid.js'
import { SeededRandom } from '../../src/testing/seeded-random.js'

interface Task {
  at: number
  order: number
  run: (() => void) | undefined
}

interface Link {
  /** What is sent now arrives after all that was sent before. */
  lastAt: number
  /** Nothing arrives after this. */
  endsAt: number
}

/** A link that was cut, while the last of what was on its way may still arrive. */
interface Ending {
  readonly ends: readonly string[]
  /** Nothing more arrives, and the receiving side knows. */
  finish(): void
}

export class FakeProcesses implements ProcessPort {
  readonly alive = new Map<string, Pid>()
  readonly exits: { pid: Pid; reason: unknown }[] = []
  readonly sent: { to: Pid; message: unknown }[] = []
  private readonly watchers = new Map<string, ((pid: Pid, reason: unknown) => void)[]>()
  private lastId = 0

  constructor(private readonly node: ScopeNode) {}

  make(): Pid {
    const pid = new Pid(this.node.name, ++this.lastId, 0, this.node.creation)
    this.alive.set(pid.toString(), pid)
    return pid
  }

  end(pid: Pid, reason: unknown = 'normal'): void {
    if (!this.alive.delete(pid.toString())) return
    for (const listener of this.watchers.get(pid.toString()) ?? []) listener(pid, reason)
    this.watchers.delete(pid.toString())
  }

  endAll(reason: unknown): void {
    for (const pid of [...this.alive.values()]) this.end(pid, reason)
  }

  /** Where processes have moved to, by their old pids. */
  readonly moved = new Map<string, Pid>()

  successor(pid: Pid): Pid | undefined {
    return this.moved.get(pid.toString())
  }

  predecessor(): undefined {}

  isAlive(pid: Pid): boolean {
    return this.alive.has(pid.toString())
  }

  spawn(): Promise<Pid> {
    return Promise.resolve(this.make())
  }

  watchExit(pid: Pid, listener: (pid: Pid, reason: unknown) => void): void {
    if (!this.isAlive(pid)) return listener(pid, 'noproc')
    const key = pid.toString()
    this.watchers.set(key, [...(this.watchers.get(key) ?? []), listener])
  }

  exit(pid: Pid, reason: unknown): void {
    this.exits.push({ pid, reason })
    this.end(pid, reason)
  }

  send(to: Pid, message: unknown): boolean {
    this.sent.push({ to, message })
    return true
  }

  notify(to: Pid, message: unknown): void {
    this.sent.push({ to, message })
  }

  /** What crosses the network as all else does: in the others the work counts, not the way. */
  private giveUp(to: string, [key, epoch, by]: readonly unknown[]): Promise<unknown> {
    return this.node.cluster.ask(this.node, to, ({ registry }) =>
      toOutcome(registry.giveUp(key, epoch as number, by as Pid)),
    )
  }

  call(to: { node: string }, method: string, args: readonly unknown[]): Promise<unknown> {
    if (method === 'giveUp') return this.giveUp(to.node, args)
    const { registry, groups } = this.node.cluster.node(to.node)
    const [what, pid, third, meta, timeoutMs, sync] = args as [
      unknown,
      Pid,
      never,
      unknown,
      number,
      boolean,
    ]
    const options = { force: third as boolean, meta, timeoutMs, sync }
    if (method === 'register') return toOutcome(registry.register(what, pid, options))
    if (method === 'unregister') return toOutcome(registry.unregister(what))
    if (method === 'update') return toOutcome(registry.update(what, pid))
    if (method === 'replace') return toOutcome(registry.replaceHere(what as never))
    if (method === 'join') return toOutcome(groups.join(what, pid, { meta: third }))
    return toOutcome(groups.leave(what, pid))
  }
}

export class ScopeNode {
  alive = true
  /** Nothing of it runs before. */
  stalledUntil = 0
  /** What came or fell due meanwhile. */
  readonly waiting: (() => void)[] = []
  readonly lease = new Lease()
  readonly scopes: Scopes
  readonly processes = new FakeProcesses(this)
  readonly registry: KeyRegistry
  readonly groups: ProcessGroups
  private readonly listeners = new Set<(event: MeshEvent) => void>()
  /** Whom it holds for a member, and how. */
  readonly knows = new Map<string, { creation: number; up: boolean }>()

  constructor(
    readonly cluster: ScopeCluster,
    readonly name: string,
    readonly creation: number,
    logMax: number,
    /** How fast its clock runs. */
    readonly rate = 1,
  ) {
    const mesh = {
      name,
      creation,
      onEvent: (listener: (event: MeshEvent) => void) => {
        this.listeners.add(listener)
        return () => this.listeners.delete(listener)
      },
      encode: (message: unknown) => ({ bytes: encodeTerm(message) }),
      sendEncoded: (node: string, _endpoint: string, { bytes }: { bytes: Uint8Array }) =>
        cluster.send(this, node, bytes),
      pendingBytes: () => 0,
    }
    const clock = cluster.clockFor(this)
    const arbiter = cluster.quorum && quorumArbiter(cluster.quorum, this.lease)
    this.lease.onEnd(() => this.processes.endAll('lease_lost'))
    const ownership = arbiter && new Ownership(this.lease, clock, { own() {}, mayOwn: () => true })
    this.scopes = new Scopes({ mesh, clock, log: silent, logMax, arbiter, ownership })
    const rows = new ProcessRows(this.scopes, this.processes)
    this.registry = new KeyRegistry(this.scopes, this.processes, rows.watch, {
      resolve: cluster.resolve?.(name),
      neverSplits: arbiter !== undefined,
    })
    this.groups = new ProcessGroups(this.scopes, this.processes, rows.watch)
    rows.cover(this.claims)
    rows.cover(this.scopes.scope<'g'>('g:groups'))
    this.scopes.start()
  }

  /** The time by its own clock. */
  get clockNow(): number {
    return this.cluster.now * this.rate
  }

  get claims(): Scope<'c'> {
    return this.scopes.scope<'c'>(REGISTRY_SCOPE)
  }

  tell(event: MeshEvent): void {
    if (!this.alive) return
    const { node, type } = event
    if (type === 'dead') this.knows.delete(node)
    else if (type === 'up' || type === 'unreachable')
      this.knows.set(node, { creation: event.creation, up: type === 'up' })
    for (const listener of this.listeners) listener(event)
  }
}

export class ScopeCluster {
  now = 0
  /** Called whenever something has happened. */
  afterEach: (() => void) | undefined
  readonly nodes = new Map<string, ScopeNode>()
  readonly random: SeededRandom
  private readonly tasks: Task[] = []
  private readonly links = new Map<string, Link>()
  private readonly endings = new Set<Ending>()
  private order = 0
  private creations = 0
  /** What nodes started from now on have as `resolve`, by their names. */
  resolve: ((node: string) => Resolve | undefined) | undefined

  constructor(
    seed: number,
    /** The longest time a message is on its way. */
    private readonly delayMs = 5,
    private readonly logMax = 100,
    /** Set: a quorum decides, and clocks run up to one percent fast or slow. */
    readonly quorum?: QuorumSize,
  ) {
    this.random = new SeededRandom(seed)
  }

  node(name: string): ScopeNode {
    const node = this.nodes.get(name)
    if (!node) throw new Error(`there is no node ${name}`)
    return node
  }

  start(...names: string[]): void {
    for (const name of names) {
      // Whoever hears the new one has heard all it ever will of the one before.
      for (const ending of this.endings) if (ending.ends.includes(name)) ending.finish()
      const rate = this.quorum ? 0.99 + 0.02 * this.random.float() : 1
      this.nodes.set(name, new ScopeNode(this, name, ++this.creations, this.logMax, rate))
    }
  }

  connectAll(): void {
    const names = [...this.nodes.keys()]
    for (const a of names) for (const b of names) if (a < b) this.connect(a, b)
  }

  connect(a: string, b: string): void {
    if (this.links.has(`${a} ${b}`)) return
    for (const ending of this.endings) {
      if (ending.ends.includes(a) && ending.ends.includes(b)) ending.finish()
    }
    this.open(this.node(a), this.node(b))
    this.open(this.node(b), this.node(a))
  }

  /** Both sides learn of it, each in its own time, and what is on its way may be lost. */
  cut(a: string, b: string): void {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const link = this.links.get(`${from} ${to}`)
      if (!link) continue
      this.links.delete(`${from} ${to}`)
      link.endsAt = this.now + this.someMs()
      const { creation } = this.node(from)
      const side = this.node(to)
      const finish = (): void => {
        if (!this.endings.delete(ending)) return
        link.endsAt = Math.min(link.endsAt, this.now)
        this.lost(side, from, creation)
      }
      const ending = { ends: [from, to], finish }
      this.endings.add(ending)
      this.at(link.endsAt, finish)
    }
  }

  /** The node stops at once; the others learn that it is dead. */
  crash(name: string): void {
    const node = this.node(name)
    node.alive = false
    node.scopes.stop()
    for (const other of this.nodes.keys()) {
      if (other === name) continue
      this.cut(name, other)
      const { creation } = node
      this.at(this.now + this.delayMs + this.someMs(), () => this.bury(other, name, creation))
    }
    this.nodes.delete(name)
  }

  /** `at` holds `name`, which it cannot reach, for dead. It may be alive. */
  bury(at: string, name: string, creation = this.node(name).creation): void {
    const node = this.nodes.get(at)
    const known = node?.knows.get(name)
    if (known?.creation === creation && !known.up) {
      node!.tell({ type: 'dead', node: name, creation, certain: false })
    }
  }

  /** What one node asks of another, as a message there and one back. */
  async ask<T>(from: ScopeNode, to: string, work: (node: ScopeNode) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const lost = (): void => reject(new CitadelError('noconnection', `${to} is not connected`))
      const link = this.links.get(`${from.name} ${to}`)
      if (!link) return lost()
      this.at(link.endsAt === Number.POSITIVE_INFINITY ? this.now + 9_000 : link.endsAt, lost)
      this.onLink(link, () => {
        const node = this.nodes.get(to)
        if (!node) return lost()
        this.onNode(node, () => {
          const back = this.links.get(`${to} ${from.name}`)
          if (!back) return lost()
          const answer = (settle: () => void): void =>
            this.onLink(back, () => this.onNode(from, settle))
          work(node).then(
            (value) => answer(() => resolve(value)),
            (error) => answer(() => reject(error)),
          )
        })
      })
    })
  }

  /** Nothing of the node runs for so long; what comes meanwhile waits. */
  stall(name: string, ms: number): void {
    const node = this.node(name)
    node.stalledUntil = Math.max(node.stalledUntil, this.now + ms)
  }

  /** Runs something of a node, when that is not stalled. */
  private onNode(node: ScopeNode, run: () => void): void {
    if (!node.alive) return
    if (node.stalledUntil <= this.now && node.waiting.length === 0) return run()
    node.waiting.push(run)
    if (node.waiting.length === 1) this.at(node.stalledUntil, () => this.wake(node))
  }

  private wake(node: ScopeNode): void {
    if (node.stalledUntil > this.now) {
      this.at(node.stalledUntil, () => this.wake(node))
      return
    }
    for (const run of node.waiting.splice(0)) if (node.alive) run()
  }

  send(from: ScopeNode, to: string, bytes: Uint8Array): boolean {
    const link = this.links.get(`${from.name} ${to}`)
    if (!link || !from.alive) return false
    this.onLink(link, () => {
      const node = this.nodes.get(to)
      const pid = new Pid(from.name, 0, 0, from.creation)
      if (node) this.onNode(node, () => node.scopes.receive(decodeTerm(bytes), pid))
    })
    return true
  }

  clockFor(node: ScopeNode): Clock {
    const after = (delayMs: number, task: () => void): Timer => {
      const timer: Task = this.at(this.now + delayMs / node.rate, () =>
        this.onNode(node, () => timer.run && task()),
      )
      return {
        cancel: () => {
          timer.run = undefined
        },
      }
    }
    return {
      now: () => node.clockNow,
      wallTime: () => this.now,
      after,
      soon: (task) => void after(0.001, task),
    }
  }

  at(at: number, run: () => void): Task {
    const task = { at, order: this.order++, run }
    let index = this.tasks.length
    while (index > 0 && this.tasks[index - 1]!.at > at) index--
    this.tasks.splice(index, 0, task)
    return task
  }

  someMs(): number {
    return this.random.float() * this.delayMs
  }

  /** Lets time pass. */
  async run(ms: number): Promise<void> {
    const end = this.now + ms
    await rest()
    while (this.tasks.length > 0 && this.tasks[0]!.at <= end) {
      const task = this.tasks.shift()!
      this.now = Math.max(this.now, task.at)
      task.run?.()
      await rest()
      this.afterEach?.()
    }
    this.now = end
  }

  private open(from: ScopeNode, to: ScopeNode): void {
    const link = { lastAt: this.now, endsAt: Number.POSITIVE_INFINITY }
    this.links.set(`${from.name} ${to.name}`, link)
    this.onLink(link, () => this.onNode(to, () => this.opened(from, to)))
  }

  private opened({ name: node, creation }: ScopeNode, to: ScopeNode): void {
    const known = to.knows.get(node)
    if (known && known.creation !== creation)
      to.tell({ type: 'dead', node, creation: known.creation, certain: true })
    to.tell({ type: 'up', node, creation, capability: {} as Capability })
  }

  private onLink(link: Link, run: () => void): void {
    link.lastAt = Math.max(link.lastAt, this.now + this.someMs())
    const { lastAt } = link
    this.at(lastAt, () => {
      if (lastAt <= link.endsAt) run()
    })
  }

  private lost(at: ScopeNode, node: string, creation: number): void {
    this.onNode(at, () => {
      const known = at.knows.get(node)
      if (known?.up && known.creation === creation) at.tell({ type: 'unreachable', node, creation })
    })
  }
}

/** Lets promises settle. */
async function rest(): Promise<void> {
  for (let i = 0; i < 12; i++) await null
}
