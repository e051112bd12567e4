/**
 * A whole world decided by one seed: virtual time, a network, programs. The driver carries out one
 * event at a time and lets every promise that it resolved run to its end before the next, so that
 * ordinary asynchronous code repeats exactly. It fails loudly when a step waits for something that
 * no event of this world will bring, such as a real socket or timer.
 */
import type { World } from '../base/world.js'
import type { NetworkOptions } from './network-conditions.js'
import type { Program } from './program.js'
import { SeededRandom } from './seeded-random.js'
import type { SimulatedClockOptions } from './simulated-clock.js'
import { SimulatedNetwork } from './simulated-network.js'
import { Timeline } from './timeline.js'
import { label, Trace } from './trace.js'

export interface SimulationOptions {
  seed: number
  network?: Partial<NetworkOptions>
}

/** How many events are carried out per round of the real event loop. */
const BATCH_MAX = 256
const CLOCK_START_MAX_MS = 1_000_000

type Outcome = 'stopped' | 'timeUp' | 'nothingLeft'

export class Simulation {
  readonly seed: number
  /** For the scenario: which faults, when, which work. */
  readonly random: SeededRandom
  readonly trace = new Trace()
  readonly timeline: Timeline
  readonly network: SimulatedNetwork
  readonly #root: SeededRandom
  #programs = 0
  #running = false

  constructor(options: SimulationOptions) {
    this.seed = options.seed
    this.#root = new SeededRandom(options.seed)
    this.random = this.#root.fork('scenario')
    this.timeline = new Timeline(this.trace)
    this.network = new SimulatedNetwork(this.timeline, this.#root.fork('network'), options.network)
  }

  /** Virtual milliseconds since the beginning. */
  get now(): number {
    return this.timeline.now
  }

  /** Starts a program on a host: a world to run a node in, which can be stalled and crashed. */
  program(hostName: string, options: SimulatedClockOptions & { name?: string } = {}): Program {
    const name = `${options.name ?? hostName}#${++this.#programs}`
    const random = this.#root.fork(`program ${name}`)
    const startMs = options.startMs ?? random.below(CLOCK_START_MAX_MS)
    return this.network.start(hostName, { ...options, startMs, name, random })
  }

  /** The world of a new program on a host. */
  world(hostName: string, options: SimulatedClockOptions & { name?: string } = {}): World {
    return this.program(hostName, options).world
  }

  /** Something the scenario does at a moment: a fault, a step of work. */
  after(delayMs: number, what: string, task: () => void): void {
    this.timeline.schedule(delayMs, task, label(what))
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, 'sleep', resolve))
  }

  async runFor(ms: number): Promise<void> {
    const until = this.timeline.now + ms
    await this.#drive(() => false, until)
    this.timeline.advanceTo(until)
  }

  /** Runs until the condition holds; it is asked between events. Rejects at the deadline. */
  async runUntil(condition: () => boolean, deadlineMs: number, what = 'condition'): Promise<void> {
    const outcome = await this.#drive(condition, this.timeline.now + deadlineMs)
    if (outcome !== 'stopped') throw this.#stuck(what, outcome, deadlineMs)
  }

  /** Runs until the promise settles, and settles as it does. */
  async settle<T>(
    step: Promise<T> | (() => Promise<T>),
    options: { deadlineMs?: number; what?: string } = {},
  ): Promise<T> {
    const { deadlineMs = 60_000, what = 'step' } = options
    const promise = typeof step === 'function' ? step() : step
    let settled = false
    const note = (): void => {
      settled = true
    }
    promise.then(note, note)
    const outcome = await this.#drive(() => settled, this.timeline.now + deadlineMs)
    if (outcome !== 'stopped') throw this.#stuck(what, outcome, deadlineMs)
    return promise
  }

  #stuck(what: string, outcome: Outcome, deadlineMs: number): Error {
    const at = `seed ${this.seed}, ${this.now.toFixed(3)} ms`
    return new Error(
      outcome === 'timeUp'
        ? `${what} is not done after ${deadlineMs} simulated ms (${at})`
        : `nothing is left to happen, but ${what} still waits (${at}): ` +
            'it may be waiting for a real timer, socket or file, which this world does not have',
    )
  }

  /**
   * Node.js runs all promise callbacks between two immediates, so one event per immediate is all
   * it takes to let them finish; a batch of immediates costs one round of the event loop.
   */
  async #drive(stop: () => boolean, until: number): Promise<Outcome> {
    if (this.#running) throw new Error('the simulation is running already: await the step before')
    this.#running = true
    try {
      return await new Promise<Outcome>((resolve, reject) => {
        let batch = 4
        let queued = 0
        let done = false
        const turn = (): void => {
          queued--
          if (done) return
          try {
            const outcome = this.#turn(stop, until)
            if (outcome === undefined) {
              if (queued === 0) arm()
              return
            }
            done = true
            resolve(outcome)
          } catch (error) {
            done = true
            reject(error)
          }
        }
        const arm = (): void => {
          batch = Math.min(batch * 2, BATCH_MAX)
          for (queued = 0; queued < batch; queued++) setImmediate(turn)
        }
        arm()
      })
    } finally {
      this.#running = false
    }
  }

  #turn(stop: () => boolean, until: number): Outcome | undefined {
    if (stop()) return 'stopped'
    const next = this.timeline.nextAt()
    if (next === undefined) return 'nothingLeft'
    if (next > until) {
      this.timeline.advanceTo(until)
      return 'timeUp'
    }
    this.timeline.step()
    return undefined
  }
}
