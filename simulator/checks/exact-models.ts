/**
 * What the registry and the supervisor are when nothing fails: one key as a register with an owner,
 * one id of a child as a slot. Each operation takes effect at one moment (I21).
 */
import type { Model, Operation } from './linearizability.js'

/** How an operation was refused, and by whom in the way. */
export interface Refused {
  readonly code: string
  readonly pid?: string | undefined
}

export type Outcome = 'done' | Refused

export interface Owner {
  /** The pid, with its creation. */
  readonly pid: string
  readonly node: string
}

export interface Found extends Owner {
  readonly epoch: number
  readonly meta: unknown
}

export type KeyDeed =
  | { readonly kind: 'register' | 'force'; readonly by: Owner; readonly meta: number }
  | { readonly kind: 'unregister' }
  | { readonly kind: 'update'; readonly meta: number }
  | { readonly kind: 'replace'; readonly old: Owner; readonly by: Owner }

export type KeyStep =
  | (KeyDeed & { readonly outcome: Outcome })
  | { readonly kind: 'lookup'; readonly on: string; readonly found: Found | undefined }

interface KeyState {
  readonly owner: Owner | undefined
  readonly meta: number | undefined
  /** Of this owner; undefined: nobody has looked. */
  readonly epoch: number | undefined
  /** Of all owners before it. */
  readonly epochBefore: number
  /** Until when the owner before may go on as if it had the key: it was robbed, and has not heard. */
  readonly robbedUntil: number
}

/** How long it takes until whoever loses a key has heard of it. */
const HEARD_MS = 3

const isRefused = (outcome: Outcome, code: string, pid?: string): boolean =>
  outcome !== 'done' && outcome.code === code && outcome.pid === pid

/** A key of the registry. Metadata and epoch are read where its owner is. */
export const keyModel: Model<KeyState, KeyStep> = {
  initial: { owner: undefined, meta: undefined, epoch: undefined, epochBefore: 0, robbedUntil: 0 },
  step: (state, { call, end, what }) => {
    if (what.kind === 'lookup') return looked(state, what.on, what.found)
    if (what.outcome !== 'done') return refused(state, what, what.outcome) ? [state] : []
    const after = carriedOut(state, what, end)
    const isWrite = what.kind === 'unregister' || what.kind === 'update'
    return isWrite && call <= state.robbedUntil ? [...after, state] : after
  },
  describe: ({ owner, meta, epoch, epochBefore, robbedUntil }) =>
    `${owner?.pid ?? 'nobody'} with ${meta}, epoch ${epoch ?? `after ${epochBefore}`}, robbed until ${robbedUntil}`,
}

/**
 * Who is robbed gives its key up when it hears of it, with a lease before the next one gets it: for a
 * moment others see that nobody has it.
 */
export function isBetweenOwners(
  { call, end, what }: Operation<KeyStep>,
  history: readonly Operation<KeyStep>[],
): boolean {
  const seesNobody =
    what.kind === 'lookup'
      ? what.found === undefined
      : what.outcome !== 'done' && what.outcome.code === 'not_found'
  if (!seesNobody) return false
  return history.some(
    (other) =>
      (other.what.kind === 'force' || other.what.kind === 'replace') &&
      other.call < end &&
      call < other.end + HEARD_MS,
  )
}

function carriedOut(state: KeyState, deed: KeyDeed, end: number): KeyState[] {
  const { owner } = state
  switch (deed.kind) {
    case 'register':
      // Of two that ask for the same process side by side both may be told that it has the key.
      return owner && owner.pid !== deed.by.pid ? [] : [owned(state, deed.by, deed.meta)]
    case 'force':
      return [robbed(owned(state, deed.by, deed.meta), end)]
    case 'unregister':
      return owner ? [owned(state, undefined, undefined)] : []
    case 'update':
      return owner ? [{ ...state, meta: deed.meta }] : []
    case 'replace':
      return owner?.pid === deed.old.pid ? [robbed(owned(state, deed.by, state.meta), end)] : []
  }
}

