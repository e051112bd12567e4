/** A child as the node knows it that runs it. */
import { CitadelError } from '../../base/errors.js'
import type { ChildIdentity } from '../../process/child-identity.js'
import type { RestartIntensity } from '../../process/restart-intensity.js'
import type { Pid } from '../../term/pid.js'
import { showKey } from '../../term/show-key.js'
import type { ClaimOutcome } from '../arbiters/arbiter.js'
import type { Lineage } from '../tables/claim.js'
import type { ChildRecipe } from '../tables/spec-table.js'
import type { Trial } from './node-deaths.js'

export type OwnIdentity = { -readonly [Field in keyof ChildIdentity]: ChildIdentity[Field] }

export interface Child {
  readonly id: string
  readonly childId: unknown
  readonly recipe: ChildRecipe
  readonly intensity: RestartIntensity
  /** That of its claim; its process reads the same in its identity. */
  epoch: number
  readonly identity: OwnIdentity
  /** That of its claim. */
  lineage: Lineage | undefined
  /** It was started on trial: nodes have died with it. */
  trial: Trial | undefined
  /** Undefined while it starts, or is to start again. */
  pid: Pid | undefined
  /** Set once the child is to end for good; no restart follows. */
  stopping: boolean
  /** Set after a move until what came with it, its keys above all, is here. */
  settling: Promise<void> | undefined
  /** Set while it is being handed over. */
  moving: Departure | undefined
  readonly stopped: Promise<void>
  readonly hasStopped: () => void
}

/** A child on its way to another node. */
export interface Departure {
  readonly pid: Pid
  readonly to: string
  readonly byPlan: boolean
  /** Its process ended meanwhile. */
  ended: { readonly reason: unknown } | undefined
  /** The new process, once the other side has won. */
  readonly committed: Promise<Pid>
  readonly commit: (pid: Pid) => void
  /** The same, for who cannot wait. */
  won: Pid | undefined
  /** The claim of the new process has come, and is gone again. */
  isHeirGone: boolean
}

export function makeDeparture(pid: Pid, to: string, byPlan: boolean): Departure {
  const { promise: committed, resolve } = whenCalled<Pid>()
  const departure: Departure = {
    pid,
    to,
    byPlan,
    ended: undefined,
    committed,
    commit: (by) => {
      departure.won ??= by
      resolve(by)
    },
    won: undefined,
    isHeirGone: false,
  }
  return departure
}

export function makeChild(
  id: string,
  identity: OwnIdentity,
  recipe: ChildRecipe,
  intensity: RestartIntensity,
  lineage: Lineage | undefined,
): Child {
  const { promise: stopped, resolve: hasStopped } = whenCalled<void>()
  return {
    id,
    childId: identity.id,
    recipe,
    intensity,
    identity,
    get epoch() {
      return identity.epoch
    },
    set epoch(epoch) {
      identity.epoch = epoch
    },
    lineage,
    trial: undefined,
    pid: undefined,
    stopping: false,
    settling: undefined,
    moving: undefined,
    stopped,
    hasStopped,
  }
}

/** A promise and what resolves it. */
export function whenCalled<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((given) => {
    resolve = given
  })
  return { promise, resolve }
}

export function alreadyStarted(childId: unknown, pid: Pid | undefined): CitadelError {
  return new CitadelError(
    'already_started',
    `Child ${showKey(childId)} runs already, as ${pid}; look it up instead.`,
    { pid },
  )
}

/** Why a claim was not granted, as an error. */
export function refused(childId: unknown, outcome: ClaimOutcome): CitadelError {
  switch (outcome.type) {
    case 'taken':
      return alreadyStarted(childId, outcome.pid)
    case 'unavailable':
      return new CitadelError(
        'unavailable',
        `Who decides about child ${showKey(childId)} cannot be reached; try again soon.`,
      )
    default:
      return new CitadelError(
        'timeout',
        `No decision about child ${showKey(childId)} in time; try again.`,
      )
  }
}
