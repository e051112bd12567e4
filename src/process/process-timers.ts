/** Messages sent later, by the clock of the node. They end with the process that asked for them. */
import type { Timer } from '../base/clock.js'
import { describe, isA } from '../base/describe.js'
import { CitadelError } from '../base/errors.js'
import { logFailure } from '../base/guard.js'
import { giveLook } from '../base/looks.js'
import type { Pid } from '../term/pid.js'
import type { Destination } from './destination.js'
import type { Process } from './process.js'

/** What `sendAfter` and `sendInterval` answer, for `cancelTimer`. */
export interface ProcessTimer {
  /** It has not fired for the last time, and was not cancelled. */
  readonly pending: boolean
}

class ArmedTimer implements ProcessTimer, Timer {
  #timer: Timer | undefined

  get pending(): boolean {
    return this.#timer !== undefined
  }

  arm(timer: Timer): void {
    this.#timer = timer
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}

giveLook(ArmedTimer, 'ProcessTimer', ({ pending }) => ({ pending }))

/** Longer delays are made of several, since timers of the system hold 31 bits. */
const DELAY_MS_MAX = 2 ** 31 - 1

export function sendAfter(
  process: Process,
  to: Destination,
  message: unknown,
  delayMs: number,
): ProcessTimer {
  return later(process, checked(delayMs, 0), () => sendNow(process, to, message))
}

/** Fires at multiples of `periodMs` from now; periods missed by a busy loop are left out. */
export function sendInterval(
  process: Process,
  to: Destination,
  message: unknown,
  periodMs: number,
): ProcessTimer {
  const { clock } = process.host
  let due = clock.now() + checked(periodMs, 1)
  const timer = new ArmedTimer()
  const fire = () => {
    due += periodMs * Math.max(1, Math.ceil((clock.now() - due) / periodMs))
    wait(process, timer, due - clock.now(), fire)
    sendNow(process, to, message)
  }
  wait(process, timer, periodMs, fire)
  return timer
}

export function exitAfter(
  process: Process,
  pid: Pid,
  reason: unknown,
  delayMs: number,
): ProcessTimer {
  return later(process, checked(delayMs, 0), () => process.host.exit(process, pid, reason))
}

export function cancelTimer(process: Process, timer: ProcessTimer): boolean {
  if (!isA(timer, ArmedTimer)) {
    throw new CitadelError('bad_argument', 'cancelTimer wants what sendAfter or sendInterval gives')
  }
  process.knownTies?.timers?.delete(timer)
  const { pending } = timer
  timer.cancel()
  return pending
}

export function sleep(process: Process, delayMs: number): Promise<void> {
  if (process.host.isOver(process)) {
    return Promise.reject(new CitadelError('noproc', 'this process has ended'))
  }
  return new Promise((resolve) => {
    later(process, checked(delayMs, 0), resolve)
  })
}

/** Nobody is on the stack to take an error, so it is logged. */
function sendNow(process: Process, to: Destination, message: unknown): void {
  try {
    process.host.send(process, to, message)
  } catch (error) {
    logFailure(process.host.log, `a timed message of ${process.pid}`, error)
  }
}

function later(process: Process, delayMs: number, task: () => void): ArmedTimer {
  const timer = new ArmedTimer()
  wait(process, timer, delayMs, () => {
    cancelTimer(process, timer)
    task()
  })
  return timer
}

function wait(process: Process, timer: ArmedTimer, delayMs: number, task: () => void): void {
  const { clock } = process.host
  process.ties.addTimer(timer)
  const fire = () => {
    // The first to run after the node was frozen, perhaps.
    if (!process.host.isOver(process)) task()
  }
  if (delayMs <= DELAY_MS_MAX) timer.arm(clock.after(delayMs, fire))
  else {
    const rest = () => wait(process, timer, delayMs - DELAY_MS_MAX, task)
    timer.arm(clock.after(DELAY_MS_MAX, rest))
  }
}

function checked(delayMs: number, least: number): number {
  if (typeof delayMs === 'number' && delayMs >= least && delayMs < Number.POSITIVE_INFINITY) {
    return delayMs
  }
  const sentence = `a time is a number of milliseconds from ${least}, not ${describe(delayMs)}`
  throw new CitadelError('bad_argument', sentence)
}
