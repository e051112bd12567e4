/**
 * What an all-knowing observer of a simulated cluster keeps: the story so far (the last events that
 * matter) and the first invariant that was broken. The watchers and ledgers tell it.
 */
import type { ProcessStatus } from '../../src/process/process.js'
import type { Pid } from '../../src/term/pid.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import type { ClusterSimulation } from '../cluster/cluster-simulation.js'
import type { Breach, InvariantId } from './invariants.js'

const STORY_MAX = 4_000

export interface StoryLine {
  readonly at: number
  readonly text: string
}

/** Tells apart the pids of different starts of a node as well. */
export const pidKey = (pid: Pid): string => `${pid}#${pid.creation}`

export class Oracle {
  breach: Breach | undefined
  /** Those that count; undefined: all. */
  counts: ReadonlySet<InvariantId> | undefined
  readonly story: StoryLine[] = []
  /** Told each line as it happens. */
  listen: ((line: StoryLine) => void) | undefined

  constructor(readonly cluster: ClusterSimulation) {}

  get now(): number {
    return this.cluster.simulation.now
  }

  tell(text: string): void {
    const line = { at: this.now, text }
    this.story.push(line)
    this.listen?.(line)
    this.cluster.simulation.trace.note(text)
    if (this.story.length > STORY_MAX * 2) this.story.splice(0, STORY_MAX)
  }

  breaks(invariant: InvariantId, what: string): void {
    if (this.breach || this.counts?.has(invariant) === false) return
    this.breach = { invariant, what, at: this.now }
    this.tell(`!! ${invariant}: ${what}`)
  }

  /** The member that a pid belongs to, if that start of the node is still alive. */
  home(pid: Pid): ClusterMember | undefined {
    const member = this.cluster.memberNamed(pid.node)
    return member?.creation === pid.creation ? member : undefined
  }

  isAlive(pid: Pid): boolean {
    return this.home(pid)?.isAlive(pid) ?? false
  }

  /** Alive, and neither held nor only passing on what comes for a process that has moved. */
  isWorking(pid: Pid): boolean {
    const status = this.statusOf(pid)
    return status !== undefined && status !== 'held' && status !== 'moved'
  }

  /** On its way from one node to another, on either of them. */
  isHeld(pid: Pid): boolean {
    return this.statusOf(pid) === 'held'
  }

  /** Undefined: it is not alive. */
  private statusOf(pid: Pid): ProcessStatus | undefined {
    const home = this.home(pid)
    if (!home?.isAlive(pid)) return undefined
    for (const { pid: one, status } of home.node.kernel.processes()) {
      if (one.equals(pid)) return status
    }
    return undefined
  }
}
