/** The servers under test: as small as their Erlang counterparts. */
import { GenServer } from '../../src/process/gen-server.js'
import { type From, noReply } from '../../src/process/request.js'

/** The counterpart of the gen_server with one counter in its state. */
export class Worker extends GenServer {
  count = 0

  add(n: number): number {
    return n + 1
  }
}

/** A child that counts calls, takes its count along when it moves, and knows when it was started. */
export class Child extends GenServer {
  /** By id, when `init` returned, in milliseconds of the clock that all programs of a machine share. */
  static readonly startedAt = new Map<number, number>()

  #count = 0

  init(id: number): void {
    Child.startedAt.set(id, machineTime())
  }

  count(): number {
    return ++this.#count
  }

  handoff(): number {
    return this.#count
  }

  takeover(count: number): void {
    this.#count = count
  }
}

export const machineTime = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000

/** Counts what it gets, and answers `counted` once there is enough. */
export class Counter extends GenServer {
  #left = 0
  #waiting: From | undefined

  expect(total: number): void {
    this.#left = total
  }

  counted(): typeof noReply {
    this.#waiting = this.from
    this.#answer()
    return noReply
  }

  handleInfo(_message: unknown): void {
    this.#left--
    if (this.#left === 0) this.#answer()
  }

  #answer(): void {
    if (this.#left > 0 || !this.#waiting) return
    this.citadel.reply(this.#waiting)
    this.#waiting = undefined
  }
}

/** Starts servers for the node that asks: other nodes start nothing but what is offered. */
export class Starter extends GenServer {
  async start(kind: 'worker' | 'counter') {
    return kind === 'worker' ? this.citadel.spawn(Worker) : this.citadel.spawn(Counter)
  }
}
