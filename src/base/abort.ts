/**
 * Listening to an AbortSignal that a user has given. Parts of it may have been replaced, and theirs
 * would run, and throw, in the middle of what serves others: so they are left aside.
 */
const { addEventListener, removeEventListener } = EventTarget.prototype

/** Answers what takes it back. */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  addEventListener.call(signal, 'abort', listener, { once: true })
  return () => removeEventListener.call(signal, 'abort', listener)
}

export function abortReason(signal: AbortSignal): unknown {
  try {
    return signal.reason
  } catch (error) {
    return error
  }
}
