/** What users and the composition root may say to the registry. */
import type { Logger } from '../../base/log.js'
import { type Rules, rule } from '../../base/options.js'
import { Pid } from '../../term/pid.js'
import type { Resolve } from '../tables/claim-order.js'

export interface RegisterOptions {
  /** Take the key from its owner, which lives on and gets a `KeyLost` message. */
  force?: boolean | undefined
  /** Anything that can cross a wire, up to 32 KiB; found again with `lookup`. */
  meta?: unknown
  /** How long to wait for the decision, in milliseconds; 5,000 unless given. */
  timeoutMs?: number | undefined
  /** Resolve only when every member that is connected has the row; within `timeoutMs` as well. */
  sync?: boolean | undefined
}

export const REGISTER_RULES: Rules<RegisterOptions> = {
  force: rule.flag,
  meta: rule.anything,
  timeoutMs: rule.milliseconds,
  sync: rule.flag,
}

export interface ReplaceOptions {
  /** In place of the metadata there is, which stays unless this is given; null removes it. */
  meta?: unknown
  /** How long to wait for the decision, in milliseconds; 5,000 unless given. */
  timeoutMs?: number | undefined
}

export const REPLACE_RULES: Rules<ReplaceOptions> = {
  meta: rule.anything,
  timeoutMs: rule.milliseconds,
}

export interface WhenRegisteredOptions {
  /** How long to wait, in milliseconds, or Infinity; 5,000 unless given. */
  timeoutMs?: number | undefined
  /** Gives the wait up. */
  signal?: AbortSignal | undefined
}

export const WHEN_RULES: Rules<WhenRegisteredOptions> = {
  timeoutMs: rule.milliseconds,
  signal: rule.abortSignal,
}

export interface JoinOptions {
  /** Anything that can cross a wire, up to 32 KiB; found again with `rows`. */
  meta?: unknown
}

export const JOIN_RULES: Rules<JoinOptions> = { meta: rule.anything }

export interface GroupCallOptions {
  /** How long the members may take, in milliseconds; 5,000 unless given. */
  timeoutMs?: number | undefined
}

export const GROUP_CALL_RULES: Rules<GroupCallOptions> = { timeoutMs: rule.milliseconds }

export interface BroadcastOptions {
  /** Members that do not get it. */
  except?: readonly Pid[] | undefined
}

export const BROADCAST_RULES: Rules<BroadcastOptions> = {
  except: [
    (value) => Array.isArray(value) && value.every((pid) => pid instanceof Pid),
    'a list of pids',
  ],
}

export interface RegistryParts {
  /** Which of two owners stays that a partition has left; the later epoch unless given. */
  readonly resolve?: Resolve | undefined
  readonly log?: Logger
  /** The arbiter leaves no two owners, whatever happens. */
  readonly neverSplits?: boolean
  /** Settles when this node has looked for others: they may know a key that it does not. */
  readonly looked?: () => Promise<void> | undefined
}
