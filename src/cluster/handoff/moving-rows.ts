/**
 * The keys and groups of a process that moves. They go with it: the old node's rows stay, and lead
 * to the old pid, which passes on, until all members have the new ones. So there is no moment at
 * which a key leads nowhere.
 */
import type { Pid } from '../../term/pid.js'
import type { Coming, MovingKey } from '../registry/coming-keys.js'
import type { KeyRegistry } from '../registry/key-registry.js'
import type { MovingMembership, ProcessGroups } from '../registry/process-groups.js'
import type { HandoffOffer } from './handoff-offer.js'

export class MovingRows {
  constructor(
    private readonly registry: KeyRegistry,
    private readonly groups: ProcessGroups,
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

  /** Asks for the keys before the successor begins, and keeps them until it has won or is discarded. */
  keepComing({ keys, pid }: HandoffOffer, timeoutMs: number): Promise<Coming> {
    return this.registry.keepComing(keys, pid, timeoutMs)
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
