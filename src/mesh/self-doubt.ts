/**
 * Whether this node may judge others. A node whose own loop was late has unread signs of life in
 * its sockets, so it judges nobody until one full quiet round has passed. After a gap longer than
 * the silent limit (a SIGSTOP, a suspended machine) the others may have given this node up: it has
 * to cut its links before it serves anything. Pure: told the time, answers.
 */
export class SelfDoubt {
  private lastAt: number
  private doubtUntil = Number.NEGATIVE_INFINITY

  constructor(
    private readonly silentMs: number,
    private readonly roundMs: number,
    now: number,
  ) {
    this.lastAt = now
  }

  /** Called whenever this node runs. True: it was away for longer than the silent limit. */
  notice(now: number): boolean {
    const gap = now - this.lastAt
    this.lastAt = now
    if (gap > this.silentMs / 3) this.doubtUntil = now + this.roundMs
    return gap > this.silentMs
  }

  doubting(now: number): boolean {
    return now < this.doubtUntil
  }
}
