/** Which processes are supervised children, by the claims of all supervisors that this node knows. */
import type { Pid } from '../../term/pid.js'
import type { Claim } from '../tables/claim.js'
import type { Scope } from '../tables/scope.js'
import type { Siblings } from './key-conflicts.js'

const SUPERVISORS = 'c:supervisor/'

export class ChildClaims implements Siblings {
  constructor(private readonly scopes: { claimScopes(): Iterable<Scope<'c'>> }) {}

  isChild(pid: Pid): boolean {
    for (const _ of this.claimsOf(pid)) return true
    return false
  }

  areSame(a: Pid, b: Pid): boolean {
    const ids = new Set(Array.from(this.claimsOf(a), named))
    for (const claim of this.claimsOf(b)) if (ids.has(named(claim))) return true
    return false
  }

  private *claimsOf(pid: Pid): Iterable<[scope: string, claim: Claim]> {
    for (const { replica, table } of this.scopes.claimScopes()) {
      const { scope } = replica
      if (!scope.startsWith(SUPERVISORS)) continue
      for (const claim of table.rowsOfPid(replica.origin(pid.node), pid)) yield [scope, claim]
    }
  }
}

const named = ([scope, { id }]: [scope: string, claim: Claim]): string => `${scope} ${id}`
