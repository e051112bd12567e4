/**
 * What takes long, done a slice at a time between other work: removing the rows of dead nodes, and
 * sending snapshots, at the pace at which their receivers take them.
 */
import type { Clock } from '../../base/clock.js'
import type { Replica } from '../replication/replica.js'
import type { ReplicaMessage } from '../replication/replica-message.js'

export interface SlowWorkParts {
  readonly clock: Clock
  replicas(): Iterable<Replica>
  /** Bytes on their way to that node which the network did not take yet. */
  pendingBytes(node: string): number
  /** Sends what the replica has ready, then the message; answers the message's size. */
  send(replica: Replica, node: string, message: ReplicaMessage): number
  /** A slice is over. */
  changed(): void
}

const SLICE_MS = 4
/** A snapshot waits while this much is queued to its receiver, so that other traffic gets through. */
const SNAPSHOT_PENDING_MAX = 512 * 1024

export class SlowWork {
  private due = false
  private stopped = false

  constructor(private readonly parts: SlowWorkParts) {}

  /** There is something to do perhaps. */
  begin(): void {
    if (this.due) return
    this.due = true
    this.parts.clock.soon(() => this.slice())
  }

  stop(): void {
    this.stopped = true
  }

  private slice(): void {
    this.due = false
    if (this.stopped) return
    const { clock } = this.parts
    const until = clock.now() + SLICE_MS
    let blocked = true
    let busy = false
    for (const replica of this.parts.replicas()) {
      if (!replica.busy) continue
      if (clock.now() < until) replica.removeSome(until)
      if (this.sendChunks(replica, until)) blocked = false
      busy ||= replica.busy
    }
    this.parts.changed()
    if (!busy) return
    if (blocked) clock.after(SLICE_MS, () => this.begin())
    else this.begin()
  }

  /** False when all that is left must wait for a slow receiver. */
  private sendChunks(replica: Replica, until: number): boolean {
    const receivers = replica.receivers()
    let sent = receivers.length === 0
    for (const node of receivers) {
      if (this.parts.clock.now() >= until) return true
      if (this.parts.pendingBytes(node) > SNAPSHOT_PENDING_MAX) continue
      const message = replica.nextChunk(node)
      if (!message) continue
      sent = true
      replica.chunkWas(message, this.parts.send(replica, node, message))
    }
    return sent
  }
}
