/**
 * The loop that turns discovery into connections: at each tick it compares the nodes listed with
 * the nodes connected and dials what is missing, a few at a time. It never disconnects anybody:
 * who is gone is the mesh's to judge, and losing the discovery service changes nothing. A node that
 * starts decides nothing alone before it has looked once: `looked`.
 */

import type { Clock, Timer } from '../base/clock.js'
import { messageOf } from '../base/describe.js'
import type { Logger } from '../base/log.js'
import { QuietLog } from '../base/quiet-log.js'
import type { Random } from '../base/random.js'
import type { DiscoveredNode, Discovery } from './discovery.js'

export interface ConnectorOptions {
  discovery: Discovery
  /** The name of this node. */
  self: string
  clock: Clock
  random: Random
  log: Logger
  /** The nodes connected now. */
  connected(): Iterable<string>
  /** Dials a node. The addresses are a hint from discovery. */
  connect(name: string, addresses?: readonly string[]): Promise<boolean>
  /** Nodes not to dial by themselves, because the user disconnected them. */
  skip?(name: string): boolean
  /** How often the two lists are compared. */
  tickMs?: number
  /** How many dials are under way at most; the others wait. */
  dialsMax?: number
  /** A node that cannot be reached is dialled less and less often, up to this. */
  retryMaxMs?: number
  /** How long the first look may take: a discovery that is down holds nobody up for ever. */
  lookMs?: number
}

const TICK_MS = 1000
const DIALS_MAX = 8
const RETRY_MAX_MS = 5000
const LOOK_MS = 3000
/** How soon a list that could not be read is read again during the first look. */
const LOOK_AGAIN_MS = 200

interface Failure {
  count: number
  /** Not dialled again before. */
  until: number
}

export class Connector {
  readonly #options: ConnectorOptions
  readonly #discovery: Discovery
  readonly #quiet: QuietLog
  /** Nodes that are being dialled, or wait for it. */
  readonly #dials = new Map<string, Promise<boolean>>()
  readonly #failures = new Map<string, Failure>()
  #slots: number
  readonly #waiting: (() => void)[] = []
  #timer: Timer | undefined
  #listed = true
  #stopped = false
  #stopping: Promise<void> | undefined
  #hasLooked = false
  /** The list was read once. */
  #hasRead = false
  #endLook: () => void = () => {}
  /** Resolves when the list was read once and the nodes on it were dialled, or that took too long. */
  readonly looked: Promise<void>

  constructor(options: ConnectorOptions) {
    this.#options = options
    this.#discovery = options.discovery
    this.#quiet = new QuietLog(options.log, options.clock)
    this.#slots = options.dialsMax ?? DIALS_MAX
    this.looked = new Promise((resolve) => {
      this.#endLook = resolve
    })
  }

  get hasLooked(): boolean {
    return this.#hasLooked
  }

  /** Announces this node and begins to connect. Resolves when the announcement was tried. */
  async start(self: DiscoveredNode): Promise<void> {
    const { clock, log, lookMs = LOOK_MS } = this.#options
    await this.#discovery.announce(self)
    const late = clock.after(lookMs, () => {
      log.warn(
        `discovery: the first look around took longer than ${lookMs} ms; this node now decides with the nodes it knows`,
      )
      this.#lookIsOver()
    })
    void this.looked.then(() => late.cancel())
    void this.#tick()
  }

