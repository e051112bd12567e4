/**
 * Which handoffs are under way, and which steps they take on which node. Whoever wants to strike
 * at a step is told of it in the middle of that step.
 */
import type { ChildEvent } from '../../src/cluster/children/child-events.js'
import type { HandoffStep } from '../../src/cluster/handoff/handoff-offer.js'
import { termKey } from '../../src/term/key.js'
import type { Pid } from '../../src/term/pid.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import type { Oracle } from './oracle.js'

/** A move by hand may end so long after it was asked for. */
const SENT_BACK_MS = 15_000

export interface Handoff {
  readonly childId: unknown
  readonly from: ClusterMember
  /** The name of the new node. */
  readonly to: string
}

export class HandoffWatch {
  readonly steps = new Map<HandoffStep, number>()
  /** How often a child was to move and stayed. */
  stayed = 0
  onStep: (step: HandoffStep, handoff: Handoff) => void = () => {}
  /** Told when the old process is about to pass on what comes. */
  onForwarding: (pid: Pid, on: ClusterMember) => void = () => {}
  /** Told of a child that is held for the reason why nodes died. */
  onGivenUp: (id: unknown) => void = () => {}
  /** When children were last told to go to some node, wherever they belong. */
  readonly movedByHand = new Map<unknown, number>()
  /** When a member last came or went. */
  membersChangedAt = 0
  /** The latest handoff of each child. */
  private readonly latest = new Map<unknown, Handoff>()
  /** The process of each child that a member is handing over, or was last. */
  private readonly leaving = new Map<ClusterMember, Map<unknown, Pid>>()

  constructor(private readonly oracle: Oracle) {}

  watch(member: ClusterMember): void {
    member.onStep = (step, childId) => {
      if (member.alive) this.step(member, step, childId)
    }
  }

  /** The member has its supervisor. */
  joined(member: ClusterMember): void {
    const { supervisor } = member
    member.readyAt = this.oracle.now
    this.membersChangedAt = this.oracle.now
    const events = supervisor['childEvents']
    const tell = events.tell.bind(events)
    events.tell = (event: ChildEvent) => {
      if (event.type === 'stayed') this.stayed++
      if (event.type === 'gave_up' && event.reason === 'node_deaths') this.onGivenUp(event.id)
      tell(event)
    }
  }

  /** It is where somebody wanted it, and no change of the members has sent it back since. */
  isByHand(childId: unknown): boolean {
    const at = this.movedByHand.get(childId)
    return at !== undefined && at > this.membersChangedAt - SENT_BACK_MS
  }

  get begun(): number {
    return this.steps.get('quiet') ?? 0
  }

  private step(member: ClusterMember, step: HandoffStep, childId: unknown): void {
    this.steps.set(step, (this.steps.get(step) ?? 0) + 1)
    if (step === 'quiet') this.begins(member, childId)
    const pid = this.leaving.get(member)?.get(childId)
    if (step === 'forwarding' && pid) this.onForwarding(pid, member)
    this.oracle.tell(`child ${childId} is at ${step} on ${member.name}`)
    const handoff = this.latest.get(childId)
    if (handoff) this.onStep(step, handoff)
  }

  private begins(member: ClusterMember, childId: unknown): void {
    const moving = member.supervisor['runner']['children'].get(termKey(childId))?.moving
    if (!moving) return
    this.latest.set(childId, { childId, from: member, to: moving.to })
    const leaving = this.leaving.get(member) ?? new Map<unknown, Pid>()
    this.leaving.set(member, leaving.set(childId, moving.pid))
  }
}
