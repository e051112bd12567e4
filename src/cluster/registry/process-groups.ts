/**
 * Groups of processes, known on every node. A process joins as often as it likes and is a member
 * until it has left as often, or has ended, or its node is dead; it is listed once.
 */
import { CitadelError } from '../../base/errors.js'
import { EventQueue } from '../../base/event-queue.js'
import { giveLook } from '../../base/looks.js'
import { readOptions } from '../../base/options.js'
import type { ProcessPort } from '../../kernel/process-port.js'
import { fromOutcome, type RemoteOutcome } from '../../kernel/remote-outcome.js'
import { encodeTerm } from '../../term/codec.js'
import { termKey } from '../../term/key.js'
import { checkPid, type Pid } from '../../term/pid.js'
import type { Scopes } from '../scopes/scopes.js'
import {
  type Membership,
  type MembershipChange,
  membershipId,
  membershipPut,
} from '../tables/group-table.js'
import type { Scope } from '../tables/scope.js'
import type { FanOut } from './fan-out.js'
import { byNode, GroupCalls, type MultiCallResult, type PackedEnd } from './group-calls.js'
import type { GroupCaller, GroupEvent, GroupMember, Groups } from './groups.js'
import { ROW_SERVER } from './key-registry.js'
import {
  BROADCAST_RULES,
  type BroadcastOptions,
  GROUP_CALL_RULES,
  type GroupCallOptions,
  JOIN_RULES,
  type JoinOptions,
} from './registry-options.js'
import { rowKey, rowMeta } from './row-meta.js'

/** A group that it has joined so often. */
export type MovingMembership = readonly [group: unknown, count: number, meta: unknown]

export const GROUPS_SCOPE = 'g:groups'
const TIMEOUT_MS = 5_000
const SUBSCRIBER_EVENTS_MAX = 10_000

type CallAll = (
  group: unknown,
  method: string,
  args: readonly unknown[],
) => Promise<MultiCallResult>

export class ProcessGroups implements Groups {
  private readonly scope: Scope<'g'>
  private readonly calls: GroupCalls
  private readonly subscribers = new Map<string, Set<EventQueue<GroupEvent>>>()
  private closed = false

  constructor(
    private readonly scopes: Scopes,
    private readonly processes: ProcessPort,
    private readonly watch: (pid: Pid) => void,
    scope = GROUPS_SCOPE,
    /** Without one, each process of another node gets a message of its own. */
    private readonly fanOut?: FanOut,
  ) {
    this.scope = scopes.scope<'g'>(scope)
    this.calls = new GroupCalls({
      node: scopes.node,
      processes,
      server: ROW_SERVER,
      asksForMany: (node) => fanOut?.reaches(node) === true,
    })
    this.scope.listeners.add((change) => this.tell(change))
  }

  async join(group: unknown, pid: Pid, given?: JoinOptions): Promise<void> {
    const options = readOptions('join', given, JOIN_RULES)
    const { id: groupId, key: kept } = rowKey(group)
    const meta = rowMeta(options.meta)
    checkPid(pid, 'join(group, pid)')
    const successor = this.processes.successor(pid)
    if (successor) return this.join(group, successor, options)
    if (pid.node !== this.scopes.node) return this.ask('join', [group, pid, meta ?? null], pid.node)
    if (!this.processes.isAlive(pid)) {
      throw new CitadelError('noproc', `${pid} is not alive, so it cannot join a group.`, { pid })
    }
    const predecessor = this.processes.predecessor(pid)
    // What it takes over from is a member: the membership comes along.
    if (predecessor && this.has(groupId, predecessor)) return
    const known = this.ownRow(groupId, pid)
    this.write(kept, groupId, pid, (known?.count ?? 0) + 1, meta ?? known?.meta)
    return this.scopes.changed()
  }

