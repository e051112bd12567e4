/**
 * Signals of the operating system, for a program that runs a node: the first one stops the node,
 * and its children are handed over; then the program ends with the status that belongs to the
 * signal. A second one does not wait. The shell and `citadel run` end this way too.
 */

import { constants } from 'node:os'
import { attempt } from './base/arguments.js'
import { describe, messageOf } from './base/describe.js'
import { CitadelError } from './base/errors.js'
import { failsLater } from './base/guard.js'
import { type Rules, readOptions, rule } from './base/options.js'

const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const

export type StopSignal = (typeof STOP_SIGNALS)[number]

/** A node, or whatever stops one or several and what else must end before the program does. */
export interface Stoppable {
  stop(options?: { budgetMs?: number }): Promise<unknown>
}

export interface StopOnSignalsOptions {
  /** How long handing the children over may take in all; 25,000 unless given. */
  budgetMs?: number | undefined
  /** SIGTERM and SIGINT unless given. */
  signals?: readonly StopSignal[] | undefined
  /** Told what goes on when it takes more than half a second; standard error unless given. */
  say?: ((line: string) => void) | undefined
}

const RULES: Rules<StopOnSignalsOptions> = {
  budgetMs: rule.milliseconds,
  signals: rule.list,
  say: rule.callback,
}

const BUDGET_MS = 25_000

/**
 * After so long it is said what is waited for. A signal that comes sooner is the same wish again: a
 * terminal or an init signals a whole group of processes, and npm, being one of them, passes it on.
 */
const QUIET_MS = 500

/**
 * Stops the node at the first signal and then ends the program with status 128 + the number of the
 * signal, or 1 if stopping failed. From half a second on, a second signal ends it at once.
 * Answers what takes the handlers away again.
 *
 *     stopOnSignals(citadel)
 *     stopOnSignals({ stop: (options) => Promise.all([closeServer(), citadel.stop(options)]) })
 */
export function stopOnSignals(node: Stoppable, given?: StopOnSignalsOptions): () => void {
  checkStoppable(node)
  const options = readOptions('stopOnSignals', given, RULES)
  const { budgetMs = BUDGET_MS, signals = ['SIGTERM', 'SIGINT'] } = options
  const say = safely(options.say ?? warn)
  check(signals)
  let state: 'running' | 'stopping' | 'slow' = 'running'

  const stop = async (status: number): Promise<void> => {
    state = 'stopping'
    setTimeout(() => {
      state = 'slow'
      const most = `at most ${budgetMs / 1_000} s`
      say(`stopping: children are handed over, ${most}; a second signal leaves at once`)
    }, QUIET_MS)
    try {
      await node.stop({ budgetMs })
    } catch (error) {
      say(`stopping failed: ${messageOf(error)}`)
      await exitWith(1)
    }
    await exitWith(status)
  }

  const handlers = [...new Set(signals)].map((signal) => {
    const status = 128 + constants.signals[signal]
    const handler = (): void => {
      if (state === 'running') void stop(status)
      else if (state === 'slow') process.exit(status)
    }
    process.on(signal, handler)
    return { signal, handler }
  })
  return () => {
    for (const { signal, handler } of handlers) process.off(signal, handler)
  }
}

/** Ends the program, whatever timers and sockets are still open, when all it said is written. */
export async function exitWith(status: number): Promise<never> {
  await Promise.all([process.stdout, process.stderr].map(written))
  process.exit(status)
}

function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableLength === 0) resolve()
    else stream.write('', () => resolve())
  })
}

/** What it throws must not keep the program from ending as it should. */
const safely =
  (say: (line: string) => void): ((line: string) => void) =>
  (line) => {
    try {
      failsLater(say(line), () => warn(line))
    } catch {
      warn(line)
    }
  }

const warn = (line: string): void => void process.stderr.write(`[citadel] ${line}\n`)

function checkStoppable(node: unknown): void {
  if (attempt(() => typeof (node as Stoppable | undefined)?.stop === 'function')) return
  const sentence = `stopOnSignals wants a node, or an object with stop(options), not ${describe(node)}.`
  throw new CitadelError('bad_argument', sentence)
}

function check(signals: readonly unknown[]): void {
  const known: readonly unknown[] = STOP_SIGNALS
  for (const signal of signals) {
    if (known.includes(signal)) continue
    const names = STOP_SIGNALS.join(', ')
    throw new CitadelError('bad_argument', `signals are of ${names}, not ${describe(signal)}.`)
  }
}
