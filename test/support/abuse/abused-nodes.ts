/**
 * The nodes under abuse, one or two in this process, with real sockets: what there is to abuse on
 * them, what is cleared away behind the calls, and the probe that says whether they serve.
 */
import * as api from '../../../src/index.js'
import {
  Citadel,
  type DistributedSupervisor,
  GenServer,
  type Pid,
  Ref,
} from '../../../src/index.js'
import { Pid as PidClass } from '../../../src/term/pid.js'
import { eventually } from '../eventually.js'
import { freePort } from '../free-port.js'
import type { Named } from './hostile-values.js'
import { Carried, callers, instances, Odd, type Props } from './plausible-values.js'
import { isSubject, kindOfSubject } from './surface.js'

const COOKIE = 'under abuse'
const KEPT_MAX = 40
const KEYS_MAX = 300

/** What users get and what must be given back. */
export interface Subject {
  readonly kind: string
  readonly object: object
}

class Server extends GenServer {
  #heard = 0

  echo(value: unknown): unknown {
    return value
  }

  heard(): number {
    return this.#heard
  }

  override handleInfo(message: unknown): void {
    if (message === 'probe') this.#heard++
  }
}

export class AbusedNodes {
  readonly nodes: Citadel[] = []
  readonly log: string[] = []
  /** What the logger was given that is no text. */
  readonly badLines: string[] = []
  #supervisors: DistributedSupervisor[] = []
  #supervised: DistributedSupervisor[] = []
  #subjects: Subject[] = []
  #pids: Named[] = []
  #refs: Named[] = []
  #timers: Named[] = []
  readonly #dead: Named[] = []
  #probes = 0

  private constructor(readonly epmdPort: number) {}

  static async start(size: number): Promise<AbusedNodes> {
    const abused = new AbusedNodes(await freePort())
    for (let n = 1; n <= size; n++) {
      const node = await abused.begin(`n${n}`)
      abused.nodes.push(node)
      if (n > 1) await eventually(() => node.connect(abused.nodes[0]!.name))
    }
    await abused.#furnish()
    return abused
  }

  /** A node more, whoever has use for it. */
  begin(name: string): Promise<Citadel> {
    return Citadel.start(this.options(name))
  }

  options(name: string): api.CitadelOptions {
    return {
      name: `${name}@127.0.0.1`,
      cookie: COOKIE,
      epmdPort: this.epmdPort,
      discovery: false,
      logger: this.#logger(),
      modules: { Odd, Carried },
    }
  }

  #logger(): api.Logger {
    const keep = (level: string) => (message: string, details?: unknown) => {
      const isGood = typeof message === 'string'
      if (!isGood) this.badLines.push(`${level} ${typeof message}, ${String(message).length} long`)
      const stack = details instanceof Error ? (details.stack ?? '') : ''
      this.log.push(`${level} ${message} ${stack}`)
      if (this.log.length > 1_000) this.log.shift()
    }
    return { debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') }
  }

