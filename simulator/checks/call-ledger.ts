/**
 * Every call and every numbered message of the workload. I6: a call ends once, within its deadline
 * (a stall of the caller's program excepted), and was carried out at most once, exactly once if it
 * was answered. I8: between two processes numbers arrive once, in order, and without a gap unless
 * the connection went down in between.
 */
import type { Pid } from '../../src/term/pid.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import { type Oracle, pidKey } from './oracle.js'

interface PendingCall {
  readonly what: string
  /** The process that was called, if it can be no other. */
  readonly to: Pid | undefined
  readonly member: ClusterMember
  /** On the timeline. */
  readonly due: number
}

export interface StreamMessage {
  readonly stream: true
  readonly from: Pid
  /** Whom the sender meant. */
  readonly to: Pid
  /** How often the sender's connection to the receiver's node had gone down. */
  readonly cuts: number
  readonly number: number
}

/** Timers and answers are events too, and clocks run up to one percent slow. */
const TOLERANCE = 1.02
const TOLERANCE_MS = 20

export class CallLedger {
  calls = 0
  answered = 0
  messages = 0
  /** Calls to children that must be answered unless something fails. */
  safe = 0
  private nextToken = 0
  private readonly pending = new Map<number, PendingCall>()
  private readonly done = new Map<number, number>()
  private readonly streams = new Map<string, StreamMessage>()
  /** Until when a caller's program was stalled. */
  private readonly stalls = new Map<string, number>()

  constructor(private readonly oracle: Oracle) {}

  stalled(node: string, ms: number): void {
    this.stalls.set(node, this.oracle.now + ms)
  }

  begin(member: ClusterMember, what: string, timeoutMs: number, to?: Pid): number {
    const token = ++this.nextToken
    this.calls++
    const due = this.oracle.now + timeoutMs * TOLERANCE + TOLERANCE_MS
    this.pending.set(token, { what, to, member, due })
    return token
  }

  /** Somebody carries the call out. */
  carriedOut(token: number, by?: Pid): void {
    const { to, what } = this.pending.get(token) ?? {}
    if (by && to && pidKey(by) !== pidKey(to)) {
      this.oracle.breaks('I17', `${what} was carried out by ${pidKey(by)}, not ${pidKey(to)}`)
    }
    const times = (this.done.get(token) ?? 0) + 1
    this.done.set(token, times)
    if (times > 1) this.oracle.breaks('I6', `call ${token} was carried out ${times} times`)
  }

  end(token: number, outcome: 'answered' | 'rejected', answer: unknown): void {
    const call = this.pending.get(token)
    if (!call) return this.oracle.breaks('I6', `call ${token} ended twice`)
    this.pending.delete(token)
    const { now } = this.oracle
    if (now > call.due && now > (this.stalls.get(call.member.name) ?? 0) + TOLERANCE_MS) {
      this.oracle.breaks('I6', `${call.what} ended ${(now - call.due).toFixed(1)} ms too late`)
    }
    if (outcome === 'rejected') return
    this.answered++
    if (answer !== token) {
      this.oracle.breaks('I23', `${call.what} was answered ${String(answer)}, not ${token}`)
    } else if (this.done.get(token) !== 1) {
      this.oracle.breaks('I6', `${call.what} was answered, and not carried out`)
    }
  }

  ended(member: ClusterMember): void {
    for (const [token, call] of this.pending) if (call.member === member) this.pending.delete(token)
  }

  received(to: Pid, message: StreamMessage): void {
    this.messages++
    if (pidKey(message.to) !== pidKey(to)) {
      const meant = `meant for ${pidKey(message.to)}`
      this.oracle.breaks('I17', `a message of ${message.from} ${meant} came to ${pidKey(to)}`)
    }
    const key = `${pidKey(message.from)}>${pidKey(to)}`
    const last = this.streams.get(key)
    this.streams.set(key, message)
    if (!last) return
    const { cuts, number } = message
    const isNext = cuts === last.cuts ? number === last.number + 1 : number > last.number
    if (isNext && cuts >= last.cuts) return
    const says = (one: StreamMessage): string => `${one.number} (after ${one.cuts} cuts)`
    this.oracle.breaks('I8', `from ${message.from} to ${to}: ${says(message)} after ${says(last)}`)
  }

  check(): void {
    for (const { what, due } of this.pending.values()) {
      if (due < this.oracle.now) this.oracle.breaks('I6', `${what} was never answered`)
    }
  }
}
