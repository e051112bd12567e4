/** How many restarts are too many: more than `max` within `withinMs`, as in OTP's supervisor. */
export class RestartIntensity {
  private readonly times: number[] = []

  constructor(
    private readonly max: number,
    private readonly withinMs: number,
  ) {}

  /** Counts a restart at `now`. False: that is one too many. */
  allow(now: number): boolean {
    while (this.times.length > 0 && this.times[0]! <= now - this.withinMs) this.times.shift()
    this.times.push(now)
    return this.times.length <= this.max
  }

  /** How many restarts are within the window. */
  get count(): number {
    return this.times.length
  }
}
