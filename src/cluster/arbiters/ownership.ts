/**
 * What this node owns while it has its lease: tells the kernel whose process owns something, and when
 * the lease has ended lets everything go at once, so that others can have it as soon as they hear.
 * Nodes without a lease have none of this.
 */
import type { Clock } from '../../base/clock.js'
import { CitadelError } from '../../base/errors.js'
import type { Lease } from '../../base/lease.js'
import type { Pid } from '../../term/pid.js'
import type { RemovalReason } from '../replication/table.js'
import type { Scope } from '../tables/scope.js'
import type { Claiming } from './arbiter.js'

/** What it needs of the kernel. */
interface Owners {
  /** A process of this node owns something, or nothing any more. */
  own(pid: Pid, isOwner: boolean): void
  /** False: it cannot be ended when the lease has. */
  mayOwn(pid: Pid): boolean
}

/** What it needs of the driver of the scopes. */
interface OwnScopes {
  claimScopes(): Iterable<Scope<'c'>>
  deleteOwn(scope: Scope<'c'>, id: string, reason: RemovalReason): void
}

type Done = Claiming['done']

export class Ownership {
  private scopes: OwnScopes | undefined
  /** Claims that are not decided, each with what gives it up. */
  private readonly waiting = new Set<() => void>()

  /** Made after the kernel, whose processes end first. */
  constructor(
    private readonly lease: Lease,
    private readonly clock: Clock,
    private readonly owners: Owners,
  ) {
    lease.onEnd(() => this.letGo())
  }

  attach(scopes: OwnScopes): void {
    this.scopes = scopes
  }

  /** A claim of this node has been written, with another process than before perhaps, or deleted. */
  wrote(before: Pid | undefined, after: Pid | undefined): void {
    if (before && !(after && before.equals(after))) this.recheck(before)
    if (after) this.recheck(after)
  }

  /**
   * What is to hear how a claim for `pid` ended: `unavailable` when the lease ends before, or has
   * ended. Throws `bad_argument` for a process that must not own anything.
   */
  guarded(pid: Pid | undefined, done: Done): Done {
    if (pid && !this.owners.mayOwn(pid)) throw mustBeSpawned(pid)
    let isOver = false
    const end: Done = (outcome) => {
      isOver = true
      this.waiting.delete(giveUp)
      return done(outcome)
    }
    const giveUp = (): void => void end({ type: 'unavailable', mayStand: true })
    this.waiting.add(giveUp)
    return (outcome) => {
      const mayAct = outcome.type !== 'granted' || this.lease.check(this.clock.now())
      // Looking at the lease has perhaps given this claim up, too.
      if (isOver) return false
      return end(mayAct ? outcome : { type: 'unavailable', mayStand: true })
    }
  }

  private recheck(pid: Pid): void {
    this.owners.own(pid, this.ownsAny(pid))
  }

  private ownsAny(pid: Pid): boolean {
    for (const { table, own } of this.scopes?.claimScopes() ?? []) {
      for (const _ of table.rowsOfPid(own, pid)) return true
    }
    return false
  }

  /** The processes have ended already, and most claims with them: what is left has none. */
  private letGo(): void {
    for (const giveUp of [...this.waiting]) giveUp()
    const { scopes } = this
    for (const scope of [...(scopes?.claimScopes() ?? [])]) {
      for (const id of [...scope.own.rows.keys()]) scopes?.deleteOwn(scope, id, 'process_down')
    }
  }
}

const mustBeSpawned = (pid: Pid): CitadelError =>
  new CitadelError(
    'bad_argument',
    `${pid} is the node itself, which does not end with its lease: spawn a process that owns the key.`,
    { pid },
  )
