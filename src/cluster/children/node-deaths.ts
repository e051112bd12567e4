/**
 * Which children are perhaps why nodes die: their nodes died within seconds of getting them. Every
 * member sees the same rows come and go, so the survivors of a death agree, and what they know of the
 * deaths before travels in the claims. Pure.
 */
import type { Claim } from '../tables/claim.js'

/** What the claim of a child says that is started on trial. */
export interface Trial {
  /** How many nodes have died with it. */
  readonly deaths: number
  /** If its node dies within that time, it counts; if not, the child is cleared. */
  readonly forMs: number
  /** No other child under suspicion was started there at that time. */
  readonly alone: boolean
}

export interface Suspicion {
  readonly deaths: number
  /** It was the only one that could have been why, the last time. */
  readonly alone: boolean
  /** How long its last node lived with it. */
  readonly ms: number
}

const UNTRIED = { deaths: 0, alone: false }

export class NodeDeaths {
  /** Children that a node has got lately, oldest first, and when. */
  private readonly since = new Map<string, number>()
  /** Children whose node has died soon, and that have not got another one yet. */
  private readonly suspects = new Map<string, Suspicion>()

  /** How many of these have seen `deathsMax` deaths, now and since there were last none. */
  private serious = 0
  private seriousMost = 0

  constructor(
    private readonly windowMs: number,
    private readonly deathsMax: number,
  ) {}

  /** Whether only one child can be why: not if others were under suspicion, which are tried already. */
  get isOnlyOne(): boolean {
    return this.seriousMost === 1
  }

  /** A node that has just been met has a child, since nobody here knows when. */
  found(id: string): void {
    this.clear(id)
    this.since.delete(id)
  }

  /** A node has got a child, at the time `since` or later. */
  began(id: string, since: number): void {
    this.found(id)
    this.since.set(id, since)
    for (const [old, at] of this.since) {
      if (since - at <= this.windowMs) break
      this.since.delete(old)
    }
  }

  /** The node of a child has died, with that claim. */
  died({ id, meta }: Claim, now: number): void {
    const at = this.since.get(id)
    this.since.delete(id)
    if (at === undefined) return
    const ms = now - at
    const { deaths, forMs, alone } = isTrial(meta) ? meta : { ...UNTRIED, forMs: this.windowMs }
    if (ms > Math.min(forMs, this.windowMs)) return
    this.clear(id)
    this.suspects.set(id, { deaths: deaths + 1, alone, ms })
    if (deaths + 1 >= this.deathsMax) this.serious++
    this.seriousMost = Math.max(this.seriousMost, this.serious)
  }

  /** The child is done. */
  ended(id: string): void {
    this.since.delete(id)
    this.clear(id)
  }

  private clear(id: string): void {
    const one = this.suspects.get(id)
    if (!one) return
    this.suspects.delete(id)
    if (one.deaths >= this.deathsMax) this.serious--
    if (this.serious === 0) this.seriousMost = 0
  }

  of(id: string): Suspicion | undefined {
    return this.suspects.get(id)
  }
}

function isTrial(meta: unknown): meta is Trial {
  if (typeof meta !== 'object' || meta === null) return false
  const { deaths, forMs, alone } = meta as Partial<Trial>
  const isCounted = Number.isSafeInteger(deaths) && (deaths as number) > 0
  return isCounted && typeof forMs === 'number' && typeof alone === 'boolean'
}
