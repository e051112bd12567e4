/**
 * Types that make `call(pid, 'addXp', 5)` checked: which names of a class are messages, what they
 * take and what the caller gets. A destination of unknown class takes any name and gives `unknown`.
 */
import type { noReply } from './request.js'

/** What every server instance has; the class itself is in gen-server.ts. */
export interface ServerShape {
  trapExit: boolean
  readonly signal: AbortSignal
}

export type ServerClass<T = unknown> = new () => T

/** Names with a meaning of their own; the same list as `NOT_MESSAGES` in method-table.ts. */
type Lifecycle =
  | 'init'
  | 'terminate'
  | 'handleInfo'
  | 'handleCall'
  | 'handleCast'
  | 'handoff'
  | 'takeover'
  | 'handoffAborted'
  | 'mergeConflict'
  | 'then'
  | 'self'
  | 'citadel'
  | 'from'
  | keyof ServerShape
  | `_${string}`

type Methods<T> = {
  [K in keyof T & string]: T[K] extends (...args: never[]) => unknown
    ? K extends Lifecycle
      ? never
      : K
    : never
}[keyof T & string]

export type MethodName<T> = unknown extends T ? string : Methods<T>

export type MethodArgs<T, M> = unknown extends T
  ? unknown[]
  : M extends keyof T
    ? T[M] extends (...args: infer A) => unknown
      ? A
      : never
    : never

/** What the caller of `M` gets: the awaited result. A method that only replies later gives `unknown`. */
export type MethodResult<T, M> = unknown extends T
  ? unknown
  : M extends keyof T
    ? T[M] extends (...args: never[]) => infer R
      ? Replied<Exclude<Awaited<R>, typeof noReply>>
      : never
    : never

type Replied<R> = [R] extends [never] ? unknown : R

export type InitArgs<T> = T extends { init(...args: infer A): unknown } ? A : []