  #lookIsOver(): void {
    this.#hasLooked = true
    this.#endLook()
  }

  /** Withdraws this node and closes the discovery. Connections stay. */
  stop(): Promise<void> {
    this.#stopping ??= this.#end()
    return this.#stopping
  }

  async #end(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    this.#lookIsOver()
    for (const proceed of this.#waiting.splice(0)) proceed()
    await this.#discovery.withdraw()
    await this.#discovery.close()
  }

  /** The names that discovery lists, in order. */
  async members(): Promise<string[]> {
    const nodes = await this.#discovery.members()
    return nodes.map((node) => node.name)
  }

  /** Connects to every member now. In the order of `members()`: whether each is connected. */
  async joinCluster(): Promise<boolean[]> {
    const nodes = await this.#discovery.members()
    const { self } = this.#options
    return Promise.all(nodes.map((node) => node.name === self || this.#dial(node)))
  }

  async #tick(): Promise<void> {
    const nodes = await this.#list()
    if (this.#stopped) return
    for (const node of this.#missing(nodes)) void this.#dial(node)
    this.#hasRead ||= this.#listed
    if (this.#listed && !this.#hasLooked) {
      // Those of an earlier round as well, as long as they are under way.
      void Promise.all(this.#dials.values()).then(() => this.#lookIsOver())
    }
    const { clock, random, tickMs = TICK_MS } = this.#options
    const pauseMs = this.#listed || this.#hasLooked ? tickMs : Math.min(tickMs, LOOK_AGAIN_MS)
    this.#timer = clock.after(pauseMs * (0.8 + random.float() * 0.4), () => void this.#tick())
  }

  /** What is listed; nothing when that is not known. Says once when this changes. */
  async #list(): Promise<DiscoveredNode[]> {
    try {
      const nodes = await this.#discovery.members()
      this.#listed = true
      return nodes
    } catch (error) {
      const text = messageOf(error)
      if (this.#listed && !this.#stopped) this.#quiet.warn('list', `discovery: ${text}`)
      this.#listed = false
      return []
    }
  }

  #missing(nodes: readonly DiscoveredNode[]): DiscoveredNode[] {
    const { connected, skip, self, clock } = this.#options
    const names = new Set(nodes.map((node) => node.name))
    for (const name of this.#failures.keys()) if (!names.has(name)) this.#failures.delete(name)
    const now = clock.now()
    // At first also those that have connected to it: what they know need not be here yet.
    const present = new Set(this.#hasRead ? connected() : []).add(self)
    return this.#shuffled(
      nodes.filter(({ name }) => {
        if (present.has(name) || this.#dials.has(name) || skip?.(name)) return false
        return (this.#failures.get(name)?.until ?? 0) <= now
      }),
    )
  }

  /** Nodes that start together must not all dial the same one first. */
  #shuffled(nodes: DiscoveredNode[]): DiscoveredNode[] {
    const keyed = nodes.map((node) => ({ node, key: this.#options.random.uint32() }))
    return keyed.sort((a, b) => a.key - b.key).map((entry) => entry.node)
  }

  #dial(node: DiscoveredNode): Promise<boolean> {
    const running = this.#dials.get(node.name)
    if (running !== undefined) return running
    const dial = this.#dialInTurn(node)
    this.#dials.set(node.name, dial)
    return dial
  }

  async #dialInTurn(node: DiscoveredNode): Promise<boolean> {
    if (this.#slots === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#slots--
    const connected = !this.#stopped && (await this.#connect(node))
    const next = this.#waiting.shift()
    if (next === undefined) this.#slots++
    else next()
    this.#dials.delete(node.name)
    this.#note(node.name, connected)
    return connected
  }

  async #connect(node: DiscoveredNode): Promise<boolean> {
    try {
      return await this.#options.connect(node.name, node.addresses)
    } catch (error) {
      const text = messageOf(error)
      this.#quiet.warn('dial', `discovery: ${node.name} cannot be connected: ${text}`)
      return false
    }
  }

  #note(name: string, connected: boolean): void {
    if (connected) {
      this.#failures.delete(name)
      return
    }
    const { clock, tickMs = TICK_MS, retryMaxMs = RETRY_MAX_MS } = this.#options
    const count = Math.min((this.#failures.get(name)?.count ?? 0) + 1, 16)
    const pause = Math.min(tickMs * 2 ** (count - 2), retryMaxMs)
    this.#failures.set(name, { count, until: clock.now() + pause })
  }
}
