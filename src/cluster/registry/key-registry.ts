/**
 * The registry: names for processes, found from any node. Reads are local and synchronous. A key has
 * one owner while the members agree on who they are; after a split the claim with the later epoch
 * wins on every node, and each node stops its own losers with `name_conflict`
 * (docs/guarantees.md).
 */
import { CitadelError } from '../../base/errors.js'
import { silent } from '../../base/log.js'
import { giveLook } from '../../base/looks.js'
import { readOptions } from '../../base/options.js'
import { within } from '../../base/within.js'
import type { ProcessPort } from '../../kernel/process-port.js'
import { fromOutcome, type RemoteOutcome } from '../../kernel/remote-outcome.js'
import { KeyLost } from '../../process/system-messages.js'
import { termKey } from '../../term/key.js'
import { checkPid, type Pid } from '../../term/pid.js'
import type { ClaimOutcome } from '../arbiters/arbiter.js'
import { knownByAll } from '../scopes/known-by-all.js'
import type { Scopes } from '../scopes/scopes.js'
import type { Claim, Lineage } from '../tables/claim.js'
import type { Registration } from '../tables/claim-order.js'
import type { ClaimChange } from '../tables/claim-table.js'
import { lineageAt } from '../tables/lineage.js'
import type { Scope } from '../tables/scope.js'
import { ChildClaims } from './child-claims.js'
import type { Coming, Heir, MovingKey } from './coming-keys.js'
import { KeyConflicts } from './key-conflicts.js'
import { KeyWaits } from './key-waits.js'
import { MovingKeys } from './moving-keys.js'
import type { Registry } from './registry.js'
import {
  alreadyRegistered,
  nodeStopped,
  noProcess,
  notConfirmed,
  notRegistered,
  notRegisteredInTime,
  ownedByOther,
  undecided,
} from './registry-errors.js'
import { ChangeReader, type RegistryEvent } from './registry-events.js'
import {
  REGISTER_RULES,
  REPLACE_RULES,
  type RegisterOptions,
  type RegistryParts,
  type ReplaceOptions,
  WHEN_RULES,
  type WhenRegisteredOptions,
} from './registry-options.js'
import { type RegistrySelector, RegistryWatches } from './registry-watches.js'
import { type Replacement, Replacements } from './replacements.js'
import { resolveWarnings } from './resolve-warnings.js'
import { rowKey, rowMeta } from './row-meta.js'
import { Yielding } from './yielding.js'

export const REGISTRY_SCOPE = 'c:registry'
/** The local name of the process that registers and joins on behalf of other nodes. */
export const ROW_SERVER = 'citadel_rows'
const TIMEOUT_MS = 5_000
/** How much longer than the work itself its answer may take. */
const ASK_EXTRA_MS = 1_000
/** The key has got another owner, or none, since it was looked at; and when to look again. */
const CHANGED_HANDS: ReadonlySet<string> = new Set(['already_registered', 'not_found'])
const AGAIN_MS = 10

export class KeyRegistry implements Registry {
  private readonly scope: Scope<'c'>
  private readonly watches: RegistryWatches
  private readonly waits: KeyWaits
  private readonly moving: MovingKeys
  private readonly yielding: Yielding
  private readonly replacements: Replacements
  private readonly conflicts: KeyConflicts
  /** Who waits until all members have a row hears of the end of the node as well. */
  private readonly confirming = new Set<() => void>()
  private isClosed = false

  constructor(
    private readonly scopes: Scopes,
    private readonly processes: ProcessPort,
    private readonly watchExit: (pid: Pid) => void,
    private readonly parts: RegistryParts = {},
  ) {
    this.scope = scopes.scope<'c'>(REGISTRY_SCOPE)
    const reader = new ChangeReader(this.scope.own, (pid) => processes.successor(pid))
    this.watches = new RegistryWatches(this.scope.table, reader)
    this.waits = new KeyWaits(scopes.clock)
    const siblings = new ChildClaims(scopes)
    this.moving = new MovingKeys({
      scopes,
      scope: this.scope,
      processes,
      siblings,
      write: ({ id, key, pid, meta, ...claim }) => this.write(id, key, pid, claim, false, meta),
      tellLost: (pid, key, by) => processes.notify(pid, new KeyLost(key, by)),
    })
    this.yielding = new Yielding({
      clock: scopes.clock,
      ownClaim: (id) => this.scope.own.rows.get(id) as Claim | undefined,
      tellLost: (claim, by) => this.tellLost(claim, by),
      free: (id) => this.scopes.deleteOwn(this.scope, id, 'forced'),
      ask: (node, key, epoch, by) => this.ask(node, 'giveUp', [key, epoch, by]),
    })
    this.replacements = new Replacements({
      scopes,
      scope: this.scope,
      processes,
      waits: this.waits,
      tellOwner: (owner, by) => this.yielding.tell(owner, by),
      write: ({ id, key, pid, epoch, meta, lineage }) =>
        this.write(id, key, pid, { epoch, lineage }, true, meta),
    })
    this.scope.listeners.add((change) => {
      // First, as what follows may change the same key again.
      this.watches.changed(change)
      this.waits.changed(change)
      this.ownLeft(change)
    })
    const { resolve, log = silent, neverSplits = false } = parts
    this.conflicts = new KeyConflicts({
      scopes,
      scope: this.scope,
      processes,
      siblings,
      neverSplits,
      isGivenUp: (claim) => this.yielding.isGivenUp(claim),
      tellLost: (claim, by) => this.tellLost(claim, by),
    })
    if (resolve !== undefined && typeof resolve !== 'function') {
      throw new CitadelError('bad_argument', 'resolve is a function (key, a, b) => a or b.')
    }
    if (!resolve || neverSplits) return
    const warn = resolveWarnings(log, scopes.clock, 'the registry')
    this.scope.table.resolveBy(resolve, warn)
  }

