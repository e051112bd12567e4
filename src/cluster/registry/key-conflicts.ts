/**
 * Keys of the registry with an owner on each side of a split: which of this node's own claims stay, and
 * what becomes of the processes of those that do not.
 */
import type { Clock } from '../../base/clock.js'
import type { ProcessPort } from '../../kernel/process-port.js'
import type { Pid } from '../../term/pid.js'
import { Conflicts } from '../scopes/conflicts.js'
import type { Scopes } from '../scopes/scopes.js'
import type { Claim } from '../tables/claim.js'
import { relation } from '../tables/lineage.js'
import type { Scope } from '../tables/scope.js'

/** What is known of processes that are supervised children. */
export interface Siblings {
  /** Whether this process of this node is a child. */
  isChild(pid: Pid): boolean
  /** Whether both claim to be the same child. */
  areSame(a: Pid, b: Pid): boolean
}

export interface KeyConflictsParts {
  readonly scopes: Scopes
  readonly scope: Scope<'c'>
  readonly processes: ProcessPort
  readonly siblings: Siblings
  /** Whoever decides leaves no two owners: what has a key by force took it from the one before. */
  readonly neverSplits: boolean
  /** The owner has been told already that it loses the key. */
  isGivenUp(claim: Claim): boolean
  /** The owner before lives on and hears who has its key. */
  tellLost(claim: Claim, by: Pid): void
}

/** How long the end of a child that has lost its id, and its key with it, may take to get here. */
const CHILD_PATIENCE_MS = 2_000

export class KeyConflicts {
  private readonly conflicts: Conflicts
  /** Since when keys of children are lost. */
  private readonly lostSince = new WeakMap<Claim, number>()
  private readonly clock: Clock

  constructor(private readonly parts: KeyConflictsParts) {
    const { scopes, scope, processes } = parts
    this.clock = scopes.clock
    this.conflicts = new Conflicts({
      scopes,
      scope,
      lost: (own, by) => this.lost(own, by),
      renew: (own, epoch, lineage) => {
        if (!own.pid || !processes.isAlive(own.pid) || processes.successor(own.pid)) return false
        scopes.putClaim(scope, { ...own, epoch, lineage })
        return true
      },
    })
  }

  close(): void {
    this.conflicts.close()
  }

  private lost(own: Claim, by: Claim): boolean {
    const { scopes, scope, processes } = this.parts
    // A key that has moved: the old claim stays until all members know the new one.
    if (own.pid && processes.successor(own.pid)) return true
    if (this.parts.isGivenUp(own)) {
      scopes.deleteOwn(scope, own.id, 'forced')
      return true
    }
    const isTaken = this.parts.neverSplits || relation(by, own) === 'took'
    if (by.forced && by.pid && isTaken) {
      scopes.deleteOwn(scope, own.id, 'forced')
      this.parts.tellLost(own, by.pid)
      return true
    }
    if (this.isEarly(own, by)) return false
    scopes.deleteOwn(scope, own.id, 'conflict')
    if (own.pid) processes.exit(own.pid, 'name_conflict')
    return true
  }

  /**
   * Of two processes that are the same child, the supervisor says which one stays, and the key is that
   * one's. What it says may be known here only after the key, or the end of the other one before it.
   */
  private isEarly(own: Claim, by: Claim): boolean {
    const { scopes, siblings } = this.parts
    if (!own.pid || !by.pid) return false
    if (!scopes.synced(by.origin.node)) return true
    if (!siblings.isChild(own.pid)) return false
    if (siblings.areSame(own.pid, by.pid)) return true
    const now = this.clock.now()
    const since = this.lostSince.get(own) ?? now
    this.lostSince.set(own, since)
    return now - since < CHILD_PATIENCE_MS
  }
}
