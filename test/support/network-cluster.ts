/**
 * A cluster of real nodes with a host each, in network namespaces, with children that count and own
 * keys. It can be asked what is where, and whether there is exactly one of everything; and how long
 * that took, and whether the machine itself stood still meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type NodeOptions, numbers, TestCluster, type TestNode } from './cluster.js'
import { eventually } from './eventually.js'
import { Network, type NetworkHost } from './namespaces.js'
import { type Note, noteAll, now, readNotes, type Stall, StallWatch } from './notes.js'
import { readStamps, type Stamp } from './stamps.js'

export type ArbiterOption = NodeOptions['arbiter']

export interface NetworkClusterOptions {
  /** How many nodes; 5 unless given. */
  readonly size?: number
  /** How many children; 40 unless given. */
  readonly children?: number
  /** Who decides about keys; the default of Citadel unless given. */
  readonly arbiter?: ArbiterOption
  /** How often each child writes down that it is at work; not at all unless given. */
  readonly stampMs?: number
}

/** What one node holds to be so. */
interface View {
  readonly nodes: string[]
  /** The workers whose processes live there. */
  readonly running: string[]
  readonly children: string[]
  /** Key, owner, epoch. */
  readonly keys: [string, string, number][]
}

/** One line of what there is: for people. */
export interface Inventory {
  readonly key: string
  readonly owner: string
  readonly epoch: number
  readonly count: number
}

export interface Convergence {
  /** From the heal until there was exactly one of everything. */
  readonly tookMs: number
  /** The longest time that this process or a node stood still meanwhile. */
  readonly stalledMs: number
}

const GIVE_UP_MS = 60_000
const POLL_MS = 50

export class NetworkCluster {
  readonly network: Network
  /** Keys of processes that no supervisor looks after. */
  readonly #plain = new Set<string>()
  readonly #hostOf = new Map<string, NetworkHost>()
  readonly #watch = new StallWatch()

  private constructor(
    readonly cluster: TestCluster,
    network: Network,
    readonly ids: readonly number[],
    private readonly options: NetworkClusterOptions,
  ) {
    this.network = network
  }

  /** Nodes that cannot be sure end what they own: keys of theirs may be refused, and may go. */
  get isStrict(): boolean {
    const { arbiter = 'mesh' } = this.options
    return arbiter !== 'mesh'
  }

  /** Whole, with its children, each node with two keys of its own besides. */
  static async start(options: NetworkClusterOptions = {}): Promise<NetworkCluster> {
    const { size = 5, children = 40, arbiter } = options
    const network = new Network(size)
    const place = (name: string): NetworkHost => network.hosts[Number(name.slice(1)) - 1]!
    const settings = { insecure: true, ...(arbiter === undefined ? {} : { arbiter }) }
    const cluster = await TestCluster.empty(settings, (name) => ({
      host: place(name).address,
      through: place(name).through,
    }))
    const whole = new NetworkCluster(cluster, network, numbers(children), options)
    try {
      await whole.#begin(size)
    } catch (error) {
      await whole.stop()
      throw error
    }
    return whole
  }

