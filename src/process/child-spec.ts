/**
 * How to start, stop and restart a child: shared by the local supervisor and the distributed one.
 * The words and defaults are OTP's.
 */
import { CitadelError } from '../base/errors.js'
import { oneOf, type Rule, type Rules, readOptions, rule } from '../base/options.js'
import type { BoundNode } from './bound-node.js'
import { isCleanExit } from './exit-reason.js'
import type { ServerClass } from './typed-call.js'

/** `permanent`: always; `transient`: after a crash only; `temporary`: never. */
export type Restart = 'permanent' | 'transient' | 'temporary'

/** Milliseconds between `shutdown` and `kill`; `infinity` for supervisors; `brutal_kill`: at once. */
export type Shutdown = number | 'brutal_kill' | 'infinity'

export interface ChildSpec {
  /** Unique among the children of one supervisor. */
  id: string
  /** A GenServer class, or a function to run as a process. */
  module: ServerClass | ((self: BoundNode) => unknown)
  args?: readonly unknown[] | undefined
  /** A local name for the process. */
  name?: string | undefined
  /** `permanent` unless set. */
  restart?: Restart | undefined
  /** 5,000 unless set; `infinity` for supervisors. */
  shutdown?: Shutdown | undefined
}

const SHUTDOWN_MS = 5_000

export const RESTART: Rule = oneOf('permanent', 'transient', 'temporary')
const WORDS: readonly unknown[] = ['brutal_kill', 'infinity']
const RULES: Rules<ChildSpec> = {
  id: rule.text,
  module: rule.callback,
  args: rule.list,
  name: rule.text,
  restart: RESTART,
  shutdown: [
    (value) => rule.milliseconds[0](value) || WORDS.includes(value),
    "milliseconds, 'brutal_kill' or 'infinity'",
  ],
}

/** With every default filled in. */
export type Complete = { readonly [K in keyof ChildSpec]-?: Exclude<ChildSpec[K], undefined> }

export function mustRestart(restart: Restart, reason: unknown): boolean {
  if (restart === 'permanent') return true
  return restart === 'transient' && !isCleanExit(reason)
}

/** The spec with every default filled in; rejects what cannot be one. */
export function completeSpec(
  given: ChildSpec,
  isSupervisor: (module: ChildSpec['module']) => boolean,
): Complete {
  const spec = readOptions('a child', given, RULES)
  if (typeof spec.id !== 'string') throw bad('a child needs an id, a string')
  if (typeof spec.module !== 'function') throw bad(`child '${spec.id}' needs a module to start`)
  const { args = [], name = '', restart = 'permanent' } = spec
  const shutdown = spec.shutdown ?? (isSupervisor(spec.module) ? 'infinity' : SHUTDOWN_MS)
  return { ...spec, args, name, restart, shutdown }
}

const bad = (sentence: string): CitadelError => new CitadelError('bad_argument', sentence)
