/**
 * What subscribers of the registry are told, and how it is read off the changes of the claims: a
 * pure function of them, but for the old claims of keys that have moved, which mean nothing once
 * they were outlived by what came after them.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Pid } from '../../term/pid.js'
import type { Origin } from '../replication/origin.js'
import type { ChangeReason } from '../replication/table.js'
import { beats, type Claim, type ClaimChange } from '../tables/claim-table.js'
import { relation } from '../tables/lineage.js'

/** Why the key's registration is as the event says. The set is closed. */
export type RegistryReason =
  /** It was there when the subscription began. */
  | 'present'
  /** `register`. */
  | 'registered'
  /** `update`; or its process registered it again by force. */
  | 'updated'
  /** `unregister`. */
  | 'unregistered'
  /** Its process has ended. */
  | 'process_down'
  /** Its process was on a node that is dead. */
  | 'node_down'
  /** It was there already, on a node that has just connected. */
  | 'node_up'
  /** Two sides of a split had an owner each; this is what is left, or has a later epoch for that. */
  | 'conflict'
  /** Its process is a child that runs on another node now. */
  | 'moved'
  /** `replace`, or `register` with `force`; the process before lives on. */
  | 'replaced'

export interface RegistryEvent {
  /** `registered` also when the owner has changed: then with `previousPid`. */
  readonly type: 'registered' | 'updated' | 'unregistered'
  readonly key: unknown
  /** The owner; of `unregistered`, the one that was it. */
  readonly pid: Pid
  readonly meta: unknown
  /** Grows with every change of owner: a fencing token. */
  readonly epoch: number
  readonly previousPid?: Pid
  readonly previousMeta?: unknown
  readonly reason: RegistryReason
}

/** A claim that has an owner. */
type Owned = Claim & { readonly pid: Pid }

const isOwned = (claim: Claim | undefined): claim is Owned => claim?.pid !== undefined

export function presentEvent(claim: Claim): RegistryEvent | undefined {
  return isOwned(claim) ? event('registered', claim, undefined, 'present') : undefined
}

export class ChangeReader {
  /** Old claims of keys that have moved. */
  private readonly left = new WeakSet<Claim>()
  /** Of these, those told as ended with the claim that came after them. */
  private readonly outlived = new WeakSet<Claim>()

  constructor(
    private readonly own: Origin,
    private readonly successor: (pid: Pid) => Pid | undefined,
  ) {}

  /** Whether subscribers were told that this claim has ended, although it is still there. */
  isOutlived(claim: Claim): boolean {
    return this.outlived.has(claim)
  }

  /** Undefined: nothing has changed that a subscriber would see. */
  read(change: ClaimChange): RegistryEvent | undefined {
    const after = this.living(change.after, change.before)
    const before = change.before && this.isOutlived(change.before) ? undefined : change.before
    if (isOwned(after)) {
      return isOwned(before)
        ? this.changed(before, after, change.reason)
        : event('registered', after, undefined, appeared(change.reason))
    }
    return isOwned(before)
      ? event('unregistered', before, undefined, removed(change.reason))
      : undefined
  }

  /** The claim, unless it is an old one of a process that has moved on, and that owned it, ended. */
  private living(claim: Claim | undefined, before: Claim | undefined): Claim | undefined {
    if (!claim?.pid || !before) return claim
    const hasLeft = this.left.has(claim) || this.successor(claim.pid) !== undefined
    const isOld = hasLeft && beats(before, claim)
    const isAgain = this.isOutlived(before) && before.origin === claim.origin
    if (!isOld && !(isAgain && before.epoch === claim.epoch)) return claim
    this.outlived.add(claim)
    return undefined
  }

  private changed(before: Owned, after: Owned, reason: ChangeReason): RegistryEvent | undefined {
    if (!before.pid.equals(after.pid))
      return event('registered', after, before, this.taken(before, after, reason))
    // A row that a snapshot brings again is no news.
    const isSame = isDeepStrictEqual(before.meta, after.meta)
    if (before.epoch === after.epoch && isSame) return undefined
    const hasWon = isSame && !after.forced && before.epoch < after.epoch
    return event('updated', after, before, hasWon ? 'conflict' : 'updated')
  }

  private taken(before: Owned, after: Owned, reason: ChangeReason): RegistryReason {
    // What had lost is left, because the winner went.
    if (beats(before, after) && !isThere(before)) return removed(reason)
    if (this.hasMoved(before.pid, after)) {
      this.left.add(before)
      return 'moved'
    }
    if (before.origin.dead) return appeared(reason)
    const how = relation(after, before)
    if (how === 'won' || beats(before, after)) return 'conflict'
    if (after.forced && how === 'took') return 'replaced'
    const isOwnLost = before.origin === this.own && after.origin !== this.own
    if (isOwnLost || reason === 'node_up') return 'conflict'
    // Otherwise the end of the one before is on its way here, and was overtaken.
    return after.forced ? 'replaced' : 'registered'
  }

  private hasMoved(from: Pid, { pid: to, from: old }: Owned): boolean {
    // The claim of the child, a row of another scope, may come later than those of its keys.
    if (old?.equals(from)) return true
    const now = this.successor(from)
    // Perhaps it has moved on since.
    return now !== undefined && (now.equals(to) || this.successor(to)?.equals(now) === true)
  }
}

/** Not yet given up by its node. */
const isThere = (claim: Claim): boolean =>
  !claim.origin.dead && claim.origin.rows.get(claim.id) === claim

const appeared = (reason: ChangeReason): RegistryReason =>
  reason === 'node_up' ? 'node_up' : 'registered'

function removed(reason: ChangeReason): RegistryReason {
  if (reason === 'forced') return 'replaced'
  return reason === 'normal' || reason === 'node_up' ? 'unregistered' : reason
}

function event(
  type: RegistryEvent['type'],
  { key, pid, meta, epoch }: Owned,
  before: Owned | undefined,
  reason: RegistryReason,
): RegistryEvent {
  const previous = before && { previousPid: before.pid, previousMeta: before.meta }
  return { type, key, pid, meta, epoch, ...previous, reason }
}
