/**
 * Work on keys, in the order in which it came, of which only one piece at a time is under way for
 * each key.
 */
export class KeyQueue<T extends { readonly name: string }> {
  /** Keys in work, and what waits for each. */
  private readonly waiting = new Map<string, T[]>()
  private ready: T[] = []
  private next = 0

  add(work: T): void {
    const others = this.waiting.get(work.name)
    if (others) others.push(work)
    else {
      this.waiting.set(work.name, [])
      this.ready.push(work)
    }
  }

  /** Once more, or something else for the same key: before all that waits for it. */
  again(work: T): void {
    this.ready.push(work)
  }

  /** What `take` gives next. */
  get first(): T | undefined {
    return this.ready[this.next]
  }

  take(): T | undefined {
    const work = this.ready[this.next]
    if (work === undefined) return undefined
    this.next++
    if (this.next === this.ready.length) {
      this.ready = []
      this.next = 0
    }
    return work
  }

  /** The key is free for what waits for it. */
  done({ name }: T): void {
    const others = this.waiting.get(name)
    const work = others?.shift()
    if (work) this.ready.push(work)
    else this.waiting.delete(name)
  }

  get hasReady(): boolean {
    return this.first !== undefined
  }

  clear(): void {
    this.waiting.clear()
    this.ready = []
    this.next = 0
  }
}
