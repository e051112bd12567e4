/** What is to be done about one key in etcd: claiming it, letting it go, giving it back. */
import type { Pid } from '../../term/pid.js'
import type { Claiming } from './arbiter.js'
import type { Found, Operation } from './etcd-operations.js'

export interface KeyWork {
  readonly name: string
  /** Of the key in etcd, as base64, as all values here. */
  readonly key: string
}

/** A claim that is being asked for. */
export interface Attempt extends KeyWork {
  readonly type: 'claim'
  readonly claim: Claiming
  readonly value: string
  /** What it may write over, besides nothing. */
  over: Found | undefined
  /** Since when etcd has not said anything about it. */
  since: number
  /** Since when etcd names an owner that this node does not know. */
  doubtSince: number | undefined
  doubted: Pid | undefined
  retryAt: number
  tries: number
  /** It may have been written. */
  isAsked: boolean
  /** It may have been, under a lease that has ended here and perhaps not yet there. */
  mayStand: boolean
  /** Whoever wanted it has an answer. */
  isOver: boolean
  /** The lease of the owner in its way. */
  blockedBy: string | undefined
}

/** The key is not wanted any more. */
export interface Drop extends KeyWork {
  readonly type: 'drop'
  readonly operation: Operation
  /** The claim of this node that is gone; undefined: it was never written into the table. */
  readonly gone: { readonly scope: string; readonly id: string; readonly epoch: number } | undefined
  retryAt: number
  tries: number
}

/** A claim over another one was of no use: that one gets its key back. */
export interface Restore extends KeyWork {
  readonly type: 'restore'
  readonly value: string
  readonly before: Found
}

export type Work = Attempt | Drop | Restore

/** Deletes the key while it has that value. */
export const dropOf = ({ name, key, value }: KeyWork & { readonly value: string }): Drop => ({
  type: 'drop',
  name,
  key,
  operation: { type: 'delete', key, value },
  gone: undefined,
  retryAt: 0,
  tries: 0,
})

export function operationOf(work: Work): Operation {
  if (work.type === 'drop') return work.operation
  const { key, value } = work
  return { type: 'put', key, value, over: work.type === 'claim' ? (work.over?.revision ?? 0) : 0 }
}
