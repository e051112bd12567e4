/**
 * Who of several owners of a key stays. A pure function of their claims, so that it is the same on all
 * nodes and does not depend on which claim came first; docs/decisions/0015-conflicts.md.
 */
import { describe } from '../../base/describe.js'
import { failsLater } from '../../base/guard.js'
import type { Pid } from '../../term/pid.js'
import type { Claim } from './claim.js'
import { contradict, relation } from './lineage.js'

export interface Registration {
  readonly key: unknown
  readonly pid: Pid
  /** Grows with every change of owner: a fencing token. */
  readonly epoch: number
  readonly meta: unknown
}

/**
 * Says which of two owners stays, `a` or `b`, that a partition has left. `a` is the one that would
 * stay without being asked. It must answer the same on all nodes, for the same arguments, at any time.
 */
export type Resolve = (key: unknown, a: Registration, b: Registration) => Registration

/** The later epoch, then a fixed order of nodes. */
export function beats(a: Claim, b: Claim): boolean {
  if (a.epoch !== b.epoch) return a.epoch > b.epoch
  if (a.origin.node !== b.origin.node) return a.origin.node < b.origin.node
  return a.origin.creation > b.origin.creation
}

const byDefault = (a: Claim, b: Claim): number => (beats(a, b) ? -1 : 1)

export class ClaimOrder {
  private resolve: Resolve | undefined
  private warn: (sentence: string) => void = () => {}
  /** The metadata of the claims is the runtime's own. */
  private hidesMeta = false

  /** From now on the user decides. What is wrong with an answer is told to `warn`. */
  resolveBy(resolve: Resolve, warn: (sentence: string) => void, hidesMeta = false): void {
    this.resolve = resolve
    this.warn = warn
    this.hidesMeta = hidesMeta
  }

  /** The same claims, the owner's first, the others in their default order. Sorts in place. */
  rank(claims: Claim[]): Claim[] {
    claims.sort(byDefault)
    if (claims.length < 2 || !this.resolve) return claims
    const owner = this.owner(claims)
    return owner === claims[0] ? claims : [owner, ...claims.filter((claim) => claim !== owner)]
  }

  /**
   * Of claims that follow each other the last counts. Of the rest, in their default order, whoever is
   * left meets the next one, so that also an order that goes in circles gives one answer.
   */
  private owner(ranked: readonly Claim[]): Claim {
    const last = ranked.filter((one) => !ranked.some((other) => relation(other, one)))
    return last.reduce((best, next) => this.ofTwo(best, next))
  }

  private ofTwo(a: Claim, b: Claim): Claim {
    // One that only starts has nothing to tell yet.
    if (!this.resolve || !a.pid || !b.pid || contradict(a, b)) return a
    const [first, second] = [this.registration(a, a.pid), this.registration(b, b.pid)]
    try {
      const chosen: unknown = this.resolve(a.key, first, second)
      failsLater(chosen, (error) => this.warn(`it threw: ${describe(error)}`))
      if (chosen === second) return b
      if (chosen !== first) this.warn('it answered neither of the two: return a or b')
    } catch (error) {
      this.warn(`it threw: ${describe(error)}`)
    }
    return a
  }

  private registration({ key, epoch, meta }: Claim, pid: Pid): Registration {
    return { key, pid, epoch, meta: this.hidesMeta ? undefined : meta }
  }
}
