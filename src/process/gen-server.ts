/**
 * GenServer: the class to extend for a process with state. Its methods are its messages. This file
 * is what a user sees; how messages reach the methods is in server-process.ts.
 *
 *     class Counter extends GenServer {
 *       #count = 0
 *       init(start: number) { this.#count = start }
 *       add(n: number) { return (this.#count += n) }
 *     }
 *     const pid = await citadel.spawn(Counter, [5])
 *     await citadel.call(pid, 'add', 3) // 8
 *
 * Life-cycle methods are optional. Any of them, and any message, may be asynchronous; the next message
 * waits.
 */
import { checkFlag } from '../base/arguments.js'
import { CitadelError } from '../base/errors.js'
import type { Pid } from '../term/pid.js'
import type { BoundNode } from './bound-node.js'
import type { Process } from './process.js'
import type { From } from './request.js'

/** Gives a new instance its process. For the runtime only. */
export const attach: unique symbol = Symbol('citadel.attach')

export class GenServer {
  #process: Process | undefined

  static [attach](server: GenServer, process: Process): void {
    server.#process = process
  }

  /** Called first, with the arguments of `spawn`. The process has begun when it has returned. */
  init?(...args: never[]): unknown
  /** Called last, when the process is to stop or has failed. */
  terminate?(reason: unknown): unknown
  /** Takes what comes by `send`, and what the node has to say: `Down`, `Exit`, `KeyLost`. */
  handleInfo?(message: unknown): unknown
  /** Takes all calls instead of the methods. */
  handleCall?(request: unknown, from: From): unknown
  /** Takes all casts instead of the methods. */
  handleCast?(request: unknown): unknown
  /** Gives the state to the node that the process moves to. */
  handoff?(): unknown
  /** Takes the state of the process that it takes over from, after `init`. */
  takeover?(state: never): unknown
  /** The process has given its state and stays after all. */
  handoffAborted?(): unknown
  /** Takes the state of another process of the same id, which a split has left and which ends. */
  mergeConflict?(state: never): unknown

  get self(): Pid<this> {
    return this.#attached.pid as Pid as Pid<this>
  }

  /** The node, bound to this process: what is called, linked or timed through it is its own. */
  get citadel(): BoundNode {
    return this.#attached.bound as BoundNode
  }

  /** Who made the call that is being handled; undefined in casts and other messages. */
  get from(): From | undefined {
    return this.#attached.current
  }

  /** Aborted when the process must stop. Pass it to whatever a handler waits for. */
  get signal(): AbortSignal {
    return this.#attached.signal
  }

  /** True: exit signals arrive at `handleInfo` as `Exit`, except `kill` and the parent's own end. */
  get trapExit(): boolean {
    return this.#attached.trapExit
  }

  set trapExit(trap: boolean) {
    checkFlag(trap, 'trapExit')
    this.#attached.trapExit = trap
  }

  get #attached(): Process {
    if (this.#process !== undefined) return this.#process
    const sentence = 'the constructor of a GenServer has no process yet: move this to init()'
    throw new CitadelError('bad_argument', sentence)
  }
}
