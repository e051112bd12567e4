/**
 * A queue of messages: a ring that grows by doubling. Idle processes have none; rings of emptied
 * mailboxes go back to a pool of the node, so that a busy process allocates nothing either.
 */
const FIRST_CAPACITY = 8
const POOLED_CAPACITY_MAX = 1024
const POOLED_COUNT_MAX = 64

export class Mailbox {
  /** The length is always a power of two, so that `& mask` wraps. Free places hold undefined. */
  #items: unknown[] = new Array(FIRST_CAPACITY).fill(undefined)
  #head = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  get capacity(): number {
    return this.#items.length
  }

  push(item: unknown): void {
    if (this.#size === this.#items.length) this.#grow()
    this.#items[(this.#head + this.#size) & (this.#items.length - 1)] = item
    this.#size++
  }

  /** The oldest message. Undefined when there is none, but a message may be undefined too. */
  shift(): unknown {
    const head = this.#head
    const item = this.#items[head]
    if (this.#size === 0) return undefined
    this.#items[head] = undefined
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
    for (let i = index; i > 0; i--) this.replace(i, this.at(i - 1))
    this.shift()
    return item
  }

  #grow(): void {
    const old = this.#items
    const items = new Array(old.length * 2).fill(undefined)
    for (let i = 0; i < this.#size; i++) items[i] = old[(this.#head + i) & (old.length - 1)]
    this.#items = items
    this.#head = 0
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
