/**
 * A queue of messages: a ring that grows by doubling. Idle processes have none; rings of emptied
 * mailboxes go back to a pool of the node, so that a busy process allocates nothing either. What
 * came from other nodes is weighed as well as counted; docs/decisions/0027-bounds-in-bytes.md.
 */
const FIRST_CAPACITY = 8
const POOLED_CAPACITY_MAX = 1024
const POOLED_COUNT_MAX = 64

export class Mailbox {
  /** The length is always a power of two, so that `& mask` wraps. Free places hold undefined. */
  #items: unknown[] = new Array(FIRST_CAPACITY).fill(undefined)
  #head = 0
  #size = 0
  /** The weight of each item, in the place of the item; made for the first that has one. */
  #weights: Float64Array | undefined
  #bytes = 0

  get size(): number {
    return this.#size
  }

  get capacity(): number {
    return this.#items.length
  }

  /** What lies in it of other nodes, in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  push(item: unknown, bytes = 0): void {
    if (this.#size === this.#items.length) this.#grow()
    const place = (this.#head + this.#size) & (this.#items.length - 1)
    this.#items[place] = item
    this.#size++
    if (bytes > 0) this.#weigh(place, bytes)
  }

  /** The oldest message. Undefined when there is none, but a message may be undefined too. */
  shift(): unknown {
    const head = this.#head
    const item = this.#items[head]
    if (this.#size === 0) return undefined
    this.#items[head] = undefined
    if (this.#bytes > 0) this.#bytes -= this.#moveWeight(head, undefined)
    this.#head = (head + 1) & (this.#items.length - 1)
    this.#size--
    return item
  }

  at(index: number): unknown {
    return this.#items[(this.#head + index) & (this.#items.length - 1)]
  }

  replace(index: number, item: unknown): void {
    this.#items[(this.#head + index) & (this.#items.length - 1)] = item
  }

  /** Takes a message out of the middle; those after it keep their order. */
  remove(index: number): unknown {
    const item = this.at(index)
    const mask = this.#items.length - 1
    if (this.#bytes > 0) this.#bytes -= this.#moveWeight((this.#head + index) & mask, undefined)
    for (let i = index; i > 0; i--) {
      this.replace(i, this.at(i - 1))
      if (this.#bytes > 0) this.#moveWeight((this.#head + i - 1) & mask, (this.#head + i) & mask)
    }
    this.shift()
    return item
  }

  #weigh(place: number, bytes: number): void {
    this.#weights ??= new Float64Array(this.#items.length)
    this.#weights[place] = bytes
    this.#bytes += bytes
  }

  /** Takes the weight from one place to another, or away. */
  #moveWeight(from: number, to: number | undefined): number {
    const weights = this.#weights!
    const bytes = weights[from]!
    weights[from] = 0
    if (to !== undefined) weights[to] = bytes
    return bytes
  }

  #grow(): void {
    const old = this.#items
    const items = new Array(old.length * 2).fill(undefined)
    for (let i = 0; i < this.#size; i++) items[i] = old[(this.#head + i) & (old.length - 1)]
    this.#items = items
    if (this.#weights !== undefined) this.#growWeights(this.#weights)
    this.#head = 0
  }

  #growWeights(old: Float64Array): void {
    const weights = new Float64Array(old.length * 2)
    for (let i = 0; i < old.length; i++) weights[i] = old[(this.#head + i) & (old.length - 1)]!
    this.#weights = weights
  }
}

/** Keeps a few small emptied rings of one node; large ones are left to the garbage collector. */
export class MailboxPool {
  readonly #free: Mailbox[] = []

  take(): Mailbox {
    return this.#free.pop() ?? new Mailbox()
  }

  /** `mailbox` must be empty. */
  giveBack(mailbox: Mailbox): void {
    if (mailbox.capacity > POOLED_CAPACITY_MAX || this.#free.length >= POOLED_COUNT_MAX) return
    this.#free.push(mailbox)
  }
}
