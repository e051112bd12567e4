/** What is acknowledged only when everybody knows of it. */

import { within } from '../../base/within.js'
import type { Scope } from '../tables/scope.js'
import type { Scopes } from './scopes.js'

/** A member that has not acknowledged by then is frozen, or about to be lost. */
const KNOWN_MS = 5_000

/**
 * Resolves when all members that can be reached know what these scopes have written so far, but waits
 * for them no longer than until they are held for unreachable.
 */
export async function knownByAll(
  scopes: Pick<Scopes, 'clock' | 'replicated'>,
  ...written: readonly Pick<Scope, 'replica'>[]
): Promise<void> {
  const known = Promise.all(written.map((scope) => scopes.replicated(scope, true)))
  await within(scopes.clock, KNOWN_MS, known)
}
