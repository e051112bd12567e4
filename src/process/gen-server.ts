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
 * Lifecycle methods are optional and not declared here, so that no `override` is needed:
 * `init(...args)`, `terminate(reason)`, `handleInfo(message)`, `handleCall(request, from)`,
 * `handleCast(request)`. Any of them, and any message, may be asynchronous; the next message waits.
 */
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
    this.#attached.trapExit = trap
  }

  get #attached(): Process {
    if (this.#process !== undefined) return this.#process
    const sentence = 'the constructor of a GenServer has no process yet: move this to init()'
    throw new CitadelError('bad_argument', sentence)
  }
}
