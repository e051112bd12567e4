/**
 * Broadcasts to other nodes: one message for each node, with the pids there that it is for, as the
 * sender saw the group; the node hands it to each of them. It goes the way of all messages to that
 * node, so it overtakes none and none overtakes it. What a slow link does not take now waits in a
 * bounded queue, and what is lost in the end is told in the log.
 */
import type { Clock, Timer } from '../../base/clock.js'
import type { QuietLog } from '../../base/quiet-log.js'
import type { Encoded } from '../../distribution/control-writer.js'
import type { Source } from '../../kernel/router.js'
import { decodeTerm } from '../../term/codec.js'
import { Pid } from '../../term/pid.js'
import { isCount, listOf } from '../replication/wire-check.js'

/** The local name that such messages are sent to. */
export const FAN_OUT_ENDPOINT = 'citadel_fan_out'
/** What a node tells that understands them. */
export const FAN_OUT = 'fan_out'
/** Bytes that wait for one node, and how long. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024
const WAITING_MS = 5_000

export interface FanOutParts {
  readonly node: string
  readonly creation: number
  readonly clock: Clock
  readonly log: QuietLog
  readonly mesh: FanOutMesh
  /** To a process of this node, as if it had come to it alone. */
  deliver(to: Pid, message: unknown, source: Source): void
  /** Each process gets a copy of its own. */
  readonly strict: boolean
}

export interface FanOutMesh {
  kind(node: string): 'citadel' | 'beam' | undefined
  offers(node: string, feature: string): boolean
  /** Which start of it is connected. */
  creationOf(node: string): number | undefined
  takesMessages(node: string): boolean
  encode(message: unknown): Encoded
  sendEncoded(node: string, endpoint: string, encoded: Encoded): boolean
  onceWritable(node: string, callback: () => void): () => void
}

interface Frame {
  readonly encoded: Encoded
  readonly members: number
  readonly until: number
}

interface Queue {
  readonly frames: Frame[]
  bytes: number
  timer: Timer | undefined
  stopWaiting: () => void
}

const areNumbers = listOf(isCount)

export class FanOut {
  private readonly queues = new Map<string, Queue>()

  constructor(private readonly parts: FanOutParts) {}

  /** Whether `node` takes one message for many; else each of its processes is to get one. */
  reaches(node: string): boolean {
    return this.parts.mesh.offers(node, FAN_OUT)
  }

  /** The bytes of `pids`, all of `node`, get; to how many it was sent, or waits to be. */
  send(node: string, pids: readonly Pid[], bytes: Uint8Array): number {
    const creation = this.parts.mesh.creationOf(node)
    const there = pids.filter((pid) => pid.creation === creation)
    if (there.length === 0) return 0
    const numbers = there.flatMap(({ id, serial }) => [id, serial])
    const encoded = this.parts.mesh.encode([creation, numbers, bytes])
    const isSent = this.sendNow(node, encoded) || this.wait(node, encoded, there.length)
    return isSent ? there.length : 0
  }

  private sendNow(node: string, encoded: Encoded): boolean {
    const { mesh } = this.parts
    // Nothing overtakes what waits.
    if (this.queues.has(node) || !mesh.takesMessages(node)) return false
    return mesh.sendEncoded(node, FAN_OUT_ENDPOINT, encoded)
  }

  private wait(node: string, encoded: Encoded, members: number): boolean {
    const { mesh, clock } = this.parts
    if (mesh.kind(node) === undefined) return this.lost(node, members, 'it is not connected')
    const queue = this.queues.get(node) ?? this.newQueue(node)
    if (queue.bytes + encoded.bytes.length > WAITING_BYTES_MAX) {
      return this.lost(node, members, 'too much waits for it already')
    }
    queue.bytes += encoded.bytes.length
    queue.frames.push({ encoded, members, until: clock.now() + WAITING_MS })
    queue.timer ??= clock.after(WAITING_MS, () => this.late(node, queue))
    return true
  }

  private newQueue(node: string): Queue {
    const queue: Queue = { frames: [], bytes: 0, timer: undefined, stopWaiting: () => undefined }
    this.queues.set(node, queue)
    queue.stopWaiting = this.parts.mesh.onceWritable(node, () => this.flush(node, queue))
    return queue
  }

  private flush(node: string, queue: Queue): void {
    const { mesh } = this.parts
    while (queue.frames.length > 0 && mesh.takesMessages(node)) {
      const { encoded } = this.take(queue)
      mesh.sendEncoded(node, FAN_OUT_ENDPOINT, encoded)
    }
    if (queue.frames.length === 0) this.drop(node, queue)
    else if (mesh.kind(node) === undefined) this.giveUp(node, queue, 'its connection is gone')
    else queue.stopWaiting = mesh.onceWritable(node, () => this.flush(node, queue))
  }

  private take(queue: Queue): Frame {
    const frame = queue.frames.shift()!
    queue.bytes -= frame.encoded.bytes.length
    return frame
  }

  private late(node: string, queue: Queue): void {
    const { clock } = this.parts
    const now = clock.now()
    queue.timer = undefined
    let members = 0
    while (queue.frames[0] && queue.frames[0].until <= now) members += this.take(queue).members
    if (members > 0) this.lost(node, members, `its link took nothing for ${WAITING_MS} ms`)
    const [next] = queue.frames
    if (!next) this.drop(node, queue)
    else queue.timer = clock.after(next.until - now, () => this.late(node, queue))
  }

  private giveUp(node: string, queue: Queue, why: string): void {
    const members = queue.frames.reduce((sum, frame) => sum + frame.members, 0)
    this.drop(node, queue)
    this.lost(node, members, why)
  }

  private drop(node: string, queue: Queue): void {
    this.queues.delete(node)
    queue.timer?.cancel()
    queue.stopWaiting()
  }

  private lost(node: string, members: number, why: string): false {
    this.parts.log.warn(
      'broadcast',
      `a broadcast did not reach ${members} members on ${node}: ${why}`,
    )
    return false
  }

  /** What another member sends. */
  receive(message: unknown, source: Source): void {
    const { node, creation, deliver, strict } = this.parts
    const [wanted, numbers, bytes] = Array.isArray(message) ? message : []
    if (wanted !== creation || !areNumbers(numbers) || !(bytes instanceof Uint8Array)) return
    let term = this.read(bytes, source)
    const each = { ...source, frameBytes: bytes.length }
    for (let at = 0; term && at + 1 < numbers.length; at += 2) {
      if (strict && at > 0) term = this.read(bytes, source)
      deliver(new Pid(node, numbers[at], numbers[at + 1], creation), term?.value, each)
    }
  }

  private read(bytes: Uint8Array, { node }: Source): { value: unknown } | undefined {
    try {
      return { value: decodeTerm(bytes) }
    } catch {
      this.parts.log.warn('bad broadcast', `${node} sent a broadcast that cannot be read`)
      return undefined
    }
  }

  stop(): void {
    for (const [node, queue] of [...this.queues]) this.drop(node, queue)
  }
}
