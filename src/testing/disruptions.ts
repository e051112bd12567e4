/**
 * Counts whatever may excuse a cluster: connections that go down, nodes that end, stalls, cuts and
 * slow ways. What must hold "while nothing fails" is checked between two moments with the same
 * count. A node that has handed everything over and says goodbye is no excuse.
 */
export class Disruptions {
  /** Of disruptions that have begun or ended so far. */
  count = 0
  private lastAt = Number.NEGATIVE_INFINITY

  constructor(private readonly clock: { readonly now: number }) {}

  happened(): void {
    this.count++
    this.lastAt = this.clock.now
  }

  /** Whether there was one, or one went on, in the last `ms`. */
  within(ms: number): boolean {
    return this.clock.now - this.lastAt < ms
  }
}