  async #begin(size: number): Promise<void> {
    await Promise.all(numbers(size).map((at) => this.add(`n${at + 1}`)))
    await this.cluster.connect()
    await this.#startChildren()
    for (const node of this.isStrict ? [] : this.nodes) {
      await this.own(node, `first of ${node.name}`)
      await this.own(node, `second of ${node.name}`)
    }
    await this.converge(now())
  }

  async #startChildren(): Promise<void> {
    const nodes = this.nodes
    const { stampMs } = this.options
    await Promise.all(
      nodes.map((node, index) =>
        node.run(
          async ({ workers, Keyed }, ids, options) => {
            for (const id of ids) await workers.startChild(Keyed, [id, options], { id })
          },
          this.ids.filter((id) => id % nodes.length === index),
          stampMs === undefined ? {} : { stampMs },
        ),
      ),
    )
  }

  get nodes(): readonly TestNode[] {
    return this.cluster.alive
  }

  host(node: TestNode): NetworkHost {
    return this.#hostOf.get(node.name)!
  }

  /** Starts a node on its host: `n1` on the first one. */
  async add(name: string): Promise<TestNode> {
    const node = await this.cluster.add(name)
    this.#hostOf.set(node.name, this.network.hosts[Number(name.slice(1)) - 1]!)
    await noteAll(node)
    return node
  }

  /** What all owners have written down of their work. */
  async stamps(): Promise<Stamp[]> {
    const journal = await this.nodes[0]!.run(() => process.env.CITADEL_TEST_JOURNAL)
    return readStamps(journal!)
  }

  /** A process on that node that no supervisor knows takes the key. */
  async own(node: TestNode, key: string): Promise<void> {
    await node.run(async ({ citadel, Worker }, name) => {
      await citadel.registry.register(name, await citadel.spawn(Worker, [name]))
    }, key)
    this.#plain.add(key)
  }

  /** A process on that node tries to take the key, and gives it back. True: it had it. */
  tries(node: TestNode, key: string): Promise<boolean> {
    return node.run(async ({ citadel, Worker }, name) => {
      const pid = await citadel.spawn(Worker, [name])
      const had = await citadel.registry.register(name, pid).then(
        () => true,
        () => false,
      )
      if (citadel.isAlive(pid)) citadel.exit(pid, 'kill')
      return had
    }, key)
  }

  /** The node is killed, and with it go the keys that only its processes had. */
  async kill(node: TestNode): Promise<void> {
    const lost = (await this.view(node)).running
    await node.kill()
    this.cluster.forgetDead()
    for (const key of lost) this.#plain.delete(key)
  }

  /** Another start of a killed node joins the others. */
  async restart(name: string): Promise<TestNode> {
    const node = await this.add(name)
    const other = this.nodes.find((one) => one !== node)!
    await node.run(({ citadel }, to) => citadel.connect(to), other.name)
    return node
  }

  view(node: TestNode): Promise<View> {
    return node.run(({ citadel, workers, running }) => ({
      nodes: citadel.nodes(),
      running: running().map(String),
      children: [...workers.localChildren().keys()].map(String),
      keys: [...citadel.registry.keys()]
        .map((key): [string, string, number] => {
          const row = citadel.registry.lookup(key)
          return [String(key), String(row?.pid), row?.epoch ?? -1]
        })
        .sort((a, b) => (a[0] < b[0] ? -1 : 1)),
    }))
  }

  /** What is not as it should be, in words; empty: there is exactly one of everything. */
  async faults(): Promise<string[]> {
    const nodes = this.nodes
    const views = await Promise.all(nodes.map((node) => this.view(node)))
    const faults: string[] = []
    for (const [at, { nodes: seen }] of views.entries()) {
      const others = nodes.filter((_, index) => index !== at).map(({ name }) => name)
      const missing = others.filter((name) => !seen.includes(name))
      if (missing.length > 0) faults.push(`${nodes[at]!.name} does not reach ${missing}`)
    }
    const ids = this.ids.map(String)
    const wantedKeys = [...ids.map((id) => `key of ${id}`), ...this.#plain].sort()
    const alive = views.flatMap(({ running }) => running)
    faults.push(...differences('process', [...ids, ...this.#plain], alive))
    const children = views.flatMap((view) => view.children)
    faults.push(...differences('child', ids, children))
    const [first] = views
    for (const [at, { keys }] of views.entries()) {
      const where = `on ${nodes[at]!.name}, key`
      faults.push(...differences(where, wantedKeys, keys.map(keyOf)))
      if (JSON.stringify(keys) !== JSON.stringify(first!.keys)) faults.push(`${where}s differ`)
    }
    return faults
  }

  /** Waits until there is exactly one of everything, counted from `from`. */
  async converge(from: number): Promise<Convergence> {
    let faults = await this.faults()
    while (faults.length > 0) {
      if (now() - from > GIVE_UP_MS) {
        throw new Error(`not one of each ${GIVE_UP_MS} ms after the heal:\n${faults.join('\n')}`)
      }
      await sleep(POLL_MS)
      faults = await this.faults()
    }
    const until = now()
    return { tookMs: until - from, stalledMs: longest(await this.stalls(from, until)) }
  }

  /** Until no child is on its way, nor will be: each is where it belongs. */
  async settled(): Promise<void> {
    const [asked] = this.nodes
    const isSettled = async (): Promise<boolean> =>
      (await asked!.run(({ workers }) => workers.plan())).length === 0
    await eventually(isSettled, { timeoutMs: GIVE_UP_MS, what: 'each child is where it belongs' })
  }

  /** Every key is called once through the registry of some node. */
  async inventory(): Promise<Inventory[]> {
    const [asked] = this.nodes
    const rows = await asked!.run(async ({ citadel }) => {
      const all: [string, string, number, number][] = []
      for (const key of citadel.registry.keys()) {
        const row = citadel.registry.lookup(key)
        const count = await citadel.call(row?.pid as never, 'next' as never)
        all.push([String(key), row?.pid.node ?? '', row?.epoch ?? -1, Number(count)])
      }
      return all
    })
    return rows.map(([key, owner, epoch, count]) => ({ key, owner, epoch, count }))
  }

  /** What that node has noted of the others since it began. */
  notes(node: TestNode): Promise<Note[]> {
    return readNotes(node)
  }

  /** What of stalls of this process and of nodes fell between two moments; of all living nodes unless given. */
  async stalls(from: number, until: number, nodes = this.nodes): Promise<Stall[]> {
    const noted = await Promise.all(nodes.map((node) => readNotes(node)))
    const theirs = noted.flat().flatMap((note): Stall[] => (note.type === 'stall' ? [note] : []))
    return [...theirs, ...this.#watch.stalls].flatMap(({ at, ms, type }) => {
      const within = Math.min(at, until) - Math.max(at - ms, from)
      return within > 0 ? [{ type, at, ms: within }] : []
    })
  }

  async stop(): Promise<void> {
    this.#watch.stop()
    await this.cluster.stop()
    this.network.remove()
  }
}

const keyOf = ([key]: [string, string, number]): string => key

export const longest = (stalls: readonly Stall[]): number =>
  stalls.reduce((most, { ms }) => Math.max(most, ms), 0)

/** What is there too often or not at all. */
function differences(what: string, wanted: readonly string[], found: readonly string[]): string[] {
  const counts = new Map<string, number>(wanted.map((id) => [id, 0]))
  for (const id of found) counts.set(id, (counts.get(id) ?? 0) + 1)
  const isWanted = new Set(wanted)
  return [...counts]
    .filter(([id, count]) => count !== 1 || !isWanted.has(id))
    .map(([id, count]) => `${what} '${id}' is there ${count} times`)
}
