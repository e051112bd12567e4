/**
 * Numbered messages from workers to children, by whichever address (I8). None is handled twice,
 * whatever happens. From one sender to lives of a child that took over from each other they arrive
 * in order and without a gap, as long as nothing was disrupted meanwhile.
 */
import type { Pid } from '../../src/term/pid.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import type { Disruptions } from './disruptions.js'
import type { LifeLedger } from './life-ledger.js'
import { type Oracle, pidKey } from './oracle.js'

export interface ChildMessage {
  readonly childStream: true
  readonly from: Pid
  readonly number: number
  /** How it was addressed, for the story. */
  readonly by: string
  /** The count of disruptions when it was sent, unless the last one had only just ended. */
  readonly disruptions: number
  /** Grows when the sender cannot know that a message will reach the child: others do not follow it. */
  readonly doubts: number
  /** Numbers the lines of lives; 0: the child did not run when it was sent. */
  readonly line: number
}

interface Sent {
  number: number
  doubts: number
}

interface Last {
  readonly message: ChildMessage
  readonly to: Pid
}

/** Whoever waits for what comes by the old way of a move waits two seconds: a stall may take longer. */
const AFTERMATH_MS = 500
/** No count of disruptions: order is not asked for. */
const NONE = -1

export const isChildMessage = (message: unknown): message is ChildMessage =>
  typeof message === 'object' && message !== null && 'childStream' in message

export class ChildStreams {
  received = 0
  /** Pairs of messages that had to be next to each other, and of those the ones across a move. */
  compared = 0
  acrossMoves = 0
  private readonly sent = new Map<string, Sent>()
  private readonly seen = new Map<string, Set<number>>()
  private readonly last = new Map<string, Last>()
  private readonly lines = new Map<object, number>()

  constructor(
    private readonly oracle: Oracle,
    private readonly disruptions: Disruptions,
    private readonly lives: LifeLedger,
  ) {}

  /**
   * The next message to a child. It counts once `wasSent` is told of it. `isDoubtful`: it has to wait
   * at the sender, because the child is being started or out of reach.
   */
  next(from: Pid, id: number, by: string, isDoubtful: boolean): ChildMessage {
    const { number, doubts } = this.stream(from, id)
    return {
      childStream: true,
      from,
      number,
      by,
      disruptions: this.disruptions.within(AFTERMATH_MS) ? NONE : this.disruptions.count,
      doubts: isDoubtful ? doubts + 1 : doubts,
      line: this.numberOf(this.lives.line(id)),
    }
  }

  wasSent(id: number, to: Pid | undefined, { from, number, doubts, by }: ChildMessage): void {
    this.oracle.tell(`${from} sends ${number} to child ${id} by its ${by} (${to})`)
    const stream = this.stream(from, id)
    stream.number = number + 1
    if (doubts !== stream.doubts) stream.doubts = doubts + 1
  }

  /**
   * Whether what `member` sends to that pid now gets to the child in its turn, if nothing fails. A
   * node that came when the process had moved long ago cannot know where it is: from there its pid
   * leads to the child as well, but by another way than the handle.
   */
  leads(member: ClusterMember, id: number, pid: Pid): boolean {
    const { lives } = this
    const to = member.node.kernel.moves.successor(pid) ?? pid
    const line = lives.line(id)
    if (line === undefined || lives.lineOf(to) !== line || !this.oracle.isAlive(to)) return false
    // A pid of which it has not heard yet, it can have from nobody.
    if (lives.head(to).equals(to)) return member.supervisor.lookup(id)?.equals(to) === true
    return lives.isNewsTo(member, to)
  }

  arrived(id: number, to: Pid, message: ChildMessage): void {
    if (!this.oracle.home(to)) return
    this.received++
    this.oracle.tell(`${to} gets ${message.number} of ${message.from} as child ${id}`)
    const key = streamKey(message.from, id)
    this.once(key, to, message)
    const before = this.last.get(key)
    this.last.set(key, { message, to })
    if (before) this.compare(before, to, message)
  }

  private stream(from: Pid, id: number): Sent {
    const key = streamKey(from, id)
    const known = this.sent.get(key)
    if (known) return known
    const fresh: Sent = { number: 0, doubts: 0 }
    this.sent.set(key, fresh)
    return fresh
  }

  private once(key: string, to: Pid, message: ChildMessage): void {
    const seen = this.seen.get(key) ?? new Set()
    this.seen.set(key, seen)
    if (seen.has(message.number)) {
      this.oracle.breaks('I8', `${describe(message)} came to ${to}, and had come before`)
    }
    seen.add(message.number)
  }

  private compare({ message: last, to: before }: Last, to: Pid, message: ChildMessage): void {
    const { count, goesOn } = this.disruptions
    if (goesOn) return
    if (last.disruptions !== count || message.disruptions !== count) return
    if (last.doubts !== message.doubts) return
    const line = this.numberOf(this.lives.lineOf(to))
    if (last.line !== line || message.line !== line) return
    this.compared++
    if (!before.equals(to)) this.acrossMoves++
    if (message.number === last.number + 1) return
    this.oracle.breaks(
      'I8',
      `${describe(message)} came to ${to} after ${describe(last)} to ${before}`,
    )
  }

  private numberOf(line: object | undefined): number {
    if (!line) return 0
    const known = this.lines.get(line)
    if (known) return known
    this.lines.set(line, this.lines.size + 1)
    return this.lines.size
  }
}

const streamKey = (from: Pid, id: number): string => `${pidKey(from)}>${id}`

const describe = ({ number, from, by }: ChildMessage): string =>
  `message ${number} of ${from} by its ${by}`
