/** The calls that wait for a call, as they cross to another node with it: `[{Pid, Method, Ref}]`, oldest first. */
import { Pid } from '../term/pid.js'
import { Ref } from '../term/ref.js'
import { Tuple } from '../term/tuple.js'

/** Who waits, and for which message that it has sent. */
export interface ChainLink {
  readonly pid: Pid
  readonly method: string
}

export interface RemoteLink extends ChainLink {
  readonly ref: Ref
}

/** The most calls that a chain names; longer ones are cut at their beginning. */
export const CHAIN_MAX = 16
/** The feature of nodes that take a chain with a call. */
export const CALL_CHAIN = 'call_chain'
const TEXT_MAX = 100

export const nameOf = ({ method }: { readonly method: string | undefined }): string =>
  method?.slice(0, TEXT_MAX) ?? 'a request'

export const linksToTerm = (links: readonly RemoteLink[]): Tuple[] =>
  links.slice(-CHAIN_MAX).map(({ pid, method, ref }) => new Tuple(pid, method, ref))

/** A chain as it came; one that is malformed is none. */
export function readChain(term: unknown): readonly RemoteLink[] | undefined {
  if (!Array.isArray(term) || term.length > CHAIN_MAX) return undefined
  const links: RemoteLink[] = []
  for (const item of term as unknown[]) {
    if (!(item instanceof Tuple) || item.length !== 3) return undefined
    const [pid, method, ref] = item.elements
    if (!(pid instanceof Pid) || typeof method !== 'string' || !(ref instanceof Ref))
      return undefined
    links.push({ pid, method: method.slice(0, TEXT_MAX), ref })
  }
  return links
}

/** What an error says of a ring: `[{Pid, Method}]`. */
export function readLinks(term: unknown): readonly ChainLink[] | undefined {
  if (!Array.isArray(term) || term.length > 2 * CHAIN_MAX) return undefined
  const links: ChainLink[] = []
  for (const item of term as unknown[]) {
    if (!(item instanceof Tuple)) return undefined
    const [pid, method] = item.elements
    if (!(pid instanceof Pid) || typeof method !== 'string') return undefined
    links.push({ pid, method: method.slice(0, TEXT_MAX) })
  }
  return links
}
