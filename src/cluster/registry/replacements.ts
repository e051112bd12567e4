/**
 * `replace`, on the node of the process that is to have the key: a claim over the epoch of the old
 * one's claim, so that it is granted only while nobody has had the key since. The old one's end is
 * its own node's to tell, so a replacement and that end at the same moment may come in either order.
 */
import { CitadelError } from '../../base/errors.js'
import type { ProcessPort } from '../../kernel/process-port.js'
import type { Pid } from '../../term/pid.js'
import type { Scopes } from '../scopes/scopes.js'
import type { Claim } from '../tables/claim-table.js'
import type { Scope } from '../tables/scope.js'
import type { KeyWaits } from './key-waits.js'
import {
  movedMeanwhile,
  noProcess,
  notRegistered,
  ownedByOther,
  undecided,
} from './registry-errors.js'
import { rowKey, rowMeta } from './row-meta.js'

/** What is asked of the new process's node. */
export interface Replacement {
  readonly key: unknown
  readonly oldPid: Pid
  readonly newPid: Pid
  /** That of the old process's claim, as whoever asks sees it. */
  readonly epoch: number
  /** Empty: as it is. */
  readonly meta: readonly unknown[]
  readonly timeoutMs: number
}

export interface ReplacementsParts {
  readonly scopes: Scopes
  readonly scope: Scope<'c'>
  readonly processes: ProcessPort
  readonly waits: KeyWaits
  /** Tells an owner, where it must know before somebody else gets its key. */
  tellOwner(owner: Claim, by: Pid): Promise<void>
  /** Writes a claim that the owner before, which lives on, is told of. False: the process is dead. */
  write(claim: Pick<Claim, 'id' | 'key' | 'epoch' | 'meta' | 'lineage'> & { pid: Pid }): boolean
}

/** How long a row that the caller of `replace` has seen may still be on its way to this node. */
const ROW_PATIENCE_MS = 1_000
const RETRY_MS = 10

type Ending = 'done' | 'again'

export class Replacements {
  constructor(private readonly parts: ReplacementsParts) {}

  async carryOut(wanted: Replacement): Promise<void> {
    const { scopes, waits } = this.parts
    const { id, key } = rowKey(wanted.key)
    const meta = wanted.meta.map(rowMeta)
    const deadline = scopes.clock.now() + wanted.timeoutMs
    await this.seen(id, wanted.epoch)
    for (;;) {
      const left = deadline - scopes.clock.now()
      if ((await this.attempt(id, { ...wanted, key, meta, timeoutMs: left })) === 'done') return
      if (left <= 0) throw undecided(key, 'timeout')
      await waits.next(id, RETRY_MS)
    }
  }

  /** Whether that is the process, or where it runs now. */
  isSame(pid: Pid, owner: Pid): boolean {
    return pid.equals(owner) || this.parts.processes.successor(pid)?.equals(owner) === true
  }

  private async attempt(
    id: string,
    { key, oldPid, newPid, meta, timeoutMs }: Replacement,
  ): Promise<Ending> {
    const { scopes, scope, processes } = this.parts
    const owner = this.ownerBefore(id, key, oldPid)
    if (!processes.isAlive(newPid)) throw noProcess(newPid)
    if (processes.successor(newPid)) throw movedMeanwhile(key, newPid)
    const isTold = await this.told(owner, newPid)
    if (!isTold) return 'again'
    const { epoch: over } = owner
    const request = { scope: scope.replica.scope, id, pid: newPid, force: false, over, timeoutMs }
    let isWritten = false
    const outcome = await scopes.claim(request, (epoch, lineage) => {
      const before = scope.table.find(id)
      // The home may have granted what was free by then.
      if (before?.epoch !== over) return false
      const [next] = meta.length > 0 ? meta : [before.meta]
      isWritten = this.parts.write({ id, key, pid: newPid, epoch, meta: next, lineage })
      return isWritten
    })
    if (isWritten) {
      await scopes.changed()
      return 'done'
    }
    if (outcome.type === 'taken' && !this.isSame(oldPid, outcome.pid))
      throw ownedByOther(key, outcome.pid)
    if (outcome.type === 'unavailable' || outcome.type === 'timeout')
      throw undecided(key, outcome.type)
    return 'again'
  }

  /** False: it has lost the key meanwhile. */
  private async told(owner: Claim, by: Pid): Promise<boolean> {
    if (!this.parts.scopes.tellsOwnersFirst) return true
    try {
      await this.parts.tellOwner(owner, by)
      return true
    } catch (error) {
      if (error instanceof CitadelError && error.code === 'not_found') return false
      throw error
    }
  }

  private ownerBefore(id: string, key: unknown, oldPid: Pid): Claim {
    const owner = this.parts.scope.table.find(id)
    if (!owner?.pid) throw notRegistered(key)
    if (!this.isSame(oldPid, owner.pid)) throw ownedByOther(key, owner.pid)
    return owner
  }

  /** Waits for a claim that another node knows of; if it does not come, it has ended. */
  private async seen(id: string, epoch: number): Promise<void> {
    const { scopes, scope, waits } = this.parts
    const deadline = scopes.clock.now() + ROW_PATIENCE_MS
    while ((scope.table.find(id)?.epoch ?? 0) < epoch) {
      if (typeof (await waits.next(id, deadline - scopes.clock.now())) === 'string') return
    }
  }
}
