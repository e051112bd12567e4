/**
 * A rolling replacement: one node after another gets SIGTERM, hands its children over and ends, and
 * a fresh one takes its place, while a client goes on calling.
 */
import type { Driver } from './driver.js'
import { type Fleet, sleep, until } from './fleet.js'
import type { CounterNode } from './node.js'
import type { Progress } from './progress.js'
import { places, stallsOf } from './survey.js'
import type { Program } from './verbs.js'
import type { Ending } from './verdict.js'

export interface ReplacementOptions {
  readonly nodes: number
  readonly children: number
  /** Calls per second. */
  readonly rate: number
  readonly budgetMs: number
  readonly sameNames: boolean
}

const LOAD_FIRST_MS = 2_000
/** The status of a program that SIGTERM has ended, as `stopOnSignals` leaves it. */
const TERMINATED = 143

export class Replacement {
  readonly #nodes: Program<CounterNode>[] = []
  #driver!: Program<Driver>
  readonly #complaints: string[] = []

  constructor(
    private readonly options: ReplacementOptions,
    private readonly fleet: Fleet,
    private readonly progress: Progress,
  ) {}

  async run(): Promise<Ending> {
    const { nodes, children, rate } = this.options
    const { progress } = this
    await this.#start()
    await this.#driver.ask('startChildren', children)
    await this.#settle(children)
    progress.note(`${children} children run on ${nodes} nodes: ${await this.#spread()}`)
    await this.#takeStalls()
    progress.note(`the client makes ${rate} calls a second, to children picked at random`)
    await this.#driver.ask('startLoad', rate)
    progress.watch(this.#driver, this.#nodes)
    await sleep(LOAD_FIRST_MS)
    await this.#takeStalls('load alone')
    const replacingSince = performance.now()
    for (let place = 0; place < nodes; place++) await this.#replace(place)
    const replacingMs = performance.now() - replacingSince
    await this.#driver.ask('stopLoad')
    progress.end()
    return this.#audit(replacingMs)
  }

  async #start(): Promise<void> {
    const { nodes } = this.options
    this.progress.note(`starting ${nodes} nodes and a client, ${nodes + 1} processes`)
    const names = Array.from({ length: nodes }, (_, i) => `n${i + 1}`)
    this.#nodes.push(...(await Promise.all(names.map((name) => this.fleet.node(name)))))
    this.#driver = await this.fleet.driver()
    await until('all see each other', async () => {
      const seen = await Promise.all(this.#nodes.map((node) => node.ask('sees')))
      const { nodes: all, members } = await this.#driver.ask('sees')
      return seen.every((count) => count === nodes) && all === nodes && members === nodes + 1
    })
  }

  /** SIGTERM to one node; when it is gone, a fresh one; when that has its children, the next. */
  async #replace(place: number): Promise<void> {
    const { progress, options } = this
    const old = this.#nodes[place]!
    const count = await old.ask('children')
    const { told: before } = await this.#driver.ask('all')
    progress.doing(`${old.name} drains`)
    progress.note(`${old.name}: SIGTERM, it has ${count} children`)
    const since = performance.now()
    const status = await this.fleet.leave(old)
    const tookMs = performance.now() - since
    const { told } = await this.#driver.ask('all')
    const moved = told.moved - before.moved
    progress.note(`${old.name}: ended (${status}) after ${seconds(tookMs)}, ${moved} handed over`)
    if (status !== TERMINATED) this.#complaints.push(`${old.name} ended with ${status}`)
    await this.#takeStalls(`${old.name} drains`, old)
    await this.#startFresh(place, options.sameNames ? old.name : `n${place + 1 + options.nodes}`)
  }

  async #startFresh(place: number, name: string): Promise<void> {
    const { progress } = this
    progress.doing(`${name} joins`)
    const since = performance.now()
    const node = await this.fleet.node(name)
    this.#nodes[place] = node
    await until(`${name} has its share of the children`, () =>
      node.ask('isSettled', this.options.nodes),
    )
    const count = await node.ask('children')
    progress.note(
      `${name}: started, joined, ${count} moved to it, ${seconds(performance.now() - since)}`,
    )
    await this.#takeStalls(`${name} joins`)
  }

  /** Waits until no child belongs on another node than it runs on. */
  async #settle(children: number): Promise<void> {
    await until('all children run where they belong', async () => {
      const counts = await Promise.all(this.#nodes.map((node) => node.ask('children')))
      const sum = counts.reduce((total, count) => total + count, 0)
      return sum === children && this.#nodes[0]!.ask('isSettled', this.options.nodes)
    })
  }

  async #spread(): Promise<string> {
    return (await Promise.all(this.#nodes.map((node) => node.ask('children')))).join(', ')
  }

  async #takeStalls(what?: string, gone?: Program<CounterNode>): Promise<void> {
    const stalls = await stallsOf(this.#nodes.filter((node) => node !== gone))
    const client = await this.#driver.ask('stall')
    if (what !== undefined) this.progress.stalls(what, stalls, client)
  }

  async #audit(replacingMs: number): Promise<Ending> {
    const { children } = this.options
    const [audit, all, found] = await Promise.all([
      this.#driver.ask('audit'),
      this.#driver.ask('all'),
      places(this.#nodes, children),
    ])
    return {
      ...{ children, audit, found, replacingMs },
      ...{ latency: all.latency, reasons: all.reasons, told: all.told },
      stalls: this.progress.worst,
      complaints: this.#complaints,
    }
  }
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`