  private write(group: unknown, groupId: string, pid: Pid, count: number, meta: unknown): void {
    const { own: origin } = this.scope
    const id = membershipId(groupId, pid)
    this.put({ id, groupId, group, pid, count, meta, origin, mark: 0, place: 0 })
    this.watch(pid)
  }

  private has(groupId: string, pid: Pid): boolean {
    for (const row of this.scope.table.members(groupId)) if (row.pid.equals(pid)) return true
    return false
  }

  /** The memberships of a process of this node, to take along. */
  membershipsOf(pid: Pid): MovingMembership[] {
    const rows = this.scope.table.rowsOfPid(this.scope.own, pid)
    return [...rows].map(({ group, count, meta }) => [group, count, meta ?? null])
  }

  /** A process that has come from another node is a member where its old self was. */
  bring([group, count, meta]: MovingMembership, pid: Pid): void {
    this.write(group, termKey(group), pid, count, meta ?? undefined)
    void this.scopes.changed()
  }

  /** Resolves when all members that can be reached have the rows written so far. */
  replicated(): Promise<void> {
    return this.scopes.replicated(this.scope, true)
  }

  async leave(group: unknown, pid: Pid): Promise<void> {
    const groupId = termKey(group)
    checkPid(pid, 'leave(group, pid)')
    const successor = this.processes.successor(pid)
    if (successor) return this.leave(group, successor)
    if (pid.node !== this.scopes.node) return this.ask('leave', [group, pid], pid.node)
    const known = this.ownRow(groupId, pid)
    if (!known) return
    if (known.count > 1) this.put({ ...known, count: known.count - 1 })
    else this.scopes.deleteOwn(this.scope, known.id, 'normal')
    return this.scopes.changed()
  }

  members(group: unknown): Pid[] {
    const pids: Pid[] = []
    let moved = false
    for (const { pid } of this.scope.table.members(termKey(group))) {
      const successor = this.processes.successor(pid)
      moved ||= successor !== undefined
      pids.push(successor ?? pid)
    }
    // While a member moves, its old row is there beside the new one.
    return moved ? distinct(pids) : pids
  }

  localMembers(group: unknown): Pid[] {
    return this.members(group).filter((pid) => pid.node === this.scopes.node)
  }

  *rows(group: unknown): IterableIterator<GroupMember> {
    for (const { pid, count, meta } of this.memberships(group)) yield { pid, count, meta }
  }

  /** The rows themselves, each the same object until it changes. */
  memberships(group: unknown): Iterable<Membership> {
    return this.scope.table.members(termKey(group))
  }

  *groups(): IterableIterator<unknown> {
    yield* this.scope.table.groups()
  }

  findByPid(pid: Pid): unknown[] {
    checkPid(pid, 'findByPid(pid)')
    const origin = this.scope.replica.origin(pid.node)
    return [...this.scope.table.rowsOfPid(origin, pid)].map((row) => row.group)
  }

  findByNode(node: string): unknown[] {
    const groups = new Map<string, unknown>()
    for (const row of this.scope.table.rowsOfNode(this.scope.replica.origin(node))) {
      groups.set(row.groupId, row.group)
    }
    return [...groups.values()]
  }

  broadcast(group: unknown, term: unknown, options?: BroadcastOptions): number {
    return this.sendTo(this.members(group), term, options)
  }

  broadcastLocal(group: unknown, term: unknown, options?: BroadcastOptions): number {
    return this.sendTo(this.localMembers(group), term, options)
  }

  multiCall(group: unknown, method: string, ...args: unknown[]): Promise<MultiCallResult> {
    return this.callAll(group, method, args)
  }

  with(options: GroupCallOptions): GroupCaller {
    return new TimedGroupCaller((group, method, args) => this.callAll(group, method, args, options))
  }

  private async callAll(
    group: unknown,
    method: string,
    args: readonly unknown[],
    options?: GroupCallOptions,
  ): Promise<MultiCallResult> {
    const { timeoutMs = TIMEOUT_MS } = readOptions('with', options, GROUP_CALL_RULES)
    if (typeof method !== 'string') {
      throw new CitadelError(
        'bad_argument',
        'multiCall(group, method, ...args) wants a method name.',
      )
    }
    return this.calls.call(this.members(group), method, args, timeoutMs)
  }

