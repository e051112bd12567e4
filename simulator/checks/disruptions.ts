/**
 * Counts whatever may excuse a cluster: connections that go down, nodes that end, stalls, cuts and
 * slow ways. What must hold "while nothing fails" is checked between two moments with the same
 * count. A node that has handed everything over and says goodbye is no excuse.
 */
export class Disruptions {
  /** Of disruptions that have begun or ended so far. */
  count = 0
  /** Of those that last, such as a stall or a cut, how many have begun or ended. */
  lasting = 0
  /** A cluster that is just starting is one that has just come together. */
  private lastAt = 0
  private readonly present = new Set<object>()

  constructor(private readonly clock: { readonly now: number }) {}

  happened(): void {
    this.count++
    this.lastAt = this.clock.now
  }

  /** One begins that lasts; answers how to end it. */
  begins(): () => void {
    const one = {}
    this.present.add(one)
    this.lasting++
    this.happened()
    return () => {
      if (!this.present.delete(one)) return
      this.lasting++
      this.happened()
    }
  }

  /** What is broken is mended. */
  allOver(): void {
    this.present.clear()
    this.happened()
  }

  /** Whether one goes on now. */
  get goesOn(): boolean {
    return this.present.size > 0
  }

  /** Whether there was one, or one went on, in the last `ms`. */
  within(ms: number): boolean {
    return this.goesOn || this.clock.now - this.lastAt < ms
  }
}
