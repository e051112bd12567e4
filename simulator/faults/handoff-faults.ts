/**
 * Faults at the steps of handoffs: one is drawn (which step, which side, what befalls it), waits
 * until some handoff takes that step, and strikes in the middle of it or right after it. Then the
 * next one is drawn.
 */
import type { HandoffStep } from '../../src/cluster/handoff/handoff-offer.js'
import type { SeededRandom } from '../../src/testing/seeded-random.js'
import type { Handoff, HandoffWatch } from '../checks/handoff-watch.js'
import type { ClusterSimulation } from '../cluster/cluster-simulation.js'

export const HANDOFF_STEPS: readonly HandoffStep[] = [
  'quiet',
  'state',
  'sent',
  'started',
  'granted',
  'committed',
  'forwarding',
  'released',
]
const SIDES = ['old', 'new'] as const
const BLOWS = ['crash', 'crash', 'power off', 'stall', 'cut off', 'kill the child'] as const

export type Blow = (typeof BLOWS)[number]

interface Plan {
  readonly step: HandoffStep
  readonly side: (typeof SIDES)[number]
  readonly blow: Blow
  readonly inTheMiddle: boolean
  /** So many handoffs more pass by unharmed. */
  spared: number
}

/** Of the faults: what they can do to one node now. False: the moment does not allow it. */
export type Strike = (blow: Blow, index: number, childId: unknown) => boolean

const NEXT_MS = [500, 8_000] as const
const SPARED_MAX = 4

export class HandoffFaults {
  /** How often each side was struck at each step, and by what. */
  readonly counts = new Map<string, number>()
  private plan: Plan | undefined
  private running = false

  constructor(
    private readonly cluster: ClusterSimulation,
    handoffs: HandoffWatch,
    private readonly random: SeededRandom,
    private readonly strike: Strike,
  ) {
    handoffs.onStep = (step, handoff) => this.step(step, handoff)
  }

  start(): void {
    this.running = true
    this.draw()
  }

  stop(): void {
    this.running = false
    this.plan = undefined
  }

  private draw(): void {
    const { random } = this
    this.plan = {
      step: random.pick(HANDOFF_STEPS),
      side: random.pick(SIDES),
      blow: random.pick(BLOWS),
      inTheMiddle: random.chance(0.5),
      spared: random.below(SPARED_MAX),
    }
  }

  private step(step: HandoffStep, handoff: Handoff): void {
    const { plan } = this
    if (plan?.step !== step || plan.spared-- > 0) return
    this.plan = undefined
    if (plan.inTheMiddle) this.carryOut(plan, handoff)
    else this.cluster.simulation.after(0, 'strike', () => this.carryOut(plan, handoff))
    this.cluster.simulation.after(this.random.between(NEXT_MS), 'next strike', () => {
      if (this.running) this.draw()
    })
  }

  private carryOut({ step, side, blow }: Plan, { childId, from, to }: Handoff): void {
    if (!this.running) return
    const node = side === 'old' ? from.name : to
    const index = this.cluster.names.indexOf(node)
    if (side === 'old' && this.cluster.members[index] !== from) return
    if (!this.strike(blow, index, childId)) return
    for (const what of [`${step}, ${side} side`, blow]) {
      this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
    }
  }
}