  /** For the requests of other nodes: a call of processes of this one. */
  callHere(
    pids: readonly Pid[],
    method: string,
    args: readonly unknown[],
    timeoutMs: number,
  ): Promise<PackedEnd[]> {
    return this.calls.here(pids, method, args, timeoutMs)
  }

  subscribe(group: unknown): AsyncIterableIterator<GroupEvent> {
    const id = termKey(group)
    const queue = new EventQueue<GroupEvent>(SUBSCRIBER_EVENTS_MAX, () => {
      const queues = this.subscribers.get(id)
      queues?.delete(queue)
      if (queues?.size === 0) this.subscribers.delete(id)
    })
    const queues = this.subscribers.get(id)
    if (queues) queues.add(queue)
    else this.subscribers.set(id, new Set([queue]))
    if (this.closed) queue.close()
    return queue
  }

  /** Ends all subscriptions, also those to come: the node stops. */
  close(): void {
    this.closed = true
    for (const queues of [...this.subscribers.values()])
      for (const queue of [...queues]) queue.close()
  }

  /** How many groups have a member. */
  get count(): number {
    return this.scope.table.size
  }

  private ownRow(groupId: string, pid: Pid): Membership | undefined {
    const row = this.scope.own.rows.get(membershipId(groupId, pid)) as Membership | undefined
    // A pid of an earlier start of this node may have the same number.
    return row?.pid.equals(pid) ? row : undefined
  }

  private put(row: Membership): void {
    const put = membershipPut(row)
    this.scope.table.set(row, 'normal')
    this.scope.replica.wrote(put)
  }

  private async ask(method: string, args: unknown[], node: string): Promise<void> {
    const outcome = await this.processes.call({ name: ROW_SERVER, node }, method, args, TIMEOUT_MS)
    fromOutcome(outcome as RemoteOutcome<void>)
  }

  private sendTo(pids: readonly Pid[], term: unknown, given?: BroadcastOptions): number {
    const { except = [] } = readOptions('broadcast', given, BROADCAST_RULES)
    const wanted = pids.filter((pid) => !except.some((other) => other.equals(pid)))
    const { fanOut } = this
    let bytes: Uint8Array | undefined
    const away: [node: string, pids: Pid[]][] = []
    const single: Pid[] = []
    for (const [node, there] of byNode(wanted)) {
      if (node !== this.scopes.node && fanOut?.reaches(node)) away.push([node, there])
      else single.push(...there)
    }
    // First of all: what cannot cross goes to nobody.
    if (away.length > 0) bytes = encodeTerm(term)
    let sent = 0
    for (const pid of single) if (this.processes.send(pid, term)) sent++
    for (const [node, there] of away) sent += fanOut!.send(node, there, bytes!)
    return sent
  }

  private tell({ type, row, reason }: MembershipChange): void {
    if (type === 'update' || this.subscribers.size === 0) return
    for (const queue of this.subscribers.get(row.groupId) ?? []) {
      queue.push({ type, group: row.group, pid: row.pid, reason })
    }
  }
}

export class TimedGroupCaller implements GroupCaller {
  readonly #callAll: CallAll

  constructor(callAll: CallAll) {
    this.#callAll = callAll
  }

  multiCall(group: unknown, method: string, ...args: unknown[]): Promise<MultiCallResult> {
    return this.#callAll(group, method, args)
  }
}

const distinct = (pids: readonly Pid[]): Pid[] =>
  pids.filter((pid, index) => pids.findIndex((other) => other.equals(pid)) === index)

giveLook(ProcessGroups, 'Groups', ({ count }) => ({ groups: count }))
giveLook(TimedGroupCaller, 'GroupCaller', () => ({}))
