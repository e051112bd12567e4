/**
 * Events for one subscriber, as an async iterable with a bound: a subscriber that cannot keep up is
 * ended with `overloaded` rather than left to eat the memory of the node.
 */
import { CitadelError } from './errors.js'

export class EventQueue<E> implements AsyncIterableIterator<E> {
  private readonly events: E[] = []
  private waiting: {
    resolve: (result: IteratorResult<E>) => void
    reject: (error: unknown) => void
  }[] = []
  private end: { error: CitadelError | undefined } | undefined

  constructor(
    private readonly max: number,
    private readonly onEnd: () => void,
  ) {}

  push(event: E): void {
    if (this.end) return
    const waiter = this.waiting.shift()
    if (waiter) waiter.resolve({ value: event, done: false })
    else if (this.events.length < this.max) this.events.push(event)
    else {
      this.close(
        new CitadelError(
          'overloaded',
          `More than ${this.max} events wait to be read; read faster, or subscribe again.`,
        ),
      )
    }
  }

  close(error?: CitadelError): void {
    if (this.end) return
    this.end = { error }
    this.onEnd()
    for (const { resolve, reject } of this.waiting) {
      if (error) reject(error)
      else resolve({ value: undefined, done: true })
    }
    this.waiting = []
  }

  next(): Promise<IteratorResult<E>> {
    const event = this.events.shift()
    if (event !== undefined) return Promise.resolve({ value: event, done: false })
    if (this.end?.error) return Promise.reject(this.end.error)
    if (this.end) return Promise.resolve({ value: undefined, done: true })
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }))
  }

  return(): Promise<IteratorResult<E>> {
    this.close()
    this.events.length = 0
    return Promise.resolve({ value: undefined, done: true })
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