  async register(key: unknown, pid: Pid, given?: RegisterOptions): Promise<void> {
    this.checkOpen(key)
    const options = readOptions('register', given, REGISTER_RULES)
    const { timeoutMs = TIMEOUT_MS } = options
    const { id, key: kept } = rowKey(key)
    const meta = rowMeta(options.meta)
    checkPid(pid, 'register(key, pid)')
    const successor = this.processes.successor(pid)
    if (successor) return this.register(kept, successor, options)
    const force = options.force === true
    const sync = options.sync === true
    if (pid.node !== this.scopes.node) {
      const args = [kept, pid, force, meta ?? null, timeoutMs, sync]
      return this.ask(pid.node, 'register', args, timeoutMs)
    }
    const deadline = sync ? this.scopes.clock.now() + timeoutMs : 0
    await this.registerHere(id, kept, pid, force, meta, timeoutMs)
    if (sync) await this.confirmed(kept, deadline)
  }

  async unregister(key: unknown): Promise<void> {
    this.checkOpen(key)
    const id = termKey(key)
    await this.settled(id)
    const { origin } = this.owner(id, key)
    if (origin !== this.scope.own) return this.ask(origin.node, 'unregister', [key])
    this.scopes.deleteOwn(this.scope, id, 'normal')
    return knownByAll(this.scopes, this.scope)
  }

  async update(key: unknown, meta: unknown): Promise<void> {
    this.checkOpen(key)
    const id = termKey(key)
    const copy = rowMeta(meta)
    await this.settled(id)
    const claim = this.owner(id, key)
    const { origin } = claim
    if (origin !== this.scope.own) return this.ask(origin.node, 'update', [key, copy ?? null])
    this.scopes.putClaim(this.scope, { ...claim, meta: copy })
    await knownByAll(this.scopes, this.scope)
    const owner = this.scope.table.find(id)
    const isElsewhere = owner?.pid !== undefined && owner.origin !== this.scope.own
    // One that took the key over as it was, before it had heard of this, has written what was there before.
    if (isElsewhere && termKey(owner.meta) === termKey(claim.meta)) await this.update(key, copy)
  }

  async replace(key: unknown, oldPid: Pid, newPid: Pid, given?: ReplaceOptions): Promise<void> {
    const options = readOptions('replace', given, REPLACE_RULES)
    const { timeoutMs = TIMEOUT_MS } = options
    const id = termKey(key)
    const meta = options.meta === undefined ? [] : [rowMeta(options.meta)]
    checkPid(oldPid, 'replace(key, oldPid, newPid)')
    checkPid(newPid, 'replace(key, oldPid, newPid)')
    const pid = this.processes.successor(newPid) ?? newPid
    await this.settled(id, timeoutMs)
    const owner = this.owner(id, key)
    if (!this.replacements.isSame(oldPid, owner.pid)) throw ownedByOther(key, owner.pid)
    const { epoch } = owner
    const wanted = { key, oldPid: owner.pid, newPid: pid, epoch, meta, timeoutMs }
    if (pid.node === this.scopes.node) return this.replacements.carryOut(wanted)
    const carried = { ...wanted, meta: meta.map((one) => one ?? null) }
    return this.ask(pid.node, 'replace', [carried], timeoutMs)
  }

  async whenRegistered(key: unknown, given?: WhenRegisteredOptions): Promise<Pid> {
    const options = readOptions('whenRegistered', given, WHEN_RULES)
    const { timeoutMs = TIMEOUT_MS, signal } = options
    const id = termKey(key)
    const deadline = this.scopes.clock.now() + timeoutMs
    if (signal?.aborted) throw notRegisteredInTime(key, 'aborted', timeoutMs, signal)
    for (let pid = this.scope.table.find(id)?.pid; ; ) {
      if (pid) return pid
      const change = await this.waits.next(id, deadline - this.scopes.clock.now(), signal)
      if (typeof change === 'string') throw notRegisteredInTime(key, change, timeoutMs, signal)
      pid = change.after?.pid
    }
  }

