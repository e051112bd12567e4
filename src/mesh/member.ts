/** What a node holds of one other Citadel node. */
import type { Capability } from './capability.js'

/** `heard of`: another member named it; it was not reached yet. */
export type MemberStatus = 'connected' | 'unreachable' | 'dead' | 'heard of'

export interface Member {
  readonly node: string
  creation: number
  status: MemberStatus
  capability: Capability | undefined
  addresses: readonly string[]
  /** When the last byte of it came, or when it was first heard of. */
  heardAt: number
  dialling: boolean
  redialAt: number
  /** Failed since it was lost. */
  failures: number
  /** Rounds that this node has gone through, without doubt, since it was lost. */
  rounds: number
  /** When its present or last connection came up. */
  upAt: number
  /** Connections in a row that broke as soon as they were up. */
  stillborn: number
}

/** One that was not reached yet. */
export const heardOf = (node: string, creation: number, now: number): Member => ({
  node,
  creation,
  status: 'heard of',
  capability: undefined,
  addresses: [],
  heardAt: now,
  dialling: false,
  redialAt: now,
  failures: 0,
  rounds: 0,
  upAt: now,
  stillborn: 0,
})

/** Up or unreachable. */
export const isMember = (member: Member): boolean =>
  member.status === 'connected' || member.status === 'unreachable'

export const sameOffer = (a: Capability, b: Capability): boolean =>
  a.version === b.version &&
  a.weight === b.weight &&
  sameList(a.features, b.features) &&
  sameList(a.modules, b.modules) &&
  sameList(a.addresses, b.addresses)

const sameList = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((item, index) => item === b[index])
