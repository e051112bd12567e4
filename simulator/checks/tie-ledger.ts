/**
 * Every monitor and link that the workload made, and how often its owner was told (I6). A tie must
 * be told exactly once when the other side has ended, or when the connection between the two nodes
 * went down after the tie was made; not at all while neither has happened. Of a child that moves the
 * owner is told when its last life ends, or earlier, when the node it was on is needed no more.
 */
import type { Pid } from '../../src/term/pid.js'
import type { Ref } from '../../src/term/ref.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import type { LifeLedger } from './life-ledger.js'
import { type Oracle, pidKey } from './oracle.js'

interface Tie {
  readonly kind: 'monitor' | 'link'
  readonly owner: Pid
  readonly home: ClusterMember
  readonly target: Pid
  /** How often the connection had gone down when the tie was made. */
  readonly cuts: number
  readonly told: unknown[]
}

export class TieLedger {
  made = 0
  private readonly ties = new Map<string, Tie>()

  constructor(
    private readonly oracle: Oracle,
    private readonly lives: LifeLedger,
  ) {}

  monitored(owner: Pid, target: Pid, ref: Ref): void {
    this.add(`${ref}`, 'monitor', owner, target)
  }

  /** False: these two are linked already. */
  linked(owner: Pid, target: Pid): boolean {
    const key = linkKey(owner, target)
    // A link has two ends, whoever made it.
    if (this.ties.has(key) || this.ties.has(linkKey(target, owner))) return false
    this.add(key, 'link', owner, target)
    return true
  }

  heardDown(owner: Pid, ref: Ref, reason: unknown): void {
    const tie = this.ties.get(`${ref}`)
    if (!tie)
      return this.oracle.breaks('I6', `${owner} got a Down of no monitor of its own: ${ref}`)
    this.told(tie, reason)
  }

  heardExit(owner: Pid, from: Pid, reason: unknown): void {
    const tie = this.ties.get(linkKey(owner, from))
    if (tie) this.told(tie, reason)
  }

  /** A dead owner's ties count no more. */
  ended(owner: Pid): void {
    for (const [key, tie] of this.ties) if (tie.owner.equals(owner)) this.ties.delete(key)
  }

  check(): void {
    for (const tie of this.ties.values()) {
      if (!this.oracle.isAlive(tie.owner) || this.lives.hasSplit(tie.target)) continue
      if (this.lives.leadsToLoser(tie.target)) continue
      const hasMoved = this.hasMoved(tie)
      const ended = !this.isAlive(tie)
      const cut = !hasMoved && tie.home.cutsOf(tie.target.node) > tie.cuts
      if ((ended || cut) && tie.told.length === 0) {
        const why = ended ? 'has ended' : 'was cut off'
        this.oracle.breaks('I6', `${describe(tie)} was never told, and ${tie.target} ${why}`)
      }
    }
  }

  private add(key: string, kind: Tie['kind'], owner: Pid, target: Pid): void {
    const home = this.oracle.home(owner)
    if (!home) return
    this.made++
    this.ties.set(key, { kind, owner, home, target, cuts: home.cutsOf(target.node), told: [] })
  }

  private hasMoved({ target }: Tie): boolean {
    return !this.lives.head(target).equals(target)
  }

  /** Itself, or who took over from it. */
  private isAlive({ target }: Tie): boolean {
    return this.oracle.isAlive(target) || this.oracle.isAlive(this.lives.head(target))
  }

  private told(tie: Tie, reason: unknown): void {
    tie.told.push(reason)
    if (tie.told.length > 1) {
      this.oracle.breaks(
        'I6',
        `${describe(tie)} was told twice: ${tie.told.map(String).join(', ')}`,
      )
    }
    if (!this.isAlive(tie) || this.hasMoved(tie) || reason === 'noconnection') return
    // The monitor followed the other side of a split.
    if (this.lives.hasSplit(tie.target)) return
    this.oracle.breaks('I6', `${describe(tie)} was told ${String(reason)} of a living process`)
  }
}

const linkKey = (owner: Pid, target: Pid): string => `${pidKey(owner)}>${pidKey(target)}`
const describe = (tie: Tie): string => `the ${tie.kind} of ${tie.target} by ${tie.owner}`
