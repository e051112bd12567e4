/**
 * The program of one node, as a service would have it: start the node, join the supervisor, hand
 * everything over at SIGTERM. The rest is for those who watch.
 */
import { Citadel, type DistributedSupervisor, stopOnSignals } from 'citadel'
import { Counter } from './counter.js'
import { type Stall, StallWatch } from './stall-watch.js'
import { answerQuestions } from './verbs.js'

export class CounterNode {
  readonly #stalls = new StallWatch()

  constructor(
    private readonly citadel: Citadel,
    private readonly counters: DistributedSupervisor,
  ) {}

  /** How many children run here. */
  children(): number {
    return this.counters.localChildren().size
  }

  /** Whether this node sees so many others, and no child of the cluster belongs elsewhere. */
  async isSettled(others: number): Promise<boolean> {
    if (this.citadel.nodes().length !== others || this.children() === 0) return false
    return (await this.counters.plan()).length === 0
  }

  sees(): number {
    return this.citadel.nodes().length
  }

  living(): [id: number, startedAt: number][] {
    return Counter.living((pid) => this.citadel.isAlive(pid))
  }

  stall(): Stall {
    return this.#stalls.take()
  }
}

const [name, budgetMs] = process.argv.slice(2)
// Ctrl-C reaches every program of a terminal; the conductor decides what it means.
process.on('SIGINT', () => undefined)
const citadel = await Citadel.start({ name, discovery: 'epmd', modules: { Counter } })
stopOnSignals(citadel, { budgetMs: Number(budgetMs), signals: ['SIGTERM'] })
const counters = await citadel.supervisor('counters')
await citadel.joinCluster()
answerQuestions(new CounterNode(citadel, counters))
