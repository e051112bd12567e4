/** Mistakes made on purpose in the handoff of children: see `defects.ts`. */
import { Arrivals } from '../../src/cluster/handoff/arrivals.js'
import { Departures } from '../../src/cluster/handoff/departures.js'
import type { HandoffOffer } from '../../src/cluster/handoff/handoff-offer.js'
import { ChildRunner } from '../../src/cluster/supervisor/child-runner.js'
import { Forwarding } from '../../src/kernel/forwarding.js'
import { Moves } from '../../src/kernel/moves.js'
import type { ChildPort } from '../../src/kernel/process-port.js'
import type { Pid } from '../../src/term/pid.js'
import { type Defect, replace } from './defect.js'

const goesOnUnasked: Defect = {
  name: 'goes-on-unasked',
  what: 'The old side that gets no answer goes on without asking the arbiter.',
  plant: () => replace(Departures, 'contest', () => async () => ({ reason: 'it did not answer' })),
}

const worksUngranted: Defect = {
  name: 'works-ungranted',
  what: 'The new side lets the process go as soon as it has its state, before the claim is granted.',
  plant: () =>
    replace(
      Arrivals,
      'start',
      (right) =>
        async function (this: { parts: { processes: ChildPort } }, ...args: never[]) {
          const pid = (await right.apply(this, args)) as Pid
          const offer = args[0] as unknown as HandoffOffer
          this.parts.processes.admit(pid, offer.pid.node, [])
          return pid
        },
    ),
}

const gateOpen: Defect = {
  name: 'gate-open',
  what: 'What nodes send to the new pid does not wait for their markers.',
  plant: () =>
    replace(
      Moves,
      'admit',
      (right) =>
        function (this: Moves, ...args: never[]) {
          const [pid, via] = args as unknown as [Pid, string]
          return right.call(this, ...([pid, via, []] as unknown as never[]))
        },
    ),
}

/** One item of so many is dropped. */
const DROPPED_EVERY = 5

const forwardDropped: Defect = {
  name: 'forward-dropped',
  what: `The old process drops one of ${DROPPED_EVERY} items that it is to pass on.`,
  plant: () => {
    let passed = 0
    return replace(
      Forwarding,
      'pass',
      (right) =>
        function (this: Forwarding, ...args: never[]) {
          return ++passed % DROPPED_EVERY === 0 ? undefined : right.apply(this, args)
        },
    )
  },
}

/** One state of so many is lost. */
const LOST_EVERY = 4

const stateDropped: Defect = {
  name: 'state-dropped',
  what: `One of ${LOST_EVERY} states does not go along.`,
  plant: () => {
    let carried = 0
    return replace(
      Moves,
      'carry',
      (right) =>
        function (this: Moves, ...args: never[]) {
          const carry = right.apply(this, args) as object
          return ++carried % LOST_EVERY === 0 ? { ...carry, state: undefined } : carry
        },
    )
  },
}

const goodbyeEarly: Defect = {
  name: 'goodbye-early',
  what: 'A node that leaves says goodbye before the others know where its children are.',
  plant: () => {
    const mends = [
      replace(ChildRunner, 'releasedAll', () => async () => undefined),
      replace(Moves, 'settled', () => async () => undefined),
    ]
    return () => {
      for (const mend of mends) mend()
    }
  },
}

export const HANDOFF_DEFECTS: readonly Defect[] = [
  goesOnUnasked,
  worksUngranted,
  gateOpen,
  forwardDropped,
  stateDropped,
  goodbyeEarly,
]
