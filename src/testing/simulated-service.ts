/**
 * A server beside the cluster that nodes ask things, such as Redis or etcd: it is up, down, frozen or
 * slow, and every host reaches it or does not. What it answers is its store's affair. A request is
 * one event on the way there and one on the way back, as a timer of the program that asked.
 */
import type { Program } from './program.js'
import type { SeededRandom } from './seeded-random.js'
import type { Timeline } from './timeline.js'
import { label } from './trace.js'

export type ServiceState = 'up' | 'down' | 'frozen'

interface Waiting {
  readonly program: Program
  readonly serve: () => void
  readonly fail: (error: Error) => void
}

const LATENCY_MS = [0.1, 0.8] as const
const ARRIVES = label('request')

export const serviceError = (code: string): NodeJS.ErrnoException =>
  Object.assign(new Error(`${code} of the simulated service`), { code })

export class SimulatedService {
  /** Counts its starts: a connection to an earlier one is broken. */
  incarnation = 1
  /** What it takes to answer, on top of the way. */
  slowMs: readonly [number, number] = [0, 0]
  requests = 0
  #state: ServiceState = 'up'
  /** Hosts that do not reach it. */
  readonly #apart = new Set<string>()
  /** Asked while it was frozen or out of reach, in order. */
  #waiting: Waiting[] = []

  constructor(
    private readonly timeline: Timeline,
    private readonly random: SeededRandom,
  ) {}

  get state(): ServiceState {
    return this.#state
  }

  /** Whether a program can get an answer now. */
  answers(program: Program): boolean {
    return this.#state === 'up' && !this.#apart.has(program.host.name)
  }

  /** Killed: who waits is told by a reset, who comes is refused. */
  kill(): void {
    this.#state = 'down'
    this.incarnation++
    const waiting = this.#waiting
    this.#waiting = []
    for (const { fail } of waiting) fail(serviceError('ECONNRESET'))
  }

  /** Stopped in the middle of what it does. Connections stay; nothing is answered until `thaw`. */
  freeze(): void {
    if (this.#state === 'up') this.#state = 'frozen'
  }

  /** It runs, and answers what it was asked meanwhile. */
  start(): void {
    this.#state = 'up'
    this.#serveWaiting()
  }

  /** Nothing between it and these hosts. */
  cutFrom(hosts: readonly string[]): void {
    for (const host of hosts) this.#apart.add(host)
  }

  healAll(): void {
    this.#apart.clear()
    this.#serveWaiting()
  }

  /** Asks it. Rejects when it is down, or ends before it has answered. */
  request<T>(program: Program, incarnation: number, execute: () => T): Promise<T> {
    this.requests++
    return new Promise<T>((resolve, reject) => {
      const back = (task: () => void): void => {
        if (program.alive) program.clock.after(this.#way(), task)
      }
      const fail = (error: Error): void => back(() => reject(error))
      const serve = (): void => {
        if (incarnation !== this.incarnation) return fail(serviceError('ECONNRESET'))
        const answer = execute()
        back(() => resolve(answer))
      }
      const takesMs = this.#way() + this.random.between(this.slowMs)
      this.timeline.schedule(takesMs, () => this.#arrive({ program, serve, fail }), ARRIVES)
    })
  }

  #arrive(request: Waiting): void {
    if (this.#apart.has(request.program.host.name) || this.#state === 'frozen') {
      this.#waiting.push(request)
    } else if (this.#state === 'down') request.fail(serviceError('ECONNREFUSED'))
    else request.serve()
  }

  #serveWaiting(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const request of waiting) this.#arrive(request)
  }

  #way(): number {
    return this.random.between(LATENCY_MS)
  }
}
