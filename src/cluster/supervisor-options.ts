/** The options of a distributed supervisor: their defaults, and what they may be. */
import { CitadelError } from '../base/errors.js'
import type { RunnerOptions } from './child-runner.js'
import type { RebalanceOptions } from './rebalancer.js'

export type CompleteOptions = RunnerOptions & RebalanceOptions

const DEFAULTS: CompleteOptions = {
  maxRestarts: 10,
  maxSeconds: 10,
  backoffMs: 50,
  backoffMaxMs: 5_000,
  elsewhereAfter: Number.POSITIVE_INFINITY,
  handoffMs: 4_000,
  onStep: () => undefined,
  rebalance: 'auto',
  settleMs: 1_000,
  movesMax: 64,
}

/** The options with every default filled in. */
export function supervisorOptions(given: Partial<CompleteOptions>): CompleteOptions {
  const complete = Object.entries(DEFAULTS).map(([name, standard]) => {
    return [name, given[name as keyof CompleteOptions] ?? standard]
  })
  return Object.fromEntries(complete) as CompleteOptions
}

interface Checked extends Partial<CompleteOptions> {
  readonly restart?: unknown
  readonly role?: unknown
  readonly weight?: unknown
  readonly children?: unknown
  readonly resolve?: unknown
}

const isAtLeast =
  (least: number) =>
  (value: unknown): boolean =>
    typeof value === 'number' && value >= least
const isOneOf =
  (...words: unknown[]) =>
  (value: unknown): boolean =>
    words.includes(value)

const CHECKS: Readonly<Record<string, readonly [(value: unknown) => boolean, string]>> = {
  maxRestarts: [isAtLeast(0), 'a number from 0'],
  maxSeconds: [isAtLeast(0), 'a number of seconds from 0'],
  backoffMs: [isAtLeast(0), 'milliseconds from 0'],
  backoffMaxMs: [isAtLeast(0), 'milliseconds from 0'],
  elsewhereAfter: [isAtLeast(1), 'a number from 1'],
  handoffMs: [isAtLeast(1), 'milliseconds from 1'],
  settleMs: [isAtLeast(0), 'milliseconds from 0'],
  movesMax: [isAtLeast(1), 'a number from 1'],
  weight: [isAtLeast(0), 'a number from 0'],
  role: [(value) => typeof value === 'string', 'a name'],
  rebalance: [isOneOf('auto', 'manual'), "'auto' or 'manual'"],
  restart: [
    isOneOf('permanent', 'transient', 'temporary'),
    "'permanent', 'transient' or 'temporary'",
  ],
  resolve: [(value) => typeof value === 'function', 'a function (id, a, b) => a or b'],
  children: [Array.isArray, 'a list of { module, args?, id, restart? }'],
}

/** @throws CitadelError `bad_argument` that names the option. */
export function checkOptions(supervisor: string, options: Checked): void {
  for (const [name, [isValid, what]] of Object.entries(CHECKS)) {
    const value = options[name as keyof Checked]
    if (value === undefined || isValid(value)) continue
    throw new CitadelError(
      'bad_argument',
      `${name} of supervisor "${supervisor}" is ${what}, not ${String(value)}.`,
    )
  }
}
