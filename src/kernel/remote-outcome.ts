/**
 * How an operation that runs on another node answers: its value, or the error the caller should
 * get. An exception would end the serving process, which is not what a taken key deserves.
 */
import { CitadelError, type ErrorCode } from '../base/errors.js'
import { crossable } from './remote-reason.js'

export type RemoteOutcome<T> =
  | { ok: true; value: T }
  | { ok: false; code: ErrorCode; message: string; pid: unknown; reason: unknown }

/** Refuses the arguments of a request that another node made. */
export async function badRequest(what: string): Promise<never> {
  throw new CitadelError('bad_argument', `The request to ${what} has arguments of a wrong shape.`)
}

export async function toOutcome<T>(work: Promise<T>): Promise<RemoteOutcome<T>> {
  try {
    return { ok: true, value: await work }
  } catch (error) {
    if (!(error instanceof CitadelError)) throw error
    const { code, message, pid = null, reason = null } = error
    return { ok: false, code, message, pid, reason: crossable(reason) }
  }
}

export function fromOutcome<T>(outcome: RemoteOutcome<T>): T {
  if (outcome.ok) return outcome.value
  const { code, message, pid, reason } = outcome
  throw new CitadelError(code, message, {
    ...(pid === null ? {} : { pid }),
    ...(reason === null ? {} : { reason }),
  })
}
