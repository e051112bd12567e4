/**
 * Watches every claim at the moment its owner writes it: I3 (no second owner while the members
 * agree) and I5 (epochs rise). "Agree" means that the views of both nodes are the same and settled:
 * each has heard the same list of members from all of them. A handoff takes a key over exactly one
 * epoch, and the owner with that epoch lives on for a while; by force a key may be taken from its
 * owner, who hears of it a little later. An owner is one as long as its lease is valid. With etcd an
 * owner is whom that names, whatever rows others have: a claim is granted when etcd names it, and only
 * where etcd had nobody else, but exactly the epoch that it was to come after. Of handoffs it tells who
 * succeeds whom.
 */

import type { Claiming } from '../../src/cluster/arbiters/arbiter.js'
import type { Prepare } from '../../src/cluster/arbiters/held-grant.js'
import { predecessorOf } from '../../src/cluster/handoff/handoff-offer.js'
import type { Scopes } from '../../src/cluster/scopes/scopes.js'
import type { Lineage } from '../../src/cluster/tables/claim.js'
import type { Claim, ClaimChange } from '../../src/cluster/tables/claim-table.js'
import type { Scope } from '../../src/cluster/tables/scope.js'
import type { Pid } from '../../src/term/pid.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import { EtcdOwners, isOf, tell } from './etcd-owners.js'
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
  /** Grants over an epoch: both sides of handoffs, and the keys that come along. */
  over = 0
  /** Told when the successor of a process is granted what the process had. */
  onSuccession: (from: Pid, to: Pid) => void = () => {}
  private readonly watched = new Map<string, Watched[]>()
  /** Claims that another one was granted over: their owners have it no more, seen or not. */
  private readonly superseded = new Map<string, ClusterMember>()
  /** What the claim that is just being written is granted over. */
  private writingOver: number | undefined
  /** It is one that a node has already: the winner of a conflict gets the latest epoch. */
  private isRenewed = false

  private readonly etcd: EtcdOwners | undefined

  constructor(private readonly oracle: Oracle) {
    const { etcd } = oracle.cluster
    this.etcd = etcd && new EtcdOwners(etcd)
  }

  made(member: ClusterMember): void {
    const { scopes } = member.node
    const claim = scopes.claim.bind(scopes)
    scopes.claim = ((
      request: Claiming & { timeoutMs: number },
      write: (epoch: number, lineage?: Lineage) => boolean,
      ...prepare: Prepare[]
    ) => {
      const watched = (epoch: number, lineage?: Lineage): boolean => {
        this.writingOver = request.over
        this.isRenewed = request.renews === true
        try {
          return write(epoch, lineage)
        } finally {
          this.writingOver = undefined
          this.isRenewed = false
        }
      }
      return claim(request, watched, ...prepare)
    }) as Scopes['claim']
  }

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
    // Its grant may have died with it, and then the owner before has never lost the key.
    for (const [claim, by] of this.superseded) if (by === member) this.superseded.delete(claim)
  }

  private changed(scopeName: string, watched: Watched, change: ClaimChange): void {
    // What a program writes in the turn in which it is killed, nobody will ever see.
    if (!watched.member.alive) return
    if (isGrant(watched, change)) this.granted(scopeName, watched, change)
    for (const claim of [change.before, change.after]) {
      if (!claim || claim.epoch <= (watched.seen.get(change.id)?.epoch ?? 0)) continue
      const { epoch, forced } = claim
      watched.seen.set(change.id, { epoch, forcedAt: forced ? this.oracle.now : undefined })
    }
  }

  private granted(scopeName: string, { member, scope }: Watched, { id }: ClaimChange): void {
    this.grants++
    const claim = scope.own.rows.get(id) as Claim | undefined
    const over = this.writingOver
    if (!claim) return
    const from = predecessorOf(claim)
    if (from && claim.pid && !this.isRenewed) this.onSuccession(from, claim.pid)
    if (over !== undefined) this.supersede(scopeName, id, over, member)
    this.checkNamed(scopeName, claim, member, over)
    const { views } = member.node.scopes
    if (claim.forced || !agrees(member)) return
    for (const other of this.watched.get(scopeName)!) {
      const theirs = other.member.node.scopes.views
      if (theirs.current.id !== views.current.id || !agrees(other.member)) continue
      const what = `${id} (${scopeName}) was granted to ${member.name} with epoch ${claim.epoch}`
      const rival = other.scope.own.rows.get(id) as Claim | undefined
      if (
        !this.etcd &&
        other.member !== member &&
        !this.isRenewed &&
        rival &&
        !rival.forced &&
        hasLease(other.member) &&
        !this.isPast(scopeName, other, rival) &&
        !hasLost(rival, over)
      ) {
        const how = over === undefined ? '' : ` over ${over}`
        this.oracle.breaks(
          'I3',
          `${what}${how}, while ${other.member.name} owns it (${rival.epoch})`,
        )
      }
      const known = other.seen.get(id)
      if (!known || known.epoch < claim.epoch || this.isCrossed(known)) continue
      this.oracle.breaks('I5', `${what}, and ${other.member.name} knows of ${known.epoch}`)
    }
  }

  private checkNamed(
    scopeName: string,
    { id, epoch }: Claim,
    member: ClusterMember,
    over: number | undefined,
  ): void {
    if (!this.etcd) return
    const what = `${id} (${scopeName}) was granted to ${member.name} with epoch ${epoch}`
    const owner = this.etcd.now(scopeName, id)
    if (!isOf(owner, member) || owner?.epoch !== epoch) {
      this.oracle.breaks('I3', `${what}, while etcd names ${tell(owner)}`)
    }
    const before = this.etcd.before(scopeName, id)
    if (!before || before.epoch === over || isOf(before, member)) return
    this.oracle.breaks('I3', `${what} over ${over}, while ${tell(before)} owned it`)
  }

  private supersede(scopeName: string, id: string, epoch: number, by: ClusterMember): void {
    this.over++
    for (const { scope } of this.watched.get(scopeName)!) {
      const claim = scope.own.rows.get(id) as Claim | undefined
      if (claim?.epoch === epoch) this.superseded.set(claimKey(scopeName, claim), by)
    }
  }

  /** It was taken over, whether its node knows or not; or its node knows that its process has moved. */
  private isPast(scopeName: string, { member }: Watched, claim: Claim): boolean {
    if (this.superseded.has(claimKey(scopeName, claim))) return true
    return claim.pid !== undefined && member.node.kernel.moves.successor(claim.pid) !== undefined
  }

  /** Somebody takes a key by force while another's grant of it is on its way: that one loses it. */
  private isCrossed({ forcedAt }: Seen): boolean {
    return forcedAt !== undefined && this.oracle.now - forcedAt < CROSSING_MS
  }
}

const claimKey = (scopeName: string, { id, epoch, origin }: Claim): string =>
  `${scopeName} ${id} ${epoch} ${origin.node} ${origin.creation}`

/** Whether a node may act for what it owns, by its own clock; one that stands still may not have noticed. */
export const hasLease = ({ node, program }: ClusterMember): boolean =>
  node['lease']?.isValid(program.clock.now()) !== false

/** After a split the later of two owners stays, and may be followed by others before the earlier one hears. */
const hasLost = (rival: Claim, over: number | undefined): boolean =>
  over !== undefined && rival.epoch < over

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
