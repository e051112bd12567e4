/**
 * The order in which a node starts children that are perhaps why other nodes died: a few at a time, so
 * that those are cleared after which the node lives on, and the one is found that ends every program
 * it runs in. That one is given up. Why so: docs/decisions/0028-children-that-end-their-nodes.md.
 */
import type { Clock, Timer } from '../../base/clock.js'
import type { NodeDeaths, Suspicion, Trial } from './node-deaths.js'

export interface ProbationParts {
  readonly clock: Clock
  readonly deaths: NodeDeaths
  readonly deathsMax: number
  readonly deathWindowMs: number
  /** Whether it still has no node. */
  isOrphan(id: string): boolean
  /** Some may start now, if they are this node's: asks for them again with `admit`. */
  look(): void
  giveUp(id: string, deaths: number): void
}

/** The deaths of all children of a node come in slices. */
const GATHER_MS = 250
const SLOT_MIN_MS = 250
const SLOT_MAX_MS = 600
/** In so many slots all suspects of a node are started. */
const SLOTS = 8
/** If the node dies within this share of a slot, it was what was started in it, not what was before. */
const COUNTED_SHARE = 0.75

export class Probation {
  private readonly waiting = new Set<string>()
  private readonly allowed = new Map<string, Trial>()
  private timer: Timer | undefined
  /** How many deaths those have seen that are tried now, and how many of them there were. */
  private level = 0
  private most = 0

  constructor(private readonly parts: ProbationParts) {}

  /** Whether it is here, and not yet to be started. */
  holds(id: string): boolean {
    return this.waiting.has(id)
  }

  /** This node is to start a child. Undefined: it is under no suspicion. `later`: not yet. */
  admit(id: string): Trial | 'later' | undefined {
    const { deaths, deathsMax, deathWindowMs: forMs, clock } = this.parts
    const suspicion = deaths.of(id)
    if (!suspicion) return undefined
    // Whoever dies once or twice has other reasons, nearly always: nobody waits for that.
    if (suspicion.deaths < deathsMax) return { deaths: suspicion.deaths, forMs, alone: false }
    const trial = this.allowed.get(id)
    if (trial) {
      this.allowed.delete(id)
      return trial
    }
    this.waiting.add(id)
    this.timer ??= clock.after(GATHER_MS, () => this.next())
    return 'later'
  }

  close(): void {
    this.timer?.cancel()
    this.waiting.clear()
  }

  private next(): void {
    this.timer = undefined
    this.allowed.clear()
    const suspects = this.suspects()
    if (suspects.length === 0) {
      this.level = 0
      return
    }
    const slotMs = this.allow(suspects)
    this.timer = this.parts.clock.after(slotMs, () => this.next())
    this.parts.look()
  }

  /** Those that wait, the least suspicious first. What has been found out is given up. */
  private suspects(): [id: string, suspicion: Suspicion][] {
    const { deaths, isOrphan, giveUp } = this.parts
    const isOnly = deaths.isOnlyOne
    const suspects: [string, Suspicion][] = []
    for (const id of [...this.waiting]) {
      const one = isOrphan(id) ? deaths.of(id) : undefined
      if (!one) this.waiting.delete(id)
      else if (isOnly || one.alone) {
        this.waiting.delete(id)
        giveUp(id, one.deaths)
      } else suspects.push([id, one])
    }
    return suspects.sort(([, a], [, b]) => a.deaths - b.deaths)
  }

  /** Lets some of them start, and answers how long to wait for what becomes of the node. */
  private allow(suspects: readonly [id: string, suspicion: Suspicion][]): number {
    const { deathWindowMs, deathsMax } = this.parts
    const [, { deaths: least }] = suspects[0]!
    const others = suspects.filter(([, { deaths }]) => deaths === least)
    if (this.level !== least) this.most = 0
    this.level = least
    this.most = Math.max(this.most, others.length)
    const batch = others.slice(0, Math.ceil(this.most / SLOTS))
    const wanted = 2 * Math.max(...batch.map(([, { ms }]) => ms))
    // The second time there are few, and they get the time that they need.
    const most = least > deathsMax ? deathWindowMs : SLOT_MAX_MS
    const slotMs = Math.max(SLOT_MIN_MS, Math.min(wanted, most))
    const isCut = wanted > most
    const forMs = isCut ? deathWindowMs : slotMs * COUNTED_SHARE
    for (const [id, { deaths }] of batch) {
      this.waiting.delete(id)
      this.allowed.set(id, { deaths, forMs, alone: batch.length === 1 && !isCut })
    }
    return slotMs
  }
}
