/**
 * Several nodes in the test's own process, with real sockets on ports of their own, all members of
 * the supervisor `workers`. For what needs no process of its own to be killed.
 */
import {
  type ChildEvent,
  Citadel,
  type CitadelOptions,
  type DistributedSupervisor,
  type SupervisorOptions,
} from '../../src/index.js'
import { eventually } from './eventually.js'
import { freePort } from './free-port.js'
import { LogRecorder } from './log-recorder.js'

export interface LocalOptions extends SupervisorOptions {
  node?: Pick<CitadelOptions, 'roles' | 'weight' | 'mailboxMax' | 'strictMessages'>
}

export interface LocalNode {
  readonly name: string
  readonly citadel: Citadel
  readonly workers: DistributedSupervisor
  readonly log: LogRecorder
  /** What this node has been told of children, on whichever node it happened. */
  readonly events: readonly ChildEvent[]
}

type Started = Pick<LocalNode, 'citadel' | 'log'>

export class LocalCluster {
  readonly nodes: LocalNode[] = []
  readonly #options: LocalOptions
  readonly #callers: Callers[] = []

  private constructor(
    readonly epmdPort: number,
    options: LocalOptions,
  ) {
    this.#options = options
  }

  /** `size` nodes `n1`, `n2`, ... that are connected, join the supervisor at once, and see each other. */
  static async start(size: number, options: LocalOptions = {}): Promise<LocalCluster> {
    const cluster = new LocalCluster(await freePort(), options)
    const started: Started[] = []
    try {
      for (let n = 1; n <= size; n++) {
        started.push(await cluster.#begin(`n${n}`, options, started[0]?.citadel.name))
      }
      await Promise.all(started.map((one) => cluster.#join(one, options)))
      cluster.nodes.sort((a, b) => (a.name < b.name ? -1 : 1))
      await cluster.settled()
    } catch (error) {
      await Promise.all(started.map(({ citadel }) => citadel.stop({ budgetMs: 0 })))
      throw error
    }
    return cluster
  }

  /** One more node, connected to the first; `name` without host. */
  async add(name: string, options: LocalOptions = {}): Promise<LocalNode> {
    const all = { ...this.#options, ...options }
    return this.#join(await this.#begin(name, all, this.nodes[0]?.name), all)
  }

  async #begin(name: string, { node }: LocalOptions, first: string | undefined): Promise<Started> {
    const log = new LogRecorder()
    const citadel = await Citadel.start({
      name: `${name}@127.0.0.1`,
      cookie: 'local cluster',
      epmdPort: this.epmdPort,
      discovery: false,
      logger: log,
      ...node,
    })
    // The node that kept the port mapper may have just stopped: another one takes that over.
    if (first) await eventually(() => citadel.connect(first), { what: `${name} finds ${first}` })
    return { citadel, log }
  }

  async #join({ citadel, log }: Started, options: LocalOptions): Promise<LocalNode> {
    const { node: _, ...supervisor } = options
    const workers = await citadel.supervisor('workers', supervisor)
    const events: ChildEvent[] = []
    void collect(workers, events)
    const joined = { name: citadel.name, citadel, workers, log, events }
    this.nodes.push(joined)
    return joined
  }

  node(index: number): LocalNode {
    return this.nodes[index - 1]!
  }

  /** Stops one node, in order. */
  async leave(node: LocalNode, budgetMs?: number): Promise<void> {
    this.nodes.splice(this.nodes.indexOf(node), 1)
    await node.citadel.stop({ budgetMs })
  }

  /** Until every node sees all others as members. */
  async settled(nodes = this.nodes): Promise<void> {
    const wanted = JSON.stringify(nodes.map(({ name }) => name).sort())
    for (const { name, workers } of nodes) {
      await eventually(() => JSON.stringify(workers.nodes()) === wanted, {
        what: `${name} sees ${wanted}`,
      })
    }
  }

  /** Until every node knows where the child runs, and that is `node` where one is given. */
  async known(id: unknown, node?: LocalNode): Promise<void> {
    await eventually(
      () => {
        const places = this.nodes.map(({ workers }) => `${workers.lookup(id)}`)
        const isThere = node === undefined || this.place(id) === node.name
        return isThere && new Set(places).size === 1 && places[0] !== 'undefined'
      },
      { what: `all know where ${String(id)} is` },
    )
  }

  place(id: unknown): string | undefined {
    return this.nodes[0]?.workers.lookup(id)?.node
  }

  /** How often each child runs, by its id. */
  running(): Map<unknown, number> {
    const running = new Map<unknown, number>()
    for (const { workers } of this.nodes) {
      for (const id of workers.localChildren().keys()) running.set(id, (running.get(id) ?? 0) + 1)
    }
    return running
  }

  /** Until each of these runs exactly once, and nothing else does. */
  async eachOnce(ids: readonly unknown[], timeoutMs = 20_000): Promise<void> {
    const isSo = (): boolean => {
      const running = this.running()
      return running.size === ids.length && ids.every((id) => running.get(id) === 1)
    }
    await eventually(isSo, { timeoutMs, what: `each of ${ids.length} children runs once` })
  }

  /** Callers that end with the cluster, if not before. */
  callers(): Callers {
    const callers = new Callers()
    this.#callers.push(callers)
    return callers
  }

  async stop(): Promise<void> {
    await Promise.all(this.#callers.map((callers) => callers.stop()))
    const nodes = this.nodes.splice(0)
    await Promise.all(nodes.map(({ citadel }) => citadel.stop({ budgetMs: 0 })))
  }
}

async function collect(workers: DistributedSupervisor, events: ChildEvent[]): Promise<void> {
  for await (const event of workers.events()) events.push(event)
}

export interface Tallied {
  /** Answered calls, by the id of the child. */
  readonly answered: Map<unknown, number>
  readonly failures: unknown[]
}

/** Callers that each make one call after the other until they are told to stop. */
export class Callers {
  readonly #tallied: Tallied = { answered: new Map(), failures: [] }
  readonly #running: Promise<void>[] = []
  #stopped = false

  get answered(): number {
    return [...this.#tallied.answered.values()].reduce((sum, one) => sum + one, 0)
  }

  /** `count` more, over these ids in turn. */
  add(count: number, ids: readonly unknown[], call: (id: unknown) => Promise<unknown>): this {
    for (let n = 0; n < count; n++) this.#running.push(this.#call(n, ids, call))
    return this
  }

  async stop(): Promise<Tallied> {
    this.#stopped = true
    await Promise.all(this.#running)
    return this.#tallied
  }

  async #call(
    first: number,
    ids: readonly unknown[],
    call: (id: unknown) => Promise<unknown>,
  ): Promise<void> {
    const { answered, failures } = this.#tallied
    for (let n = first; !this.#stopped; n++) {
      const id = ids[n % ids.length]
      try {
        await call(id)
        answered.set(id, (answered.get(id) ?? 0) + 1)
      } catch (error) {
        failures.push(error)
        // What fails at once must not keep everything else from running.
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    }
  }
}
