/**
 * Moves of processes between wired kernels, made as the two sides of a handoff make them. Each step
 * is there for itself, so that a test can let things happen between two of them.
 */
import { GenServer } from '../../src/process/gen-server.js'
import { type From, noReply } from '../../src/process/request.js'
import type { Pid } from '../../src/term/pid.js'
import type { ManualClock } from './manual-clock.js'
import { rest } from './test-kernel.js'
import type { Wires } from './wired-kernels.js'

/** The longest time a process may take to be quiet. */
const HOLD_MS = 4_000

export interface MoveOptions {
  /** The nodes that learn of the move at once, in this order; all unless given. */
  learn?: readonly string[]
  /** The nodes whose markers are awaited; all unless given. */
  awaited?: readonly string[]
}

export class Moving {
  constructor(private readonly wires: Wires) {}

  kernel(node: string) {
    return this.wires.kernels.get(node)!.kernel
  }

  /** Holds a process still; its state. */
  hold(pid: Pid, ms = HOLD_MS): Promise<unknown> {
    return this.kernel(pid.node).moves.hold(pid, ms)
  }

  /** Starts the successor of `from` on `node`, held. */
  arrive(module: new () => GenServer, state: unknown, from: Pid, node: string): Promise<Pid> {
    return this.kernel(node).spawnByRoot(module, [], { arrival: { state, from } })
  }

  admit(from: Pid, to: Pid, awaited = this.nodes): void {
    this.kernel(to.node).moves.admit(to, from.node, awaited)
  }

  /** These nodes hear of the move: all unless given. */
  learn(from: Pid, to: Pid, nodes = this.nodes): void {
    for (const node of nodes) this.kernel(node).moves.learned(from, to)
  }

  /** The whole of it. */
  async move(
    module: new () => GenServer,
    from: Pid,
    node: string,
    { learn = this.nodes, awaited = this.nodes }: MoveOptions = {},
  ): Promise<Pid> {
    const state = await this.hold(from)
    const to = await this.arrive(module, state, from, node)
    this.admit(from, to, awaited)
    this.learn(from, to, learn)
    await rest()
    return to
  }

  private get nodes(): readonly string[] {
    return [...this.wires.kernels.keys()]
  }
}

/** Lets all that can happen now happen, under a clock that only moves when told. */
export async function calm(clock: ManualClock): Promise<void> {
  for (let round = 0; round < 10; round++) await clock.settle()
}

/** What `promise` comes to by what can happen now. */
export async function calmly<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  await calm(clock)
  return promise
}

/** Writes down what it hears; that is its state. */
export class Ledger extends GenServer {
  heard: unknown[] = []
  #waiting: From | undefined

  note(item: unknown): unknown {
    this.heard.push(item)
    return item
  }

  where(): string {
    return this.citadel.name
  }

  all(): unknown[] {
    return this.heard
  }

  /** Answers a call of `later` when it is told to. */
  later(): typeof noReply {
    this.#waiting = this.from
    return noReply
  }

  release(value: unknown): void {
    if (this.#waiting !== undefined) this.citadel.reply(this.#waiting, value)
  }

  bad(): unknown {
    return () => {}
  }

  fail(): void {
    throw new Error('broken')
  }

  handleInfo(message: unknown): void {
    this.heard.push(message)
  }

  handoff(): unknown {
    return this.heard
  }

  takeover(heard: unknown[]): void {
    this.heard = heard
  }
}
