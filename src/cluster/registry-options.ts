/** What users and the composition root may say to the registry. */
import type { Logger } from '../base/log.js'
import type { Resolve } from './claim-order.js'

export interface RegisterOptions {
  /** Take the key from its owner, which lives on and gets a `KeyLost` message. */
  force?: boolean
  /** Anything that can cross a wire, up to 32 KiB; found again with `lookup`. */
  meta?: unknown
  /** How long to wait for the decision, in milliseconds; 5,000 unless given. */
  timeoutMs?: number
  /** Resolve only when every member that is connected has the row; within `timeoutMs` as well. */
  sync?: boolean
}

export interface ReplaceOptions {
  /** In place of the metadata there is, which stays unless this is given; null removes it. */
  meta?: unknown
  /** How long to wait for the decision, in milliseconds; 5,000 unless given. */
  timeoutMs?: number
}

export interface WhenRegisteredOptions {
  /** How long to wait, in milliseconds, or Infinity; 5,000 unless given. */
  timeoutMs?: number
  /** Gives the wait up. */
  signal?: AbortSignal
}

export interface RegistryParts {
  /** Which of two owners stays that a partition has left; the later epoch unless given. */
  readonly resolve?: Resolve | undefined
  readonly log?: Logger
  /** The arbiter leaves no two owners, whatever happens. */
  readonly neverSplits?: boolean
}