  async #furnish(): Promise<void> {
    const modules = { Odd, Carried, Server }
    this.#supervisors = await Promise.all(
      this.nodes.map((node) => node.supervisor('abused', { modules })),
    )
    this.#supervised = await Promise.all(
      this.nodes.map((node) => node.supervisor('probed', { modules })),
    )
    const dead = await this.nodes[0]!.spawn(Odd)
    this.nodes[0]!.exit(dead, 'kill')
    this.#dead.push({ label: 'a dead pid', value: dead })
    const { node, id, serial, creation } = dead
    this.#dead.push(
      { label: 'a pid of an earlier start', value: new PidClass(node, id, serial, creation - 1) },
      { label: 'a pid of another node', value: new PidClass('x@127.0.0.1', id, serial, creation) },
      { label: 'a pid of nobody', value: new PidClass(node, 2 ** 30, 5, creation) },
    )
    await this.replenish()
  }

  /** Everything that is reachable now, and fresh processes where they have ended. */
  async replenish(): Promise<void> {
    this.#clear()
    const found: Subject[] = Object.entries(api).flatMap(([name, object]) =>
      typeof object === 'function' || isSubject(object)
        ? [{ kind: kindOfSubject(object as object, name), object: object as object }]
        : [],
    )
    this.#pids = [...this.#dead]
    for (const [at, node] of this.nodes.entries()) {
      const odd = await node.spawn(Odd)
      const self = await this.#functionProcess(node)
      this.#pids.push(
        { label: `a pid of n${at + 1}`, value: odd },
        { label: `a function's pid of n${at + 1}`, value: self.self },
        { label: `the root of n${at + 1}`, value: node.self },
      )
      const monitor = node.monitor(odd)
      this.#refs.push({ label: 'a monitor', value: monitor })
      const timer = node.sendAfter(odd, 'later', 1_000)
      this.#timers.push({ label: 'a timer', value: timer })
      for (const object of [node, self, odd, monitor, timer]) found.push(subject(object))
    }
    for (const instance of instances) {
      found.push(subject(instance), subject(instance.citadel))
    }
    for (const supervisor of this.#supervisors) found.push(subject(supervisor))
    this.#subjects = found
  }

  async #functionProcess(node: Citadel): Promise<api.BoundNode> {
    return new Promise((resolve) => {
      void node.spawn(async (self) => {
        resolve(self)
        await self.sleep(3_600_000)
      })
    })
  }

  get subjects(): readonly Subject[] {
    return this.#subjects
  }

  get props(): Props {
    return {
      pids: this.#pids,
      refs: [...this.#refs, { label: 'no monitor', value: new Ref('x@127.0.0.1', 1, [1]) }],
      timers: this.#timers,
      callers: [...callers, { label: 'no caller', value: { pid: this.#dead[0]!.value } }],
      nodes: [...this.nodes.map(({ name }) => name), 'nobody@127.0.0.1'],
      subjects: this.#subjects.map(({ kind, object }) => ({ label: `a ${kind}`, value: object })),
    }
  }

  /** What a call answered: something to abuse in turn, or to be given back. */
  answered(value: unknown, by: string): void {
    if (value instanceof PidClass) this.#pids.push({ label: 'a pid that was answered', value })
    if (isSubject(value)) this.#subjects.push(subject(value, by))
  }

  /** Ends what the calls so far have begun. */
  #clear(): void {
    for (const { object } of this.#subjects) quietly(() => give(object))
    for (const { value } of this.#pids) {
      if (!this.#dead.some((one) => one.value === value)) quietly(() => this.#kill(value as Pid))
    }
    this.#refs = []
    this.#timers = []
    for (const node of this.nodes) node.trapExit = false
    callers.splice(0, callers.length - KEPT_MAX)
    const { registry } = this.nodes[0]!
    if (registry.size < KEYS_MAX) return
    for (const key of [...registry.keys()]) registry.unregister(key).catch(() => {})
  }

  #kill(pid: Pid): void {
    const home = this.nodes.find((node) => node.name === pid.node)
    if (home && !home.self.equals(pid)) home.exit(pid, 'kill')
  }

  /** Throws unless every node calls, registers, starts a child and reaches a group, exactly. */
  async probe(): Promise<void> {
    const round = ++this.#probes
    const [first, ...others] = this.nodes
    for (const node of others) {
      // Whoever has cut the connection must want it again.
      const both = () => Promise.all([node.connect(first!.name), first!.connect(node.name)])
      await eventually(async () => (await both()).includes(true), CONNECTING)
    }
    for (const node of this.nodes) {
      await eventually(() => node.nodes().length >= this.nodes.length - 1, { what: 'they see' })
    }
    const servers = await Promise.all(this.nodes.map((node) => node.spawn(Server)))
    for (const [at, node] of this.nodes.entries()) {
      await this.#probeOne(node, this.#supervised[at]!, servers, `probe ${round}.${at}`)
    }
    for (const [at, node] of this.nodes.entries()) node.exit(servers[at]!, 'kill')
  }

  async #probeOne(
    node: Citadel,
    supervisor: DistributedSupervisor,
    servers: readonly Pid<Server>[],
    key: string,
  ): Promise<void> {
    const { registry, groups } = node
    for (const [at, server] of servers.entries()) {
      same(await node.call(server, 'echo', [key, at]), [key, at], 'a call is answered')
      // The two may have been connected just now.
      await eventually(() => registered(registry.register([key, at], server)), SETTLING)
      same(registry.findByKey([key, at]), server, 'a key is found')
      await groups.join(key, server)
    }
    await eventually(() => groups.members(key).length === servers.length, { what: 'members' })
    groups.broadcast(key, 'probe')
    for (const [at, server] of servers.entries()) {
      await eventually(async () => (await node.call(server, 'heard')) > 0, { what: 'a broadcast' })
      await registry.unregister([key, at])
    }
    const child = await supervisor.startChild(Server, [], { id: key })
    same(await node.call(child, 'echo', key), key, 'a child answers')
    await supervisor.terminateChild(key)
    same(supervisor.lookup(key), undefined, 'a child that was terminated')
  }

  async stop(): Promise<void> {
    this.#clear()
    await Promise.all(this.nodes.map((node) => node.stop({ budgetMs: 0 })))
  }
}

function same(seen: unknown, wanted: unknown, what: string): void {
  if (JSON.stringify(seen) === JSON.stringify(wanted)) return
  throw new Error(`${what}: ${JSON.stringify(seen)}, not ${JSON.stringify(wanted)}`)
}

const CONNECTING = { timeoutMs: 30_000, what: 'the two connect' }
const SETTLING = { timeoutMs: 30_000, what: 'a key is registered' }

const registered = (done: Promise<void>): Promise<boolean> => done.then(() => true)

const subject = (object: object, fallback = 'object'): Subject => {
  const kind = object instanceof Odd ? 'GenServer' : kindOfSubject(object, fallback)
  return { kind, object }
}

/** What is cleared away may be as odd as what it was made with. */
function quietly(task: () => void): void {
  try {
    task()
  } catch {}
}

/** Ends a subscription or a timer. */
function give(object: object): void {
  const { return: end, cancel } = object as { return?: () => unknown; cancel?: () => void }
  if (typeof end === 'function' && Symbol.asyncIterator in object) end.call(object)
  else if (typeof cancel === 'function') cancel.call(object)
}
