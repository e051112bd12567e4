/** The child: it counts the calls it has answered, and takes its count along when it moves. */
import { GenServer, type Pid } from 'citadel'
import { machineTime } from './machine-time.js'

export class Counter extends GenServer {
  /** All that were made in this OS process, whatever the supervisor says about them. */
  static readonly made = new Set<Counter>()

  #count = 0
  #id = -1
  /** When `init` returned, on the clock that all programs of a machine share. */
  #startedAt = 0

  override init(id: number): void {
    this.#id = id
    Counter.made.add(this)
    this.#startedAt = machineTime()
  }

  add(): number {
    return ++this.#count
  }

  count(): number {
    return this.#count
  }

  override handoff(): number {
    return this.#count
  }

  override takeover(count: number): void {
    this.#count = count
  }

  /** Also called after a move, on the node that it has left. */
  override terminate(): void {
    Counter.made.delete(this)
  }

  /** Those that still live here, with the time of their start. */
  static living(isAlive: (pid: Pid) => boolean): [id: number, startedAt: number][] {
    const living: [number, number][] = []
    for (const counter of Counter.made) {
      if (isAlive(counter.self)) living.push([counter.#id, counter.#startedAt])
      else Counter.made.delete(counter)
    }
    return living
  }
}
