/**
 * How to start, stop and restart a child: shared by the local supervisor and the distributed one.
 * The words and defaults are OTP's.
 */
import { CitadelError } from '../base/errors.js'
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
  args?: readonly unknown[]
  /** A local name for the process. */
  name?: string
  /** `permanent` unless set. */
  restart?: Restart
  /** 5,000 unless set; `infinity` for supervisors. */
  shutdown?: Shutdown
}

const SHUTDOWN_MS = 5_000

export function mustRestart(restart: Restart, reason: unknown): boolean {
  if (restart === 'permanent') return true
  return restart === 'transient' && !isCleanExit(reason)
}

/** The spec with every default filled in; rejects what cannot be one. */
export function completeSpec(spec: ChildSpec, isSupervisor: boolean): Required<ChildSpec> {
  if (typeof spec?.id !== 'string') throw bad('a child needs an id, a string')
  if (typeof spec.module !== 'function') throw bad(`child '${spec.id}' needs a module to start`)
  const { restart = 'permanent', shutdown = isSupervisor ? 'infinity' : SHUTDOWN_MS } = spec
  if (!['permanent', 'transient', 'temporary'].includes(restart)) {
    throw bad(
      `restart of child '${spec.id}' is permanent, transient or temporary, not '${restart}'`,
    )
  }
  if (typeof shutdown === 'number' ? !(shutdown >= 0) : !WORDS.includes(shutdown)) {
    throw bad(`shutdown of child '${spec.id}' is milliseconds, 'brutal_kill' or 'infinity'`)
  }
  return { ...spec, args: spec.args ?? [], name: spec.name ?? '', restart, shutdown }
}

const WORDS: readonly string[] = ['brutal_kill', 'infinity']

const bad = (sentence: string): CitadelError => new CitadelError('bad_argument', sentence)
