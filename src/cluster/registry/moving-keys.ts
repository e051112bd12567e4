/**
 * Keys of a process that moves to another node. Its old self keeps its claims, and passes on, until the
 * new one has won them over the epochs that they have.
 */

import type { ProcessPort } from '../../kernel/process-port.js'
import { termKey } from '../../term/key.js'
import type { Pid } from '../../term/pid.js'
import type { Scopes } from '../scopes/scopes.js'
import type { Claim, Lineage } from '../tables/claim.js'
import { latestLineage, lineageAfter, namedLineage, relation } from '../tables/lineage.js'
import type { Scope } from '../tables/scope.js'
import type { MovingKey } from './coming-keys.js'
import { ComingKeys, type Heir } from './coming-keys.js'
import type { Siblings } from './key-conflicts.js'

export interface MovingKeysParts {
  readonly scopes: Scopes
  readonly scope: Scope<'c'>
  readonly processes: ProcessPort
  readonly siblings: Siblings
  /** Writes a claim of a process of this node. False: that one has ended or moved. */
  write(
    claim: Pick<Claim, 'id' | 'key' | 'epoch' | 'lineage' | 'from' | 'meta'> & { pid: Pid },
  ): boolean
  /** The process lives on, and hears who has its key. */
  tellLost(pid: Pid, key: unknown, by: Pid): void
}

const CLAIM_MS = 5_000
const KEEP_MS = 2_000
const RETRY_MS = 50
/** How long what another process had of this one's may take to be free again, when this one stays. */
const GIVEN_BACK_MS = 2_000
/** How long the end of a child that has lost its id may take to get here, and its decision before. */
const ENDED_MS = 2_000
const DECIDED_MS = 15_000

export class MovingKeys {
  /** Of processes that have not begun here yet. */
  readonly coming: ComingKeys

  constructor(private readonly parts: MovingKeysParts) {
    const { scopes, scope } = parts
    this.coming = new ComingKeys({
      scopes,
      scope,
      write: (...claim) => this.writeMoved(...claim),
      bring: (moving, heir) => this.bring(moving, heir),
    })
  }

  /**
   * The keys of a process of this node, to take along: also those that another process has for the moment,
   * after a split, until that is decided.
   */
  of(pid: Pid): MovingKey[] {
    const { table, own } = this.parts.scope
    const claims = [...table.rowsOfPid(own, pid)]
    return claims.map((claim) => [claim.key, claim.epoch, claim.meta ?? null, lineageAfter(claim)])
  }

  /**
   * Whether a key needs no asking for: the process that `pid` takes over from has it, or has it in dispute
   * with `owner` since a split.
   */
  comesAlong(owner: Claim, pid: Pid, isForced: boolean): boolean {
    const old = this.claimBefore(owner.id, pid)
    if (old === owner) return true
    return old !== undefined && !isForced && relation(owner, old) !== 'took'
  }

