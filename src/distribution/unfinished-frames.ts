/**
 * Memory for frames that have arrived in part, over all links of a node. When they take more than the
 * budget together, the link with the largest one is cut: so each may have its share, whatever others do.
 */
export const UNFINISHED_MAX_BYTES = 128 * 1024 * 1024

export interface Unfinished {
  /** What the frame has set aside so far. */
  readonly reservedBytes: number
  /** It takes too much: its link is to be cut. */
  tooMuch(): void
}

export class UnfinishedFrames {
  private readonly holders = new Map<Unfinished, number>()
  private total = 0

  constructor(private readonly maxBytes = UNFINISHED_MAX_BYTES) {}

  /** To be told after each arrival, and with nothing reserved when a link is gone. */
  changed(holder: Unfinished): void {
    const { reservedBytes } = holder
    const before = this.holders.get(holder) ?? 0
    if (reservedBytes === before) return
    this.total += reservedBytes - before
    if (reservedBytes === 0) this.holders.delete(holder)
    else this.holders.set(holder, reservedBytes)
    if (this.total > this.maxBytes) this.largest().tooMuch()
  }

  private largest(): Unfinished {
    let [found, most] = [...this.holders][0]!
    for (const [holder, bytes] of this.holders) {
      if (bytes > most) [found, most] = [holder, bytes]
    }
    return found
  }
}
