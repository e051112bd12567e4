/** Signals that carry an exit reason must reach the other node, whatever the reason is made of. */

import { describeReason, errorOf } from '../process/exit-reason.js'
import type { Signal } from '../process/signal.js'
import { Atom } from '../term/atom.js'
import { encodeTerm } from '../term/codec.js'
import type { Router } from './router.js'

/** A reason that cannot cross is told as text. False: not connected. */
export function signalWithReason(router: Router, node: string, signal: Signal): boolean {
  try {
    return router.signal(node, signal)
  } catch (error) {
    if (!('reason' in signal)) throw error
    return router.signal(node, { ...signal, reason: inWords(signal.reason) })
  }
}

/** The reason as it is, if it can cross. */
export function crossable(reason: unknown): unknown {
  try {
    encodeTerm(reason)
    return reason
  } catch {
    return inWords(reason)
  }
}

function inWords(reason: unknown): unknown {
  const error = errorOf(reason)
  return error === undefined ? new Atom('error') : { error: new Error(describeReason(reason)) }
}