function owned(state: KeyState, owner: Owner | undefined, meta: number | undefined): KeyState {
  const epochBefore = Math.max(state.epochBefore, state.epoch ?? 0)
  return { ...state, owner, meta, epoch: undefined, epochBefore }
}

const robbed = (state: KeyState, end: number): KeyState => ({
  ...state,
  robbedUntil: end + HEARD_MS,
})

function refused({ owner }: KeyState, deed: KeyDeed, outcome: Refused): boolean {
  if (!owner) return deed.kind !== 'register' && isRefused(outcome, 'not_found')
  if (deed.kind !== 'register' && deed.kind !== 'replace') return false
  if (deed.kind === 'replace' && deed.old.pid === owner.pid) return false
  return isRefused(outcome, 'already_registered', owner.pid)
}

/** On the owner's node it is seen as it is; all others may be behind. */
function looked(state: KeyState, on: string, found: Found | undefined): KeyState[] {
  const { owner, epoch, epochBefore, meta } = state
  if (found?.node !== on && owner?.node !== on) return [state]
  if (found?.pid !== owner?.pid || found?.meta !== meta) return []
  if (!found) return [state]
  if (epoch === undefined ? found.epoch < epochBefore : found.epoch !== epoch) return []
  return [{ ...state, epoch: found.epoch }]
}

export type ChildStep =
  /** `pid`: of the child that it started. */
  | { readonly kind: 'start'; readonly pid?: string | undefined; readonly outcome: Outcome }
  | { readonly kind: 'terminate'; readonly outcome: Outcome }
  | { readonly kind: 'lookup'; readonly on: string; readonly found: Owner | undefined }

interface ChildState {
  /** `somebody`: it was started, and stopped before its start was told. */
  readonly pid: string | undefined
  /** Until when others may say that they have ended what is not there any more. */
  readonly endedUntil: number
}

const SOMEBODY = 'somebody'
const ENDED = 'exited'

/**
 * An id of a supervisor. A start that was cut short by the end of the child is a start and an end;
 * and who asks for the end of what somebody else is just ending has ended it as well.
 */
export const childModel: Model<ChildState, ChildStep> = {
  initial: { pid: undefined, endedUntil: 0 },
  step: (state, operation) => {
    const { what } = operation
    switch (what.kind) {
      case 'start':
        return started(state, what.pid, what.outcome)
      case 'terminate':
        return terminated(state, operation, what.outcome)
      case 'lookup': {
        const { on, found } = what
        return found?.node === on ? seen(state, found.pid) : [state]
      }
    }
  },
  describe: ({ pid, endedUntil }) => `${pid ?? 'nobody'}, ended until ${endedUntil}`,
}

function started(state: ChildState, pid: string | undefined, outcome: Outcome): ChildState[] {
  if (outcome !== 'done' && outcome.code === 'already_started') return seen(state, outcome.pid)
  if (state.pid !== undefined) return []
  if (outcome === 'done') return [{ ...state, pid }]
  return outcome.code === ENDED ? [{ ...state, pid: SOMEBODY }] : []
}

function terminated(
  state: ChildState,
  { call, end }: Operation<ChildStep>,
  outcome: Outcome,
): ChildState[] {
  const { pid, endedUntil } = state
  if (outcome !== 'done') {
    return pid === undefined && outcome.code === 'not_found' ? [state] : []
  }
  if (pid !== undefined) return [{ pid: undefined, endedUntil: end }]
  return call < endedUntil ? [{ ...state, endedUntil: Math.max(endedUntil, end) }] : []
}

/** That process runs. */
function seen(state: ChildState, pid: string | undefined): ChildState[] {
  if (pid === undefined || state.pid === undefined) return []
  if (state.pid === SOMEBODY) return [{ ...state, pid }]
  return state.pid === pid ? [state] : []
}
