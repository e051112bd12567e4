/**
 * The queue of what will happen in a simulated world: a binary heap ordered by time, and among
 * equal times by the order of scheduling, so that a run is decided by its seed alone. Cancelled
 * events are dropped when they surface, and swept out when they are the larger part.
 */
import type { Label } from './trace.js'

/** Whose code an event runs. It may be stalled (then it keeps the event for later) or gone. */
export interface EventOwner {
  readonly alive: boolean
  readonly stalledUntil: number
  defer(event: SimulatedEvent): void
}

export interface SimulatedEvent {
  at: number
  order: number
  /** Undefined once cancelled or run. */
  task: (() => void) | undefined
  readonly label: Label
  readonly owner: EventOwner | undefined
  /** Timers are served before sockets when a stalled program wakes, as Node.js does. */
  readonly isTimer: boolean
  /** In the heap; false while it waits with a stalled program. */
  queued: boolean
}

const SWEEP_MIN = 1024

const before = (a: SimulatedEvent, b: SimulatedEvent): boolean =>
  a.at < b.at || (a.at === b.at && a.order < b.order)

export class EventQueue {
  #heap: SimulatedEvent[] = []
  #cancelled = 0

  /** Events that will still run. */
  get size(): number {
    return this.#heap.length - this.#cancelled
  }

  push(event: SimulatedEvent): void {
    event.queued = true
    this.#heap.push(event)
    this.#rise(this.#heap.length - 1)
  }

  cancel(event: SimulatedEvent): void {
    if (event.task === undefined) return
    event.task = undefined
    if (!event.queued) return
    this.#cancelled++
    if (this.#cancelled > SWEEP_MIN && this.#cancelled * 2 > this.#heap.length) this.#sweep()
  }

  /** The next event that will run, left in the queue. */
  peek(): SimulatedEvent | undefined {
    for (;;) {
      const first = this.#heap[0]
      if (first === undefined || first.task !== undefined) return first
      this.#cancelled--
      this.#removeFirst()
    }
  }

  pop(): SimulatedEvent | undefined {
    const first = this.peek()
    if (first === undefined) return undefined
    first.queued = false
    this.#removeFirst()
    return first
  }

  #removeFirst(): void {
    const last = this.#heap.pop()!
    if (this.#heap.length === 0) return
    this.#heap[0] = last
    this.#sink(0)
  }

  #rise(start: number): void {
    const heap = this.#heap
    const event = heap[start]!
    let index = start
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!before(event, heap[parent]!)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = event
  }

  #sink(start: number): void {
    const heap = this.#heap
    const event = heap[start]!
    const { length } = heap
    let index = start
    for (;;) {
      let child = index * 2 + 1
      if (child >= length) break
      if (child + 1 < length && before(heap[child + 1]!, heap[child]!)) child++
      if (!before(heap[child]!, event)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = event
  }

  #sweep(): void {
    this.#heap = this.#heap.filter((event) => event.task !== undefined)
    this.#cancelled = 0
    for (let index = (this.#heap.length >> 1) - 1; index >= 0; index--) this.#sink(index)
  }
}
