/** Groups of processes as users have them. */
import type { Pid } from '../../term/pid.js'
import type { ChangeReason } from '../replication/table.js'
import type { MultiCallResult } from './group-calls.js'
import type { BroadcastOptions, GroupCallOptions, JoinOptions } from './registry-options.js'

export type { BroadcastOptions, GroupCallOptions, JoinOptions, MultiCallResult }

export interface GroupEvent {
  readonly type: 'join' | 'leave'
  readonly group: unknown
  readonly pid: Pid
  readonly reason: ChangeReason
}

export interface GroupMember {
  readonly pid: Pid
  /** How often it has joined. */
  readonly count: number
  /** What it gave when it joined; undefined if it gave nothing. */
  readonly meta: unknown
}

export interface Groups {
  /**
   * Makes `pid`, of any connected node, a member of `group`: any term, compared by value.
   * @throws CitadelError `noproc` when `pid` is dead; `noconnection` when its node is not connected;
   *   `unserializable` and `limit_exceeded` for metadata that cannot be on every node.
   */
  join(group: unknown, pid: Pid, options?: JoinOptions): Promise<void>

  /** Takes back one `join`. Leaving a group one is not in does nothing. */
  leave(group: unknown, pid: Pid): Promise<void>

  /** The members of `group` in the cluster. */
  members(group: unknown): Pid[]

  /** The members of `group` on this node. */
  localMembers(group: unknown): Pid[]

  /** The members with their metadata. */
  rows(group: unknown): IterableIterator<GroupMember>

  /** All groups that have a member. */
  groups(): IterableIterator<unknown>

  /** The groups of a process. */
  findByPid(pid: Pid): unknown[]

  /** The groups with a member on a node. */
  findByNode(node: string): unknown[]

  /**
   * Sends `term` to every member, as one message for each node. Answers to how many it was sent, or
   * waits to be: for at most 5 s and 16 MiB for each node whose link is slow. What is lost is told in
   * the log. The members of one other node get the same copy.
   * @throws CitadelError `unserializable` and `limit_exceeded`, to nobody sent, for what cannot cross.
   */
  broadcast(group: unknown, term: unknown, options?: BroadcastOptions): number

  /** Sends `term` to every member on this node. Answers to how many it was sent. */
  broadcastLocal(group: unknown, term: unknown, options?: BroadcastOptions): number

  /**
   * Calls a method of every member and resolves with what each answered, or why it did not, after 5 s
   * at most: one request for each node. See `with` for another time-out.
   * @throws CitadelError `unserializable` and `limit_exceeded` for arguments that cannot cross.
   */
  multiCall(group: unknown, method: string, ...args: unknown[]): Promise<MultiCallResult>

  /** The same calls with a time-out of their own. */
  with(options: GroupCallOptions): GroupCaller

  /**
   * The joins and leaves of `group` from now on. Ends when the loop that reads it does; a reader
   * that falls 10,000 events behind gets a CitadelError `overloaded`.
   */
  subscribe(group: unknown): AsyncIterableIterator<GroupEvent>
}

/** `groups.with({ timeoutMs })`. */
export interface GroupCaller {
  multiCall(group: unknown, method: string, ...args: unknown[]): Promise<MultiCallResult>
}
