/**
 * The nodes of the demo and what they need. After `close` nothing of it is left: no process,
 * no folder, no row in Redis, however far the demo had come.
 */
import { silent } from '../base/log.js'
import { systemClock } from '../base/system-clock.js'
import { systemRandom } from '../base/system-random.js'
import { RedisDiscovery } from '../discovery/redis-discovery.js'
import { NodeProcess } from './node-process.js'
import type { Redis, Surroundings } from './surroundings.js'

/** Who is there from the start. */
const NAMES = ['n1', 'n2', 'n3'] as const

export class DemoCluster {
  /** Killed, or left. */
  readonly #gone: NodeProcess[] = []
  #nodes: NodeProcess[] = []
  #interrupted = false

  constructor(readonly surroundings: Surroundings) {}

  get nodes(): readonly NodeProcess[] {
    return this.#nodes
  }

  /** With those that are gone. */
  get allNodes(): readonly NodeProcess[] {
    return [...this.#nodes, ...this.#gone]
  }

  async start(): Promise<void> {
    if (this.#interrupted) throw interruption()
    this.#nodes = NAMES.map((name) => new NodeProcess(name, this.surroundings.environment))
    await Promise.all(this.#nodes.map((node) => node.started()))
  }

  /** One node more. */
  async add(name: string): Promise<NodeProcess> {
    if (this.#interrupted) throw interruption()
    const node = new NodeProcess(name, this.surroundings.environment)
    this.#nodes.push(node)
    await node.started()
    return node
  }

  /** SIGKILL. Answers the machine's time right before it. */
  kill(node: NodeProcess): Promise<number> {
    this.#remove(node)
    return node.kill()
  }

  /** The node stops in its own way, then its program ends. Answers how long the first took. */
  async letGo(node: NodeProcess): Promise<number> {
    const tookMs = await node.ask('leave')
    this.#remove(node)
    await node.kill()
    return tookMs
  }

  #remove(node: NodeProcess): void {
    this.#nodes = this.#nodes.filter((other) => other !== node)
    this.#gone.push(node)
  }

  /** Ends the demo from outside: the first time gently, then at once. */
  interrupt(): void {
    for (const node of this.#nodes) {
      if (this.#interrupted) node.killNow()
      else node.fail(interruption())
    }
    this.#interrupted = true
  }

  async close(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.stop()))
    const { redis } = this.surroundings
    if (redis) await Promise.all(this.#gone.map((node) => withdraw(redis, node.fullName)))
    this.surroundings.remove()
  }
}

const interruption = (): Error => new Error('interrupted')

/** A node that was killed could not take its row back. */
async function withdraw({ url, domain }: Redis, name: string): Promise<void> {
  const world = { clock: systemClock, random: systemRandom(), log: silent }
  const discovery = new RedisDiscovery({ url, domain, ...world })
  await discovery.announce({ name })
  await discovery.withdraw()
  await discovery.close()
}
