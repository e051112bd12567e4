/** Why a child did not start, or not here: the errors of its runner. */
import { describe } from '../../base/describe.js'
import { CitadelError } from '../../base/errors.js'
import { showKey } from '../../term/show-key.js'

export const noModule = (module: string): CitadelError =>
  new CitadelError('no_placement', `This node offers no module ${describe(module)}.`)

export const unknownChild = (supervisor: string, childId: unknown): CitadelError =>
  new CitadelError(
    'not_found',
    `Supervisor "${supervisor}" has no child ${showKey(childId)}; start it with startChild.`,
  )

export const nodeIsGone = (childId: unknown): CitadelError =>
  new CitadelError('exited', `Child ${showKey(childId)} is temporary and its node is gone.`)

export const stoppedAtStart = (childId: unknown): CitadelError =>
  new CitadelError('exited', `Child ${showKey(childId)} was stopped while it started.`, {
    reason: 'shutdown',
  })

export const startedLate = (childId: unknown): CitadelError =>
  new CitadelError(
    'timeout',
    `Child ${showKey(childId)} did not start in time; it may still, so look it up.`,
  )

/** The start was cut short by the end of the node's lease. */
export const isLeaseLost = (error: unknown): boolean =>
  error instanceof CitadelError && error.code === 'init_failed' && error.reason === 'lease_lost'

export const leaseLostAtStart = (childId: unknown): CitadelError =>
  new CitadelError(
    'unavailable',
    `The node lost its lease while child ${showKey(childId)} started; others may start it, so look it up.`,
  )

/** Somebody else has it, who decides is out of reach, or it was terminated meanwhile: no news. */
const ADOPTED_LATER: ReadonlySet<string> = new Set([
  'already_started',
  'unavailable',
  'timeout',
  'exited',
])

/** The next view or heads will tell what becomes of it. */
export const isAdoptedLater = (error: unknown): boolean =>
  error instanceof CitadelError && ADOPTED_LATER.has(error.code)
