/**
 * Taking a key from an owner that lives, where an owner must never be one of two: it is told, on its
 * own node, before the claim that follows is made. Until that claim's row comes the key stays taken,
 * so that nobody else gets it in between; if none comes, it is free again.
 */
import type { Clock, Timer } from '../../base/clock.js'
import { CitadelError } from '../../base/errors.js'
import type { Pid } from '../../term/pid.js'
import { showKey } from '../../term/show-key.js'
import type { Claim } from '../tables/claim-table.js'

export interface YieldingParts {
  readonly clock: Clock
  /** This node's own claim of a key. */
  ownClaim(id: string): Claim | undefined
  tellLost(claim: Claim, by: Pid): void
  free(id: string): void
  /** The same on the owner's node. */
  ask(node: string, key: unknown, epoch: number, by: Pid): Promise<void>
}

/** How long a key that was given up waits for who is to have it: as long as a claim may take. */
const HELD_MS = 10_000

export class Yielding {
  /** By id, the epoch of the claim of this node whose owner has been told. */
  private readonly given = new Map<string, number>()
  /** Of the same ids: when they are free if nobody comes. */
  private readonly timers = new Map<string, Timer>()

  constructor(private readonly parts: YieldingParts) {}

  /** The owner has been told that `by` is to have its key. */
  async tell(owner: Claim, by: Pid): Promise<void> {
    const { node } = owner.origin
    if (this.parts.ownClaim(owner.id) === owner) return
    try {
      await this.parts.ask(node, owner.key, owner.epoch, by)
    } catch (error) {
      if (!(error instanceof CitadelError) || error.code !== 'noconnection') throw error
      throw ownerOutOfReach(owner, error)
    }
  }

  /** On the owner's node. Rejects `not_found` when it owns the key no more under that epoch. */
  async giveUp(id: string, key: unknown, epoch: number, by: Pid): Promise<void> {
    const claim = this.parts.ownClaim(id)
    if (claim?.epoch !== epoch) {
      throw new CitadelError(
        'not_found',
        `${showKey(key)} has another owner by now; look it up and decide anew.`,
      )
    }
    if (this.given.get(id) === epoch) return
    this.given.set(id, epoch)
    this.parts.tellLost(claim, by)
    this.timers.get(id)?.cancel()
    const timer = this.parts.clock.after(HELD_MS, () => {
      this.forget(id)
      if (this.parts.ownClaim(id)?.epoch === epoch) this.parts.free(id)
    })
    this.timers.set(id, timer)
  }

  /** Whether the owner of that claim, if it is of this node, knows that it is to lose its key. */
  isTold({ id, epoch }: Claim): boolean {
    return this.given.get(id) === epoch
  }

  /** The same, asked once, at the end of the claim. */
  isGivenUp(claim: Claim): boolean {
    if (!this.isTold(claim)) return false
    this.forget(claim.id)
    return true
  }

  /** The node stops: what it has goes with it. */
  close(): void {
    for (const timer of this.timers.values()) timer.cancel()
    this.timers.clear()
  }

  private forget(id: string): void {
    this.given.delete(id)
    this.timers.get(id)?.cancel()
    this.timers.delete(id)
  }
}

const ownerOutOfReach = ({ key, origin }: Claim, cause: CitadelError): CitadelError =>
  new CitadelError(
    'unavailable',
    `The owner of ${showKey(key)} runs on ${origin.node}, which cannot be reached; nobody gets the key until that node's lease is over. Try again in a few seconds.`,
    { cause },
  )
