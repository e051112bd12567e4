/** What `call`, `cast`, `send` and `monitor` accept as the other side. */
import type { Pid } from '../term/pid.js'
import type { RemoteName } from './signal.js'

/** The method by which a handle (of a supervised child, for example) says which process it means now. */
export const resolvePid: unique symbol = Symbol('citadel.resolvePid')

export interface Resolvable<T = unknown> {
  /** Undefined: none at this moment. */
  [resolvePid](): Pid<T> | undefined | Promise<Pid<T> | undefined>
}

/** The process registered under a key of the cluster's registry. */
export interface ByKey {
  readonly key: unknown
}

export type Destination<T = unknown> = Pid<T> | string | RemoteName | ByKey | Resolvable<T>
