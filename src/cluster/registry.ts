/**
 * The registry: names for processes, found from any node. Reads are local and synchronous. A key has
 * one owner while the members agree on who they are; after a split the claim with the later epoch
 * wins on every node, and each node stops its own losers with `name_conflict`
 * (docs/guarantees.md).
 */
import { CitadelError } from '../base/errors.js'
import { KeyLost } from '../process/system-messages.js'
import { termKey } from '../term/key.js'
import type { Pid } from '../term/pid.js'
import type { Claim, ClaimChange } from './claim-table.js'
import type { ClaimOutcome } from './claimant.js'
import type { MovingKey } from './handoff-offer.js'
import type { ProcessPort } from './process-port.js'
import { checkPid, fromOutcome, type RemoteOutcome } from './remote-outcome.js'
import type { Scope } from './scope.js'
import type { Scopes } from './scopes.js'
import { showKey } from './show-key.js'

export const REGISTRY_SCOPE = 'c:registry'
/** The local name of the process that registers and joins on behalf of other nodes. */
export const ROW_SERVER = 'citadel_rows'
const TIMEOUT_MS = 5_000

export interface RegisterOptions {
  /** Take the key from its owner, which lives on and gets a `KeyLost` message. */
  force?: boolean
  /** Anything that can cross a wire; found again with `lookup`. */
  meta?: unknown
  /** How long to wait for the decision, in milliseconds; 5,000 unless given. */
  timeoutMs?: number
}

export interface Registration {
  readonly key: unknown
  readonly pid: Pid
  /** Grows with every change of owner: a fencing token. */
  readonly epoch: number
  readonly meta: unknown
}

export class Registry {
  private readonly scope: Scope<'c'>

  constructor(
    private readonly scopes: Scopes,
    private readonly processes: ProcessPort,
    private readonly watch: (pid: Pid) => void,
  ) {
    this.scope = scopes.scope<'c'>(REGISTRY_SCOPE)
    this.scope.listeners.add((change) => this.ownLost(change))
  }

  /**
   * Registers `pid`, of any connected node, under `key`: any term, compared by value.
   * @throws CitadelError `already_registered` with the owner's `pid`; `noproc` when `pid` is dead;
   *   `unavailable` when who decides about the key cannot be reached; `timeout`; `noconnection`.
   */
  async register(key: unknown, pid: Pid, options: RegisterOptions = {}): Promise<void> {
    const { meta, timeoutMs = TIMEOUT_MS } = options
    const force = options.force === true
    const id = termKey(key)
    checkPid(pid, 'register(key, pid)')
    const successor = this.processes.successor(pid)
    if (successor) return this.register(key, successor, options)
    if (pid.node === this.scopes.node)
      return this.registerHere(id, key, pid, force, meta, timeoutMs)
    const to = { name: ROW_SERVER, node: pid.node }
    const args = [key, pid, force, meta ?? null, timeoutMs]
    const outcome = await this.processes.call(to, 'register', args, timeoutMs + 1_000)
    fromOutcome(outcome as RemoteOutcome<void>)
  }

  /**
   * Frees `key`, whoever owns it.
   * @throws CitadelError `not_found` when nobody does; `noconnection` when the owner's node is gone.
   */
  async unregister(key: unknown): Promise<void> {
    const id = termKey(key)
    const claim = this.scope.table.find(id)
    if (!claim?.pid) {
      throw new CitadelError(
        'not_found',
        `Nothing is registered under ${showKey(key)}; check with findByKey.`,
      )
    }
    const { node } = claim.origin
    if (node === this.scopes.node) {
      this.scopes.deleteOwn(this.scope, id, 'normal')
      return this.scopes.changed()
    }
    const outcome = await this.processes.call(
      { name: ROW_SERVER, node },
      'unregister',
      [key],
      TIMEOUT_MS,
    )
    fromOutcome(outcome as RemoteOutcome<void>)
  }

  /** The process registered under `key`, or undefined. */
  findByKey(key: unknown): Pid | undefined {
    return this.scope.table.find(termKey(key))?.pid
  }

  /** The whole registration of `key`: its process, metadata and epoch. */
  lookup(key: unknown): Registration | undefined {
    const claim = this.scope.table.find(termKey(key))
    if (!claim?.pid) return undefined
    return { key: claim.key, pid: claim.pid, epoch: claim.epoch, meta: claim.meta }
  }

  /** The keys of a process. */
  findByPid(pid: Pid): unknown[] {
    const rows = this.scope.table.rowsOfPid(this.scope.replica.origin(pid.node), pid)
    return this.visibleKeys(rows)
  }

  /** The keys of the processes of a node. */
  findByNode(node: string): unknown[] {
    return this.visibleKeys(this.scope.table.rowsOfNode(this.scope.replica.origin(node)))
  }

  /** All registered keys. */
  *keys(): IterableIterator<unknown> {
    for (const claim of this.scope.table.owners()) yield claim.key
  }

  /** How many keys are registered in the cluster. */
  get size(): number {
    return this.scope.table.size
  }

