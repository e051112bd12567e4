/**
 * The processes of a node by the slot in their pid, and by local name. A slot is used again, with
 * the next serial, so a pid never comes back. The first slot is 80, so that the first pids look as
 * people know them: `<0.80.0>`.
 */

import type { Process } from '../process/process.js'
import { Pid } from '../term/pid.js'

const FIRST_SLOT = 80

export class ProcessTable {
  readonly #node: string
  readonly #creation: () => number
  readonly #slots: (Process | undefined)[] = []
  /** How often each slot was used before. */
  readonly #serials: number[] = []
  readonly #free: number[] = []
  readonly #names = new Map<string, Process>()
  #size = 0

  constructor(node: string, creation: () => number) {
    this.#node = node
    this.#creation = creation
  }

  get size(): number {
    return this.#size
  }

  /** A pid for a process that `add` will bring at once. */
  newPid(): Pid {
    const index = this.#free.pop() ?? this.#slots.length
    const serial = this.#serials[index] ?? 0
    if (index === this.#slots.length) {
      this.#slots.push(undefined)
      this.#serials.push(0)
    }
    return new Pid(this.#node, index + FIRST_SLOT, serial, this.#creation())
  }

  add(process: Process): void {
    this.#slots[process.pid.id - FIRST_SLOT] = process
    this.#size++
  }

  /** Only for what `find` finds: then the slot is free for another. */
  remove(process: Process): void {
    const index = process.pid.id - FIRST_SLOT
    this.#slots[index] = undefined
    this.#serials[index] = (process.pid.serial + 1) >>> 0
    this.#free.push(index)
    this.#size--
    if (process.name !== undefined) this.removeName(process.name)
  }

  find(pid: Pid): Process | undefined {
    const process = this.#slots[pid.id - FIRST_SLOT]
    if (process === undefined || process.pid === pid) return process
    return process.pid.equals(pid) ? process : undefined
  }

  named(name: string): Process | undefined {
    return this.#names.get(name)
  }

  /** The process must have no name and the name no process. */
  addName(name: string, process: Process): void {
    this.#names.set(name, process)
    process.ties.name = name
  }

  removeName(name: string): boolean {
    const process = this.#names.get(name)
    if (process === undefined) return false
    process.ties.name = undefined
    return this.#names.delete(name)
  }

  *[Symbol.iterator](): Generator<Process> {
    for (const process of this.#slots) if (process !== undefined) yield process
  }
}
