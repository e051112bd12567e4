/**
 * Watches every claim at the moment its owner writes it: I3 (no second owner while the members
 * agree) and I5 (epochs rise). "Agree" means that the views of both nodes are the same and settled:
 * each has heard the same list of members from all of them. By force a key may be taken from its
 * owner, who hears of it a little later, so forced claims are left out.
 */
import type { ClaimChange } from '../cluster/claim-table.js'
import type { Scope } from '../cluster/scope.js'
import type { ClusterMember } from './cluster-member.js'
import type { Oracle } from './oracle.js'

interface Seen {
  readonly epoch: number
  /** When it was first seen, if it took the key by force. */
  readonly forcedAt: number | undefined
}

interface Watched {
  readonly member: ClusterMember
  readonly scope: Scope<'c'>
  /** The highest epoch that this start of the node has seen, by key. */
  readonly seen: Map<string, Seen>
  /** The epoch of its own last claim, by key. */
  readonly granted: Map<string, number>
}

/** As long as a grant may be on its way. */
const CROSSING_MS = 5_000

export class GrantWatch {
  grants = 0
  private readonly watched = new Map<string, Watched[]>()

  constructor(private readonly oracle: Oracle) {}

  watch(member: ClusterMember, scopeName: string): void {
    const scope = member.node.scopes.scope<'c'>(scopeName)
    const watched: Watched = { member, scope, seen: new Map(), granted: new Map() }
    const list = this.watched.get(scopeName)
    if (list) list.push(watched)
    else this.watched.set(scopeName, [watched])
    scope.listeners.add((change) => this.changed(scopeName, watched, change))
  }

  ended(member: ClusterMember): void {
    for (const [name, list] of this.watched) {
      this.watched.set(
        name,
        list.filter((one) => one.member !== member),
      )
    }
  }

  private changed(scopeName: string, watched: Watched, change: ClaimChange): void {
    if (isGrant(watched, change)) this.granted(scopeName, watched, change)
    for (const claim of [change.before, change.after]) {
      if (!claim || claim.epoch <= (watched.seen.get(change.id)?.epoch ?? 0)) continue
      const { epoch, forced } = claim
      watched.seen.set(change.id, { epoch, forcedAt: forced ? this.oracle.now : undefined })
    }
  }

  private granted(scopeName: string, { member, scope }: Watched, { id }: ClaimChange): void {
    this.grants++
    const claim = scope.own.rows.get(id) as ClaimChange['after']
    const { views } = member.node.scopes
    if (!claim || claim.forced || !agrees(member)) return
    for (const other of this.watched.get(scopeName)!) {
      const theirs = other.member.node.scopes.views
      if (theirs.current.id !== views.current.id || !agrees(other.member)) continue
      const what = `${id} (${scopeName}) was granted to ${member.name} with epoch ${claim.epoch}`
      const rival = other.scope.own.rows.get(id) as ClaimChange['after']
      if (other.member !== member && rival && !rival.forced) {
        this.oracle.breaks('I3', `${what}, while ${other.member.name} owns it (${rival.epoch})`)
      }
      const known = other.seen.get(id)
      if (!known || known.epoch < claim.epoch || this.isCrossed(known)) continue
      this.oracle.breaks('I5', `${what}, and ${other.member.name} knows of ${known.epoch}`)
    }
  }

  /** Somebody takes a key by force while another's grant of it is on its way: that one loses it. */
  private isCrossed({ forcedAt }: Seen): boolean {
    return forcedAt !== undefined && this.oracle.now - forcedAt < CROSSING_MS
  }
}

/**
 * Whether this node has heard the same list from all members that it reaches, on their present
 * connections: one that comes back may have seen the others dead and taken keys meanwhile.
 */
function agrees({ node }: ClusterMember): boolean {
  const { views } = node.scopes
  if (!views.settled) return false
  const reported = views['reported']
  for (const name of node.scopes['up']) if (reported.get(name) !== views.current.id) return false
  return true
}

/** A new claim of this node; not the same once more, with its process or seen again. */
function isGrant({ scope, granted }: Watched, { id, after }: ClaimChange): boolean {
  if (after?.origin !== scope.own || granted.get(id) === after.epoch) return false
  granted.set(id, after.epoch)
  return true
}
