/**
 * The ids with a spec and without a claim, and their adoption. Level-triggered: every change of the
 * tables or of the view looks at them again, so that a second death or a late joiner loses nothing.
 * They are gone through a slice at a time.
 */
import type { Clock } from '../../base/clock.js'

export interface OrphansParts {
  readonly clock: Clock
  /** Whether all members must go through the orphans in the same order, to agree who takes which. */
  readonly inOrder: boolean
  /** Whether an id is one that this node is to start now. Made once for many ids. */
  chooser(): (id: string) => boolean
  /** Settles when the attempt is over, however it ended. */
  adopt(id: string): Promise<void>
}

/** How many orphans are being started at one time. */
const ADOPTIONS_MAX = 256
const SLICE_MS = 4
/** How often the clock is looked at. */
const CHECK_EVERY = 64

export class Orphans {
  private readonly ids = new Set<string>()
  private adopting = 0
  /** A look is under way, or due. */
  private looking = false
  /** Something has changed since the present look began. */
  private again = false
  private closed = false

  constructor(private readonly parts: OrphansParts) {}

  get size(): number {
    return this.ids.size
  }

  has(id: string): boolean {
    return this.ids.has(id)
  }

  add(id: string): void {
    this.ids.add(id)
    this.lookSoon()
  }

  delete(id: string): void {
    this.ids.delete(id)
  }

  /** This node adopts nothing any more. */
  close(): void {
    this.closed = true
  }

  /** Once per turn, however many ids have lost their runner in it. */
  lookSoon(): void {
    if (this.closed || this.ids.size === 0) return
    if (this.looking) {
      this.again = true
      return
    }
    this.looking = true
    this.parts.clock.soon(() => {
      this.again = false
      const ids = this.parts.inOrder ? [...this.ids].sort() : this.ids
      this.look(ids.values(), this.parts.chooser())
    })
  }

  private look(ids: Iterator<string>, isOurs: (id: string) => boolean): void {
    const until = this.parts.clock.now() + SLICE_MS
    for (let looked = 1; !this.closed && this.adopting < ADOPTIONS_MAX; looked++) {
      const { value: id, done } = ids.next()
      if (done) break
      if (isOurs(id)) this.adoptOne(id)
      if (looked % CHECK_EVERY !== 0 || this.parts.clock.now() < until) continue
      this.parts.clock.soon(() => this.look(ids, isOurs))
      return
    }
    this.looking = false
    if (this.again) this.lookSoon()
  }

  private adoptOne(id: string): void {
    this.adopting++
    void this.parts.adopt(id).finally(() => {
      this.adopting--
      if (this.adopting <= ADOPTIONS_MAX / 2) this.lookSoon()
    })
  }
}
