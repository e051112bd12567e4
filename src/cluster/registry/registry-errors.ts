/** The errors of the registry, each with what to do. */
import { abortReason } from '../../base/abort.js'
import { CitadelError } from '../../base/errors.js'
import type { Pid } from '../../term/pid.js'
import { showKey } from '../../term/show-key.js'
import type { WaitEnd } from './key-waits.js'

export function noProcess(pid: Pid): CitadelError {
  return new CitadelError('noproc', `${pid} is not alive, so it cannot be registered.`, { pid })
}

export function alreadyRegistered(key: unknown, pid: Pid): CitadelError {
  return new CitadelError(
    'already_registered',
    `${showKey(key)} is registered to ${pid}; choose another key, unregister it, or pass { force: true }.`,
    { pid },
  )
}

export function ownedByOther(key: unknown, pid: Pid): CitadelError {
  return new CitadelError(
    'already_registered',
    `${showKey(key)} is registered to ${pid} by now; look it up and decide anew.`,
    { pid },
  )
}

export function notRegistered(key: unknown): CitadelError {
  return new CitadelError(
    'not_found',
    `Nothing is registered under ${showKey(key)}; check with findByKey.`,
  )
}

export function movedMeanwhile(key: unknown, pid: Pid): CitadelError {
  return new CitadelError(
    'unavailable',
    `${pid} has moved while ${showKey(key)} was asked for; try again.`,
    { pid },
  )
}

/** The home did not say yes. */
export function undecided(key: unknown, type: 'unavailable' | 'timeout'): CitadelError {
  const sentence =
    type === 'timeout'
      ? `No decision about ${showKey(key)} in time; the members may be changing, so try again.`
      : `Who decides about ${showKey(key)} (a node, a majority, or etcd) cannot be reached now, or not for long enough yet; try again in a few seconds.`
  return new CitadelError(type, sentence)
}

export function nodeStopped(key: unknown): CitadelError {
  return new CitadelError(
    'stopped',
    `The node has stopped, and what it had of ${showKey(key)} went.`,
  )
}

export function notConfirmed(key: unknown): CitadelError {
  return new CitadelError(
    'timeout',
    `${showKey(key)} is registered, but not every member has confirmed it in time; one of them may be slow or gone.`,
  )
}

export function notRegisteredInTime(
  key: unknown,
  end: WaitEnd,
  ms: number,
  signal: AbortSignal | undefined,
): CitadelError {
  switch (end) {
    case 'timeout':
      return new CitadelError(
        'timeout',
        `Nothing was registered under ${showKey(key)} within ${ms} ms; wait longer, or check who should register it.`,
      )
    case 'aborted':
      return new CitadelError('aborted', `The wait for ${showKey(key)} was given up.`, {
        cause: signal && abortReason(signal),
      })
    case 'stopped':
      return new CitadelError(
        'stopped',
        `The node has stopped, so ${showKey(key)} is not waited for any more.`,
      )
  }
}
