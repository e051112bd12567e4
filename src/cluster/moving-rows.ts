/**
 * The keys and groups of a process that moves. They go with it: the old node's rows stay, and lead
 * to the old pid, which passes on, until all members have the new ones. So there is no moment at
 * which a key leads nowhere.
 */
import type { Pid } from '../term/pid.js'
import type { Groups } from './groups.js'
import type { HandoffOffer, MovingKey, MovingMembership } from './handoff-offer.js'
import type { Registry } from './registry.js'

export class MovingRows {
  constructor(
    private readonly registry: Registry,
    private readonly groups: Groups,
    /** Removes every row of a process of this node. */
    private readonly remove: (pid: Pid) => void,
  ) {}

  /** What a process of this node has. */
  of(pid: Pid): { keys: readonly MovingKey[]; groups: readonly MovingMembership[] } {
    return { keys: this.registry.keysOf(pid), groups: this.groups.membershipsOf(pid) }
  }

  /** Its successor on this node joins the groups at once; the keys have to be asked for. */
  bring(pid: Pid, { groups }: HandoffOffer): void {
    for (const membership of groups) this.groups.bring(membership, pid)
  }

  /** Resolves when the keys are the successor's, or lost to somebody else. */
  async bringKeys(pid: Pid, { keys }: HandoffOffer): Promise<void> {
    await Promise.all(keys.map((key) => this.registry.bring(key, pid)))
  }

  /** The process stays. Resolves when what it still has is its own for certain. */
  keepKeys(pid: Pid): Promise<void> {
    return this.registry.keep(pid)
  }

  /** Resolves when all members know of what a process of this node has. */
  async replicated(pid: Pid): Promise<void> {
    const { keys, groups } = this.of(pid)
    const hasKeys = keys.length > 0 && this.registry.replicated()
    const isMember = groups.length > 0 && this.groups.replicated()
    await Promise.all([hasKeys, isMember])
  }

  /** The old node's rows are not needed any more. */
  release(pid: Pid): void {
    this.remove(pid)
  }
}
