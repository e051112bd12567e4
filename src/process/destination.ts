/** What `call`, `cast`, `send` and `monitor` accept as the other side. */
import { describe, describeQuoted, oneLine } from '../base/describe.js'
import { Pid } from '../term/pid.js'
import type { RemoteName, Target } from './signal.js'

/** The method by which a handle (of a supervised child, for example) says which process it means now. */
export const resolvePid: unique symbol = Symbol('citadel.resolvePid')

export interface Resolvable<T = unknown> {
  /** Undefined: none at this moment. */
  [resolvePid](): Pid<T> | undefined | Promise<Pid<T> | undefined>
  /** What a sentence calls it. */
  toString(): string
}

/** The process registered under a key of the cluster's registry. */
export interface ByKey {
  readonly key: unknown
}

export type Destination<T = unknown> = Pid<T> | string | RemoteName | ByKey | Resolvable<T>

/** What a sentence calls it. */
export function describeTarget(to: Target | Destination): string {
  if (typeof to === 'string') return `'${oneLine(to)}'`
  if (to instanceof Pid || resolvePid in to) return `${to}`
  if ('name' in to) return `'${describe(to.name)}' on ${describe(to.node)}`
  return `the owner of key ${describeQuoted(to.key)}`
}
