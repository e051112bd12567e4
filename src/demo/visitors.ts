/**
 * Visitors of one node, who call the rooms one after another while something happens to the cluster.
 * What they were answered is counted room by room: the rooms must have counted the same.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Citadel } from '../citadel.js'
import type { DistributedSupervisor } from '../index.js'
import { machineTime, type Room } from './chat.js'

export interface VisitReport {
  /** Visits that were answered: by room 1, by room 2, and so on. */
  readonly answered: readonly number[]
  /** What became of the others. */
  readonly failures: readonly string[]
  readonly longestMs: number
}

const PAUSE_MS = 1

export class Visitors {
  readonly #answered: number[]
  readonly #failures: string[] = []
  #longestMs = 0
  #goOn = true
  readonly #all: Promise<unknown>

  /** One means each room by its id, the other by the pid that it has at the beginning. */
  constructor(citadel: Citadel, rooms: DistributedSupervisor, count: number) {
    this.#answered = Array.from({ length: count }, () => 0)
    const handles = this.#answered.map((_, index) => rooms.child<Room>(index + 1))
    const pids = handles.map((room) => room.pid!)
    this.#all = Promise.all([
      this.#walk((index) => handles[index]!.call('visit')),
      this.#walk((index) => citadel.call<Room, 'visit'>(pids[index]!, 'visit')),
    ])
  }

  /** Resolves when they have visited every room once more. */
  async end(): Promise<VisitReport> {
    this.#goOn = false
    await this.#all
    const longestMs = this.#longestMs
    return { answered: this.#answered, failures: this.#failures, longestMs }
  }

  async #walk(visit: (index: number) => Promise<number>): Promise<void> {
    for (let isLast = false; !isLast; ) {
      isLast = !this.#goOn
      for (const index of this.#answered.keys()) {
        await this.#visit(index, visit)
        await sleep(PAUSE_MS)
      }
    }
  }

  async #visit(index: number, visit: (index: number) => Promise<number>): Promise<void> {
    const before = machineTime()
    try {
      await visit(index)
      this.#answered[index]!++
    } catch (error) {
      this.#failures.push(`room ${index + 1}: ${String(error)}`)
    }
    this.#longestMs = Math.max(this.#longestMs, machineTime() - before)
  }
}