  watch(selector?: RegistrySelector): AsyncIterableIterator<RegistryEvent> {
    return this.watches.watch(selector)
  }

  findByKey(key: unknown): Pid | undefined {
    return this.scope.table.find(termKey(key))?.pid
  }

  lookup(key: unknown): Registration | undefined {
    const claim = this.scope.table.find(termKey(key))
    if (!claim?.pid) return undefined
    const epoch = this.moving.coming.epochOf(claim)
    return epoch === undefined
      ? undefined
      : { key: claim.key, pid: claim.pid, epoch, meta: claim.meta }
  }

  findByPid(pid: Pid): unknown[] {
    checkPid(pid, 'findByPid(pid)')
    const rows = this.scope.table.rowsOfPid(this.scope.replica.origin(pid.node), pid)
    return this.visibleKeys(rows)
  }

  findByNode(node: string): unknown[] {
    return this.visibleKeys(this.scope.table.rowsOfNode(this.scope.replica.origin(node)))
  }

  *keys(): IterableIterator<unknown> {
    for (const { key, pid } of this.scope.table.owners()) if (pid) yield key
  }

  get size(): number {
    return this.scope.table.size
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
    if (owner?.pid && this.moving.comesAlong(owner, pid, force)) return
    if (owner?.pid && !force) throw alreadyRegistered(key, owner.pid)
    if (force && this.scopes.tellsOwnersFirst) {
      return this.takeFrom(owner, id, key, pid, meta, timeoutMs)
    }
    const write = (epoch: number, lineage?: Lineage): boolean =>
      this.write(id, key, pid, { epoch, lineage }, force, meta)
    const request = { scope: REGISTRY_SCOPE, id, pid, force, timeoutMs }
    const outcome = await this.scopes.claim(request, write)
    const successor = this.processes.successor(pid)
    // It has moved while the key was asked for.
    if (outcome.type === 'granted' && successor && !this.owns(id, pid))
      return this.register(key, successor, { force, meta, timeoutMs })
    this.check(key, pid, outcome)
    await this.scopes.changed()
  }

  /** By force, from whoever owns the key at the moment, where an owner must be told first. */
  private async takeFrom(
    owner: Claim | undefined,
    id: string,
    key: unknown,
    newPid: Pid,
    meta: unknown,
    timeoutMs: number,
  ): Promise<void> {
    const { clock } = this.scopes
    const deadline = clock.now() + timeoutMs
    try {
      // One that has been told that it loses its key asks for it anew.
      const isAsItWas = owner?.pid?.equals(newPid) && !this.yielding.isTold(owner)
      if (isAsItWas) return await this.update(key, meta)
      if (!owner?.pid) return await this.registerHere(id, key, newPid, false, meta, timeoutMs)
      const { pid: oldPid, epoch } = owner
      await this.replacements.carryOut({ key, oldPid, newPid, epoch, meta: [meta], timeoutMs })
    } catch (error) {
      const isOther = error instanceof CitadelError && CHANGED_HANDS.has(error.code)
      const leftMs = deadline - clock.now()
      if (!isOther) throw error
      if (leftMs <= 0) throw undecided(key, 'timeout')
      await this.waits.next(id, AGAIN_MS)
      await this.takeFrom(this.scope.table.find(id), id, key, newPid, meta, leftMs)
    }
  }

  private owns(id: string, pid: Pid): boolean {
    return this.scope.table.find(id)?.pid?.equals(pid) === true
  }

  /** Writes a granted claim, unless the process has died or moved meanwhile. */
  private write(
    id: string,
    key: unknown,
    pid: Pid,
    { epoch, lineage: known, from }: Pick<Claim, 'epoch' | 'lineage' | 'from'>,
    force: boolean,
    meta: unknown,
  ): boolean {
    if (!this.processes.isAlive(pid) || this.processes.successor(pid)) return false
    const { own: origin, table } = this.scope
    const before = table.find(id)
    const mine = origin.rows.get(id) as Claim | undefined
    const lineage = lineageAt(epoch, before, known)
    const granted = { epoch, forced: force, from, lineage }
    const claim = { id, key, pid, ...granted, meta, origin, mark: 0, place: 0 }
    this.scopes.putClaim(this.scope, claim, force ? 'forced' : 'normal')
    this.watchExit(pid)
    if (mine?.pid && !mine.pid.equals(pid)) this.outlived(mine, mine === before, pid)
    return true
  }

