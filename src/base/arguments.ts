/**
 * What users give to functions may be anything, and looking at it may run code of theirs: getters,
 * Proxies. What that throws is told as an error of ours, with the other one as its cause.
 */
import { isA } from './describe.js'
import { CitadelError } from './errors.js'

/** The error as the caller gets it. */
export function asCitadelError(error: unknown): CitadelError {
  if (isA(error, CitadelError)) return error
  const sentence = 'an argument is not what it seems, or threw an error when it was read'
  return new CitadelError('bad_argument', sentence, { cause: error })
}

/** Does the work of a public function. @throws CitadelError, and nothing else. */
export function attempt<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw asCitadelError(error)
  }
}

export function checkFlag(value: unknown, name: string): asserts value is boolean {
  if (typeof value !== 'boolean') throw new CitadelError('bad_argument', `${name} is true or false`)
}
