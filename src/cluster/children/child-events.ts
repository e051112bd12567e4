/**
 * What happens to the children of a distributed supervisor, told to whoever subscribed, on whichever
 * member. Costs nothing while nobody listens: subscribers are rows of a group, and the node where
 * something happens sends it to the nodes that have one.
 */

import { EventQueue } from '../../base/event-queue.js'
import type { ChildPort } from '../../kernel/process-port.js'
import type { Pid } from '../../term/pid.js'
import type { ProcessGroups } from '../registry/process-groups.js'

export type ChildEvent =
  /** `startChild` was asked for it. */
  | { type: 'started'; id: unknown; node: string; pid: Pid }
  /** It ended and is to be started again; `reason` is how it ended. */
  | { type: 'crashed'; id: unknown; node: string; reason: unknown }
  /** It runs again, on the same node. */
  | { type: 'restarted'; id: unknown; node: string; pid: Pid }
  /** It runs again, on a node other than before: that one is gone, or the child crashed there too often. */
  | { type: 'adopted'; id: unknown; node: string; pid: Pid }
  /** Its `init` has not returned for `ms` milliseconds. Told once for each start. */
  | { type: 'slow_start'; id: unknown; node: string; ms: number }
  /** It was handed over by `from`; `hasState`: with its state. */
  | { type: 'moved'; id: unknown; from: string; node: string; pid: Pid; hasState: boolean }
  /** It was to move and stays where it is. */
  | { type: 'stayed'; id: unknown; node: string; to: string; reason: string }
  /** It ended too often, or too many nodes with it (`node_deaths`), and is not started again. */
  | { type: 'gave_up'; id: unknown; node: string; reason: unknown }
  /** It is done: terminated, or ended by itself. */
  | { type: 'ended'; id: unknown; node: string; reason: unknown }
  /** So many of the children that are to leave `node` have moved, or failed to. */
  | {
      type: 'progress'
      task: 'drain' | 'rebalance'
      node: string
      moved: number
      failed: number
      total: number
    }

const EVENTS_MAX = 10_000

export class ChildEvents {
  private readonly queues = new Set<EventQueue<ChildEvent>>()
  private readonly group: readonly unknown[]
  /** The process by which this node is found, if somebody here listens. */
  private owner: Pid | undefined
  private closed = false

  constructor(
    supervisor: string,
    private readonly groups: ProcessGroups,
    private readonly processes: ChildPort,
    /** The name of the process that takes events of this supervisor, on every member. */
    private readonly receiver: string,
    private readonly node: string,
  ) {
    this.group = ['events', supervisor]
  }

  /** Something has happened on this node. */
  tell(event: ChildEvent): void {
    this.take(event)
    for (const { pid } of this.groups.rows(this.group)) {
      if (pid.node === this.node) continue
      this.processes.cast({ name: this.receiver, node: pid.node }, 'event', [event])
    }
  }

  /** It happened here, or on another member. */
  take(event: ChildEvent): void {
    for (const queue of this.queues) queue.push(event)
  }

  /** `owner` is the process by which this node is found; without one only this node's events come. */
  subscribe(owner: Pid | undefined): AsyncIterableIterator<ChildEvent> {
    const queue: EventQueue<ChildEvent> = new EventQueue(EVENTS_MAX, () => {
      this.queues.delete(queue)
      if (this.owner && this.queues.size === 0) void this.groups.leave(this.group, this.owner)
    })
    if (this.closed) queue.close()
    else {
      if (this.queues.size === 0) this.foundBy(owner)
      this.queues.add(queue)
    }
    return queue
  }

  /** The process by which this node was found has been started again. */
  startedAgain(owner: Pid): void {
    if (this.queues.size > 0) this.foundBy(owner)
  }

  private foundBy(owner: Pid | undefined): void {
    this.owner = owner
    if (owner) void this.groups.join(this.group, owner)
  }

  /** Ends all loops, also those to come: this node is no member any more. */
  close(): void {
    this.closed = true
    for (const queue of [...this.queues]) queue.close()
  }
}
