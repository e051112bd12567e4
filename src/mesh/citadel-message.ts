/**
 * What Citadel nodes say to each other's endpoint `citadel`: capability, status, goodbye and
 * disconnect, as plain maps. What arrives is checked field by field; unknown fields and unknown
 * types are ignored, so that releases can differ. Anything malformed is undefined.
 */

import { isNodeName } from '../base/node-name.js'
import type { Capability, KnownMember } from './capability.js'
import type { MemberId, Opinion } from './opinions.js'

export type CitadelMessage =
  /** The first signal on a connection, and again when the offer or the members changed. */
  | { type: 'capability'; capability: Capability }
  /** Every second: a sign of life, and what the sender cannot reach. */
  | { type: 'status'; opinion: Opinion }
  /** The sender stops: it is dead to the receiver at once. */
  | { type: 'goodbye' }
  /** The sender wants no connection for now; it lives on. */
  | { type: 'disconnect' }

const LIST_MAX = 10_000
const NAME_MAX = 1_000

export function citadelTerm(message: CitadelMessage): Record<string, unknown> {
  switch (message.type) {
    case 'capability':
      return { type: message.type, ...message.capability }
    case 'status':
      return { type: message.type, ...message.opinion }
    default:
      return { type: message.type }
  }
}

export function readCitadelTerm(term: unknown): CitadelMessage | undefined {
  if (!isRecord(term)) return undefined
  switch (term.type) {
    case 'capability': {
      const capability = readCapability(term)
      return capability && { type: 'capability', capability }
    }
    case 'status': {
      const unreachable = list(term.unreachable, readId)
      const agrees = list(term.agrees, readId)
      if (!unreachable || !agrees) return undefined
      const doubt = term.doubting === true ? { doubting: true } : {}
      return { type: 'status', opinion: { unreachable, agrees, ...doubt } }
    }
    case 'goodbye':
    case 'disconnect':
      return { type: term.type }
    default:
      return undefined
  }
}

function readCapability(term: Record<string, unknown>): Capability | undefined {
  const { version, weight = 1 } = term
  const features = list(term.features, readName)
  const modules = list(term.modules, readName)
  const addresses = list(term.addresses, readName)
  const members = list(term.members, readMember)
  if (typeof version !== 'number' || typeof weight !== 'number' || !(weight >= 0)) return undefined
  if (!features || !modules || !addresses || !members) return undefined
  return { version, features, modules, addresses, weight, members }
}

const readName = (item: unknown): string | undefined =>
  typeof item === 'string' && item.length <= NAME_MAX ? item : undefined

function readId(item: unknown): MemberId | undefined {
  if (!isRecord(item)) return undefined
  const { node, creation } = item
  return isNodeName(node) && isCreation(creation) ? { node, creation } : undefined
}

function readMember(item: unknown): KnownMember | undefined {
  const id = readId(item)
  const addresses = id && isRecord(item) ? list(item.addresses, readName) : undefined
  return id && addresses && { ...id, addresses }
}

/** A missing list is empty; one bad item spoils it all. */
function list<T>(items: unknown, read: (item: unknown) => T | undefined): T[] | undefined {
  if (items === undefined) return []
  if (!Array.isArray(items) || items.length > LIST_MAX) return undefined
  const out: T[] = []
  for (const item of items) {
    const value = read(item)
    if (value === undefined) return undefined
    out.push(value)
  }
  return out
}

const isCreation = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32

const isRecord = (term: unknown): term is Record<string, unknown> =>
  typeof term === 'object' && term !== null && !Array.isArray(term)
