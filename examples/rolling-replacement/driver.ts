/**
 * The client: an OS process of its own that is connected and has joined the supervisor without any
 * class, so that no child ever runs in it. It starts the children, calls them, and keeps the log of
 * what they acknowledged.
 */
import { type ChildHandle, Citadel, type DistributedSupervisor } from 'citadel'
import type { Counter } from './counter.js'
import { type Latency, Load } from './load.js'
import { type Stall, StallWatch } from './stall-watch.js'
import { answerQuestions } from './verbs.js'

/** What the supervisor's events said, in all. */
export interface Told {
  moved: number
  withState: number
  adopted: number
  crashed: number
  stayed: number
}

export interface Audit {
  /** Children whose counter is what was acknowledged to this client. */
  readonly equal: number
  /** What is wrong with the others, in words; the first ones. */
  readonly wrong: readonly string[]
  readonly unequal: number
  /** Children that do not answer. */
  readonly silent: number
}

const PARALLEL = 200
const WRONG_MAX = 10

export class Driver {
  readonly #stalls = new StallWatch()
  readonly #told: Told = { moved: 0, withState: 0, adopted: 0, crashed: 0, stayed: 0 }
  #handles: ChildHandle<Counter>[] = []
  #load: Load | undefined

  constructor(
    private readonly citadel: Citadel,
    private readonly counters: DistributedSupervisor,
  ) {}

  /** How many nodes may run children, as this client sees it. */
  sees(): { nodes: number; members: number } {
    return { nodes: this.citadel.nodes().length, members: this.counters.nodes().length }
  }

  async startChildren(count: number): Promise<void> {
    await inParallel(count, (id) => this.counters.startChild('Counter', [id], { id }))
    this.#handles = Array.from({ length: count }, (_, id) => this.counters.child<Counter>(id))
    this.#load = new Load(count, (id) => this.#handles[id]!.call('add'))
    void this.#listen()
  }

  startLoad(rate: number): void {
    this.#load!.start(rate)
  }

  stopLoad(): Promise<void> {
    return this.#load!.stop()
  }

  recent(): Latency {
    return this.#load!.recent()
  }

  all(): { latency: Latency; reasons: [string, number][]; told: Told } {
    return { latency: this.#load!.all(), reasons: this.#load!.reasons(), told: this.#told }
  }

  /** Asks every child what it has counted, and compares. */
  async audit(): Promise<Audit> {
    const wrong: string[] = []
    let unequal = 0
    let silent = 0
    await inParallel(this.#handles.length, async (id) => {
      const acknowledged = this.#load!.acknowledged(id)
      const count = await this.#handles[id]!.call('count').catch(() => undefined)
      if (count === acknowledged && this.#load!.isSequence(id)) return
      if (count === undefined) silent++
      else unequal++
      const says = count === undefined ? 'does not answer' : `has counted ${count}`
      wrong.push(`child ${id} ${says}, and ${acknowledged} calls were acknowledged`)
    })
    const equal = this.#handles.length - unequal - silent
    return { equal, unequal, silent, wrong: wrong.slice(0, WRONG_MAX) }
  }

  stall(): Stall {
    return this.#stalls.take()
  }

  async #listen(): Promise<void> {
    for await (const event of this.counters.events()) {
      if (event.type === 'moved') {
        this.#told.moved++
        if (event.hasState) this.#told.withState++
      } else if (event.type === 'adopted') this.#told.adopted++
      else if (event.type === 'crashed') this.#told.crashed++
      else if (event.type === 'stayed') this.#told.stayed++
    }
  }
}

async function inParallel(total: number, work: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < total) await work(next++)
  }
  await Promise.all(Array.from({ length: PARALLEL }, worker))
}

const [name] = process.argv.slice(2)
process.on('SIGINT', () => undefined)
const citadel = await Citadel.start({ name, discovery: 'epmd' })
const counters = await citadel.supervisor('counters')
await citadel.joinCluster()
answerQuestions(new Driver(citadel, counters))
