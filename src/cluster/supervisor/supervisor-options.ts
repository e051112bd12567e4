/** The options of a distributed supervisor: their defaults, and what they may be. */
import { describeQuoted } from '../../base/describe.js'
import { CitadelError } from '../../base/errors.js'
import { failsLater } from '../../base/guard.js'
import type { Logger } from '../../base/log.js'
import { numberFrom, oneOf, type Rules, readOptions, rule } from '../../base/options.js'
import { QuietLog } from '../../base/quiet-log.js'
import type { World } from '../../base/world.js'
import { RESTART } from '../../process/child-spec.js'
import { termKey } from '../../term/key.js'
import { isWellFormed } from '../../term/kinds.js'
import { showKey } from '../../term/show-key.js'
import type { Placement } from '../placement/placement.js'
import { rowArgs, rowKey } from '../registry/row-meta.js'
import type { RunnerOptions } from './child-runner.js'
import type {
  LeaveOptions,
  StartChildOptions,
  StaticChild,
  SupervisorOptions,
} from './children-options.js'
import type { RebalanceOptions } from './rebalancer.js'

export type CompleteOptions = RunnerOptions & RebalanceOptions

const NAME_MAX = 200

const DEFAULTS: CompleteOptions = {
  maxRestarts: 10,
  maxSeconds: 10,
  backoffMs: 50,
  backoffMaxMs: 5_000,
  elsewhereAfter: Number.POSITIVE_INFINITY,
  handoffMs: 4_000,
  onStep: () => undefined,
  deathsMax: 2,
  deathWindowMs: 5_000,
  rebalance: 'auto',
  settleMs: 1_000,
  movesMax: 64,
}

/** The options with every default filled in. */
export function supervisorOptions(given: SupervisorOptions): CompleteOptions {
  const complete = Object.entries(DEFAULTS).map(([name, standard]) => {
    return [name, given[name as keyof CompleteOptions] ?? standard]
  })
  return Object.fromEntries(complete) as CompleteOptions
}

/** The same, except that an `onStep` that fails stops no handoff: it is told of, with its stack. */
export function runnerOptions(
  supervisor: string,
  given: SupervisorOptions,
  { log, world }: { log: Logger; world: World },
): CompleteOptions {
  const options = supervisorOptions(given)
  const { onStep } = options
  const quiet = new QuietLog(log, world.clock)
  const failed = (error: unknown): void =>
    quiet.failure('onStep', `onStep of supervisor "${supervisor}"`, error)
  return {
    ...options,
    onStep: (step, childId) => {
      try {
        failsLater(onStep(step, childId), failed)
      } catch (error) {
        failed(error)
      }
    },
  }
}

const RULES: Rules<SupervisorOptions> = {
  modules: rule.classes,
  children: [Array.isArray, 'a list of { module, args?, id, restart? }'],
  restart: RESTART,
  placement: [
    (value) => typeof (value as Placement | null)?.choose === 'function',
    'a placement: rendezvous, leastChildren, pinned(...), or an object with choose(key, members)',
  ],
  resolve: [rule.callback[0], 'a function (id, a, b) => a or b'],
  role: rule.name,
  weight: [(value) => numberFrom(0)[0](value) && Number.isFinite(value), 'a number from 0'],
  maxRestarts: numberFrom(0),
  maxSeconds: numberFrom(0, 'a number of seconds from 0'),
  backoffMs: numberFrom(0, 'milliseconds from 0'),
  backoffMaxMs: numberFrom(0, 'milliseconds from 0'),
  elsewhereAfter: numberFrom(1),
  handoffMs: numberFrom(1, 'milliseconds from 1'),
  onStep: rule.callback,
  deathsMax: rule.count,
  deathWindowMs: numberFrom(0, 'milliseconds from 0'),
  rebalance: oneOf('auto', 'manual'),
  settleMs: numberFrom(0, 'milliseconds from 0'),
  movesMax: numberFrom(1),
}

const CHILD_RULES: Rules<StartChildOptions> = {
  id: rule.anything,
  restart: RESTART,
  shutdownMs: rule.milliseconds,
  timeoutMs: rule.milliseconds,
}
const STATIC_RULES: Rules<StaticChild> = {
  ...CHILD_RULES,
  module: [(value) => typeof value === 'function' || rule.name[0](value), 'a class or its name'],
  args: rule.list,
}

/** @throws CitadelError `bad_argument` that names the supervisor and the option. */
export function readSupervisorOptions(
  supervisor: string,
  given: SupervisorOptions | undefined,
): SupervisorOptions {
  checkName(supervisor)
  const options = readOptions(`supervisor "${supervisor}"`, given, RULES)
  const children = options.children?.map((child) => readStaticChild(supervisor, child))
  if (children) refuseTwice(supervisor, children)
  return children ? { ...options, children } : options
}

function refuseTwice(supervisor: string, children: readonly StaticChild[]): void {
  const ids = new Set<string>()
  for (const { id } of children) {
    const key = termKey(id)
    if (ids.has(key)) {
      const sentence = `supervisor "${supervisor}" has two children with the id ${showKey(id)}: each needs its own.`
      throw new CitadelError('bad_argument', sentence)
    }
    ids.add(key)
  }
}

function readStaticChild(supervisor: string, given: StaticChild): StaticChild {
  const owner = `a child of supervisor "${supervisor}"`
  const child = readOptions(owner, given, STATIC_RULES)
  if (child.id === undefined || child.module === undefined) {
    throw new CitadelError('bad_argument', `${owner} needs a module and an id.`)
  }
  const own = { ...child, id: rowKey(child.id).key }
  return child.args ? { ...own, args: rowArgs(child.args, `args of ${owner}`) } : own
}

export function readStartOptions(given: StartChildOptions): StartChildOptions {
  const options = readOptions('startChild', given, CHILD_RULES)
  if (options.id !== undefined) return options
  const sentence = 'startChild needs an id: startChild(Worker, args, { id: 1 }).'
  throw new CitadelError('bad_argument', sentence)
}

const LEAVE_RULES: Rules<LeaveOptions> = { budgetMs: rule.milliseconds }

export const readLeaveOptions = (owner: string, given: LeaveOptions | undefined): LeaveOptions =>
  readOptions(owner, given, LEAVE_RULES)

/** It is part of names of processes and of scopes, which all members must be able to read. */
function checkName(name: unknown): void {
  const isName = typeof name === 'string' && name !== '' && name.length <= NAME_MAX
  if (isName && isWellFormed(name)) return
  const sentence = `the name of a supervisor is a string of 1 to ${NAME_MAX} characters`
  throw new CitadelError('bad_argument', `${sentence}, not ${describeQuoted(name)}.`)
}
