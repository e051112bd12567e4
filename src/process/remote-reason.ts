/** Signals that carry an exit reason must reach the other node, whatever the reason is made of. */
import { CitadelError } from '../base/errors.js'
import { Atom } from '../term/atom.js'
import { describeReason } from './exit-reason.js'
import type { Router } from './router.js'
import type { Signal } from './signal.js'

type SignalWithReason = Extract<Signal, { reason: unknown }>

/** A reason that cannot cross is told as text. False: not connected. */
export function signalWithReason(router: Router, node: string, signal: Signal): boolean {
  try {
    return router.signal(node, signal)
  } catch (error) {
    if (!(error instanceof CitadelError) || !('reason' in signal)) throw error
    return router.signal(node, { ...signal, reason: inWords(signal) })
  }
}

function inWords(signal: SignalWithReason): unknown {
  const { reason } = signal
  if (reason === null || typeof reason !== 'object' || !('error' in reason))
    return new Atom('error')
  return { error: new Error(describeReason(reason)) }
}