  /**
   * A process that has come from another node takes over a key of its old self. It asks until that is
   * decided, since the old node keeps the key for it only until this resolves.
   */
  async bring(moving: MovingKey, heir: Heir): Promise<void> {
    const { pid } = heir
    const { scopes, processes } = this.parts
    const [key] = moving
    const id = termKey(key)
    const { clock } = scopes
    const since = clock.now()
    let endedSince = since
    while (processes.isAlive(pid)) {
      const outcome = await this.claim(id, moving, heir)
      if (outcome.type === 'granted') return
      if (outcome.type !== 'taken') continue
      const now = clock.now()
      const standing = this.standing(id, pid, outcome.pid)
      if (standing !== 'ended') endedSince = now
      const isOver = now - since >= DECIDED_MS || now - endedSince >= ENDED_MS
      if (standing === 'lost' || (standing !== 'mine' && isOver)) {
        return this.parts.tellLost(pid, key, outcome.pid)
      }
      await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve))
    }
  }

  /**
   * A process that was to move stays after all: what it has may have been the new one's meanwhile, and free
   * since. It asks for each of its keys again, over the claim that it has, before it goes on.
   */
  async keep(pid: Pid): Promise<void> {
    const { table, own } = this.parts.scope
    const ids = [...table.rowsOfPid(own, pid)].map(({ id }) => id)
    await Promise.all(ids.map((id) => this.keepOne(id, pid)))
  }

  private async keepOne(id: string, pid: Pid): Promise<void> {
    const { clock } = this.parts.scopes
    let takenSince: number | undefined
    for (;;) {
      const claim = this.kept(id, pid)
      if (!claim) return
      const outcome = await this.claimAgain(claim, pid)
      if (outcome.type === 'granted') return
      if (outcome.type === 'taken') {
        takenSince ??= clock.now()
        if (clock.now() - takenSince >= GIVEN_BACK_MS) return this.lose(claim, pid, outcome.pid)
      }
      await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve))
    }
  }

  /** Its own claim of a key. Undefined: it has none any more, or a split has left another, which is settled there. */
  private kept(id: string, pid: Pid): Claim | undefined {
    const { scopes, processes, scope } = this.parts
    const claim = scope.own.rows.get(id) as Claim | undefined
    if (!claim?.pid?.equals(pid) || !processes.isAlive(pid)) return undefined
    const owner = scope.table.find(id)
    const isSplit = owner !== undefined && owner !== claim && !relation(owner, claim)
    return isSplit && !scopes.tellsOwnersFirst ? undefined : claim
  }

  private claimAgain({ id, epoch: over }: Claim, pid: Pid) {
    const { scopes, scope, write } = this.parts
    const { scope: name } = scope.replica
    const request = { scope: name, id, pid, force: false, over, timeoutMs: KEEP_MS }
    return scopes.claim(request, (epoch, lineage) => {
      const claim = this.kept(id, pid)
      return claim?.epoch === over && write({ ...claim, pid, epoch, lineage })
    })
  }

  private lose({ id, key }: Claim, pid: Pid, by: Pid): void {
    this.parts.scopes.deleteOwn(this.parts.scope, id, 'forced')
    this.parts.tellLost(pid, key, by)
  }

  private claim(id: string, moving: MovingKey, heir: Heir) {
    const { pid } = heir
    const { scopes, scope } = this.parts
    const [, epoch] = moving
    // Its old node may have written it again since it gave it along.
    const over = Math.max(epoch, this.claimBefore(id, pid)?.epoch ?? 0)
    const { scope: name } = scope.replica
    const request = { scope: name, id, pid, force: false, over, timeoutMs: CLAIM_MS }
    return scopes.claim(request, (granted, known?: Lineage) =>
      this.writeMoved(moving, heir, granted, known),
    )
  }

  private writeMoved(
    [key, , meta, lineage]: MovingKey,
    { pid, from }: Heir,
    epoch: number,
    known?: Lineage,
  ): boolean {
    const id = termKey(key)
    const before = this.claimBefore(id, pid)
    const latest = before ? before.meta : (meta ?? undefined)
    const after = latestLineage(known, namedLineage(lineage))
    return this.parts.write({ id, key, pid, epoch, lineage: after, from, meta: latest })
  }

  /**
   * What it means that `by` has the key. `mine`: the claim of the old self is only later than this node knew.
   * `disputed`: the same child, started on the other side of a split; one of the two is about to end.
   * `ended`: that one, perhaps, whose end is on its way.
   */
  private standing(id: string, pid: Pid, by: Pid): 'mine' | 'lost' | 'disputed' | 'ended' {
    const { scope, siblings } = this.parts
    if (this.isBefore(by, pid)) return 'mine'
    const owner = scope.table.find(id)
    const before = this.claimBefore(id, pid)
    if (owner && before && relation(owner, before) === 'took') return 'lost'
    return siblings.areSame(pid, by) ? 'disputed' : 'ended'
  }

  /** The claim of a process that `pid` takes over from, or took over from. */
  private claimBefore(id: string, pid: Pid): Claim | undefined {
    const { table } = this.parts.scope
    const owner = table.find(id)
    if (!owner) return undefined
    const claims = [owner, ...table.rivals(id, owner)]
    return claims.find((claim) => claim.pid !== undefined && this.isBefore(claim.pid, pid))
  }

  private isBefore(old: Pid, pid: Pid): boolean {
    const { processes } = this.parts
    const isPredecessor = processes.predecessor(pid)?.equals(old) === true
    return isPredecessor || processes.successor(old)?.equals(pid) === true
  }
}