  /** The owner is the process that `pid` takes over from, or took over from: the key comes along. */
  private comesAlong(owner: Pid, pid: Pid): boolean {
    const { processes } = this
    return [
      processes.predecessor(pid)?.equals(owner),
      processes.successor(owner)?.equals(pid),
    ].includes(true)
  }

  private visibleKeys(rows: Iterable<Claim>): unknown[] {
    const keys: unknown[] = []
    for (const claim of rows) if (this.scope.table.find(claim.id) === claim) keys.push(claim.key)
    return keys
  }

  private async registerHere(
    id: string,
    key: unknown,
    pid: Pid,
    force: boolean,
    meta: unknown,
    timeoutMs: number,
  ): Promise<void> {
    if (!this.processes.isAlive(pid)) throw noProcess(pid)
    const owner = this.scope.table.find(id)
    if (owner?.pid && this.comesAlong(owner.pid, pid)) return
    if (owner?.pid && !force) throw alreadyRegistered(key, owner.pid)
    const write = (epoch: number): boolean => this.write(id, key, pid, epoch, force, meta)
    const request = { scope: REGISTRY_SCOPE, id, pid, force, timeoutMs }
    const outcome = await this.scopes.claim(request, write)
    this.check(key, pid, outcome)
    await this.scopes.changed()
  }

  /** Writes a granted claim, unless the process has died meanwhile. */
  private write(
    id: string,
    key: unknown,
    pid: Pid,
    epoch: number,
    force: boolean,
    meta: unknown,
  ): boolean {
    if (!this.processes.isAlive(pid)) return false
    const { own, table } = this.scope
    const before = table.find(id)
    const claim: Claim = { id, key, pid, epoch, forced: force, meta, origin: own, mark: 0 }
    this.scopes.putClaim(this.scope, claim, force ? 'forced' : 'normal')
    this.watch(pid)
    if (before?.pid && before.origin === own && !before.pid.equals(pid)) this.tellLost(before, pid)
    return true
  }

  private check(key: unknown, pid: Pid, outcome: ClaimOutcome): void {
    switch (outcome.type) {
      case 'granted':
        if (!this.processes.isAlive(pid)) throw noProcess(pid)
        return
      case 'taken':
        throw alreadyRegistered(key, outcome.pid)
      case 'unavailable':
        throw new CitadelError(
          'unavailable',
          `The node that decides about ${showKey(key)} cannot be reached now; try again in a few seconds.`,
        )
      case 'timeout':
        throw new CitadelError(
          'timeout',
          `No decision about ${showKey(key)} in time; the members may be changing, so try again.`,
        )
    }
  }

  /** The keys that a process of this node has, to take along. */
  keysOf(pid: Pid): MovingKey[] {
    const keys: MovingKey[] = []
    for (const claim of this.scope.table.rowsOfPid(this.scope.own, pid)) {
      if (this.scope.table.find(claim.id) !== claim) continue
      keys.push([claim.key, claim.epoch, claim.meta ?? null])
    }
    return keys
  }

  /** A process that has come from another node takes over a key of its old self. */
  async bring([key, over, meta]: MovingKey, pid: Pid): Promise<void> {
    const id = termKey(key)
    const request = { scope: REGISTRY_SCOPE, id, pid, force: false, over, timeoutMs: TIMEOUT_MS }
    const write = (epoch: number): boolean =>
      this.write(id, key, pid, epoch, false, meta ?? undefined)
    const outcome = await this.scopes.claim(request, write)
    if (outcome.type === 'taken') this.processes.notify(pid, new KeyLost(key, outcome.pid))
  }

  /** Resolves when all members that can be reached have the rows written so far. */
  replicated(): Promise<void> {
    return this.scopes.replicated(this.scope, true)
  }

  /** A claim of this node has lost its key to another node's: by force, or after a split. */
  private ownLost({ id, before, after }: ClaimChange): void {
    if (after?.pid && after.origin === this.scope.own && this.processes.successor(after.pid)) {
      // The owner that came after the move is gone: the claim from before it means nothing.
      this.scopes.deleteOwn(this.scope, id, 'normal')
      return
    }
    if (!before || !after) return
    // A key that has moved: the old claim stays until all members know the new one.
    if (before.pid && this.processes.successor(before.pid)) return
    if (before.origin !== this.scope.own || after.origin === this.scope.own) return
    this.scopes.deleteOwn(this.scope, id, 'conflict')
    if (!before.pid) return
    if (after.forced && after.pid) this.tellLost(before, after.pid)
    else this.processes.exit(before.pid, 'name_conflict')
  }

  private tellLost(claim: Claim, by: Pid): void {
    if (claim.pid) this.processes.notify(claim.pid, new KeyLost(claim.key, by))
  }
}

function noProcess(pid: Pid): CitadelError {
  return new CitadelError('noproc', `${pid} is not alive, so it cannot be registered.`, { pid })
}

function alreadyRegistered(key: unknown, pid: Pid): CitadelError {
  return new CitadelError(
    'already_registered',
    `${showKey(key)} is registered to ${pid}; choose another key, unregister it, or pass { force: true }.`,
    { pid },
  )
}