  /** A claim of this node is gone, because another process of it has the key. */
  private outlived({ key, pid }: Claim, wasOwner: boolean, by: Pid): void {
    if (!pid) return
    if (wasOwner) this.processes.notify(pid, new KeyLost(key, by))
    // It had lost to the other side of a split, and was about to hear so.
    else if (!this.processes.successor(pid)) this.processes.exit(pid, 'name_conflict')
  }

  private check(key: unknown, pid: Pid, outcome: ClaimOutcome): void {
    switch (outcome.type) {
      case 'granted':
        if (!this.processes.isAlive(pid)) throw noProcess(pid)
        return
      case 'taken':
        throw alreadyRegistered(key, outcome.pid)
      default:
        this.checkOpen(key)
        throw undecided(key, outcome.type)
    }
  }

  /** For the requests of other nodes: the owner here is told that `by` is to have its key. */
  giveUp(key: unknown, epoch: number, by: Pid): Promise<void> {
    return this.yielding.giveUp(termKey(key), key, epoch, by)
  }

  /** For the requests of other nodes: `replace`, where the new process is. */
  replaceHere(wanted: Replacement): Promise<void> {
    return this.replacements.carryOut(wanted)
  }

  private owner(id: string, key: unknown): Claim & { readonly pid: Pid } {
    const claim = this.scope.table.find(id)
    if (claim?.pid) return claim as Claim & { readonly pid: Pid }
    throw notRegistered(key)
  }

  /** Nodes not yet looked for may know the key; one whose owner has moved is on its way after it. Waits for both. */
  private async settled(id: string, timeoutMs = TIMEOUT_MS): Promise<void> {
    if (!this.scope.table.find(id)) await this.parts.looked?.()
    const { clock } = this.scopes
    const deadline = clock.now() + timeoutMs
    for (;;) {
      const pid = this.scope.table.find(id)?.pid
      if (!pid || !this.processes.successor(pid)) return
      if (typeof (await this.waits.next(id, deadline - clock.now())) === 'string') return
    }
  }

  private async confirmed(key: unknown, deadline: number): Promise<void> {
    const { clock } = this.scopes
    const leftMs = Math.max(0, deadline - clock.now())
    let over = (): void => {}
    const known = new Promise<true>((resolve) => {
      over = () => resolve(true)
    })
    this.confirming.add(over)
    void this.replicated().then(over)
    const isKnown = await within(clock, leftMs, known)
    this.confirming.delete(over)
    this.checkOpen(key)
    if (!isKnown) throw notConfirmed(key)
  }

  private checkOpen(key: unknown): void {
    if (this.isClosed) throw nodeStopped(key)
  }

  private async ask(
    node: string,
    method: string,
    args: readonly unknown[],
    timeoutMs = TIMEOUT_MS,
  ): Promise<void> {
    const to = { name: ROW_SERVER, node }
    const outcome = await this.processes.call(to, method, args, timeoutMs + ASK_EXTRA_MS)
    fromOutcome(outcome as RemoteOutcome<void>)
  }

  /** The keys that a process of this node has, to take along. */
  keysOf(pid: Pid): MovingKey[] {
    return this.moving.of(pid)
  }

  /** For a process that is to come from another node: keeps its keys for it until that is decided. */
  keepComing(keys: readonly MovingKey[], from: Pid, timeoutMs: number): Promise<Coming> {
    return this.moving.coming.keep(keys, from, timeoutMs)
  }

  /** A process that has come from another node takes over a key of its old self. */
  bring(key: MovingKey, heir: Heir): Promise<void> {
    return this.moving.bring(key, heir)
  }

  /** A process of this node that was to move stays: its keys are asked for again. */
  keep(pid: Pid): Promise<void> {
    return this.moving.keep(pid)
  }

  /** Ends all subscriptions and waits: the node stops. */
  close(): void {
    this.isClosed = true
    for (const over of this.confirming) over()
    this.watches.close()
    this.waits.close()
    this.yielding.close()
    this.conflicts.close()
  }

  /** Resolves when all members that can be reached have the rows written so far. */
  replicated(): Promise<void> {
    return this.scopes.replicated(this.scope, true)
  }

  /** The owner that came after a move is gone: the claim from before it means nothing. */
  private ownLeft({ id, before, after }: ClaimChange): void {
    if (!before || before.origin === this.scope.own || after?.origin !== this.scope.own) return
    if (after.pid && this.processes.successor(after.pid))
      this.scopes.deleteOwn(this.scope, id, 'moved')
  }

  private tellLost(claim: Claim, by: Pid): void {
    if (claim.pid) this.processes.notify(claim.pid, new KeyLost(claim.key, by))
  }
}

giveLook(KeyRegistry, 'Registry', ({ size }) => ({ keys: size }))
