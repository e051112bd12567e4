/** How many restarts in how much time are a nuisance, and from when on they are a failure. Pure. */
export class RestartIntensity {
  readonly #maxRestarts: number
  readonly #periodMs: number
  /** When the last restarts were; at most `maxRestarts` of them. */
  #recent: number[] = []

  constructor(maxRestarts: number, maxSeconds: number) {
    this.#maxRestarts = maxRestarts
    this.#periodMs = maxSeconds * 1_000
  }

  /** One more restart. False: it would be one too many. */
  allows(now: number): boolean {
    this.#recent = this.#recent.filter((at) => now - at < this.#periodMs)
    if (this.#recent.length >= this.#maxRestarts) return false
    this.#recent.push(now)
    return true
  }

  /** The restarts within the period, as of the last one. */
  get count(): number {
    return this.#recent.length
  }
}
