/** What the two sides of a handoff say to each other, and the names of its steps. */
import type { ErrorCode } from '../../base/errors.js'
import { Pid } from '../../term/pid.js'
import type { MovingKey } from '../registry/coming-keys.js'
import type { MovingMembership } from '../registry/process-groups.js'
import { isAnything, isCount, isText, listOf, tupleOf } from '../replication/wire-check.js'
import type { Claim } from '../tables/claim-table.js'
import { type ChildRecipe, isRecipe } from '../tables/spec-table.js'

/** In order; docs/decisions/0010-handoff.md says what each is. */
export type HandoffStep =
  | 'quiet'
  | 'state'
  | 'sent'
  | 'granted'
  | 'started'
  | 'committed'
  | 'forwarding'
  | 'released'

export interface HandoffOffer {
  readonly id: string
  readonly childId: unknown
  readonly recipe: ChildRecipe
  /** What the new claim is to be written over. */
  readonly epoch: number
  /** What the new claim comes after, in case that claim is not known over there. */
  readonly lineage?: unknown
  /** The old process. */
  readonly pid: Pid
  /** Undefined: it gave none. */
  readonly state: unknown
  readonly keys: readonly MovingKey[]
  readonly groups: readonly MovingMembership[]
  /** The old node took it for misplaced; false: somebody asked for this move. */
  readonly byPlan: boolean
}

/**
 * The code of a refusal after which the old side has to ask the arbiter: what the new side was granted
 * may not be undone yet, or it is not known whether it was, or its process has begun with a later token.
 */
export const MAY_HAVE_WON: ErrorCode = 'init_failed'

const areKeys = listOf(tupleOf(isAnything, isCount, isAnything))

export function isOffer(value: unknown): value is HandoffOffer {
  if (typeof value !== 'object' || value === null) return false
  const { id, recipe, epoch, pid, keys, groups } = value as Partial<HandoffOffer>
  const isChild = isText(id) && isRecipe(recipe) && isCount(epoch) && pid instanceof Pid
  return isChild && areKeys(keys) && areKeys(groups)
}

/** The metadata of a claim that a handoff writes: which process it took over from. */
export const succession = (from: Pid): unknown => ({ from })

/** The process from which the owner of a claim took over, if it came by a handoff. */
export function predecessorOf({ meta }: Claim): Pid | undefined {
  if (typeof meta !== 'object' || meta === null || !('from' in meta)) return undefined
  const { from } = meta as { from: unknown }
  return from instanceof Pid ? from : undefined
}
