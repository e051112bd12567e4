/**
 * What other nodes have accepted of what this node owns, in quorum mode: all of it by renewing a beat,
 * or a single key by granting it. Pure. Answers from when on a lease may be counted: the latest time
 * such that for every key of this node a majority has accepted, by something sent since, that it is
 * this node's.
 */
/** Keys got within such a time by the same votes are looked at as one. */
const BUCKET_MS = 50

/** Keys that a node which did not vote for them has not heard of before it renews a later beat. */
interface Recent {
  askedAt: number
  readonly since: number
  writtenAt: number
  readonly voters: Set<string>
}

export class Acceptances {
  /** When the latest beat that a node has renewed was sent. */
  private readonly renewedAt = new Map<string, number>()
  private recent: Recent[] = []
  /** The latest entry for each set of voters. */
  private readonly open = new Map<string, Recent>()

  constructor(
    /** How many other nodes make a majority with this one. */
    private readonly others: number,
    private readonly leaseMs: number,
  ) {}

  renewed(node: string, sentAt: number): void {
    if (sentAt > (this.renewedAt.get(node) ?? Number.NEGATIVE_INFINITY)) {
      this.renewedAt.set(node, sentAt)
    }
  }

  /** This node has got a key by the votes of `voters`, for which it began to ask at `askedAt`. */
  claimed(askedAt: number, voters: readonly string[], now: number): void {
    const key = [...voters].sort().join(' ')
    const known = this.open.get(key)
    if (known && now - known.since < BUCKET_MS) {
      known.askedAt = Math.min(known.askedAt, askedAt)
      known.writtenAt = now
      return
    }
    const one = { askedAt, since: now, writtenAt: now, voters: new Set(voters) }
    this.open.set(key, one)
    this.recent.push(one)
  }

  /** That node has forgotten all that it accepted, or may have. */
  forget(node: string): void {
    this.renewedAt.delete(node)
    for (const { voters } of this.recent) voters.delete(node)
    this.open.clear()
  }

  /** When what the node has accepted last was sent. */
  latestOf(node: string): number {
    const renewed = this.renewedAt.get(node) ?? Number.NEGATIVE_INFINITY
    const votes = this.recent.filter(({ voters }) => voters.has(node))
    return Math.max(renewed, ...votes.map(({ askedAt }) => askedAt))
  }

  /** From when on the lease counts; `without`: as if that node had forgotten all. */
  since(without?: string): number {
    const nodes = [...this.renewedAt.keys()].filter((node) => node !== without)
    let since = this.majority(nodes.map((node) => this.renewedAt.get(node)!))
    for (const one of this.recent) {
      const all = new Set([...nodes, ...one.voters])
      if (without !== undefined) all.delete(without)
      since = Math.min(since, this.majority([...all].map((node) => this.accepted(node, one))))
    }
    return since
  }

  /** From when on a key would count that was got by these votes, and that nobody else has heard of. */
  sinceVotes(askedAt: number, voters: readonly string[]): number {
    return this.majority(
      voters.map((node) => Math.max(this.renewedAt.get(node) ?? askedAt, askedAt)),
    )
  }

  /**
   * Lets go of what all others have heard of, or will not count any more. `beats`: nodes, and when
   * something was sent to each that it may still renew.
   */
  prune(now: number, beats: readonly (readonly [node: string, at: number])[] = []): void {
    const unaware = [...this.renewedAt, ...beats].filter(([, at]) => at > now - this.leaseMs)
    const isOpen = ({ voters, writtenAt }: Recent): boolean =>
      unaware.some(([node, at]) => !voters.has(node) && at <= writtenAt)
    const kept = this.recent.filter((one) => isOpen(one))
    if (kept.length === this.recent.length) return
    this.recent = kept
    this.open.clear()
  }

  private accepted(node: string, { voters, askedAt, writtenAt }: Recent): number {
    const renewed = this.renewedAt.get(node) ?? Number.NEGATIVE_INFINITY
    if (voters.has(node)) return Math.max(renewed, askedAt)
    return renewed > writtenAt ? renewed : Number.NEGATIVE_INFINITY
  }

  private majority(times: number[]): number {
    if (this.others === 0) return Number.POSITIVE_INFINITY
    times.sort((a, b) => b - a)
    return times[this.others - 1] ?? Number.NEGATIVE_INFINITY
  }
}
