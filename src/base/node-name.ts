/**
 * Node names: `name@host`, as Erlang has them. The name is what EPMD knows, the host is where the
 * node is dialled. What comes out of `parseNodeName` is safe to put in a frame, a log or a key.
 */
import { describe } from './describe.js'
import { CitadelError } from './errors.js'

export interface NodeName {
  /** The whole: `n1@127.0.0.1`. */
  readonly full: string
  /** The part before the `@`. */
  readonly name: string
  readonly host: string
}

/** Longer names are no atoms in Erlang. */
const LENGTH_MAX = 255
const NAME = /^[0-9A-Za-z_-]+$/
/** DNS names, IPv4 and IPv6 addresses. */
const HOST = /^[0-9A-Za-z._:-]+$/

/** Shows a name in an error without letting it break the line or flood it. */
const quoted = (text: string): string => JSON.stringify(text.slice(0, 64))

/** What is wrong with a node name, as the end of a sentence; undefined when it is valid. */
function fault(text: unknown): string | undefined {
  if (typeof text !== 'string') return 'is not a string'
  if (text.length > LENGTH_MAX) return `is longer than ${LENGTH_MAX} characters`
  const parts = text.split('@')
  if (parts.length === 1) return 'has no host'
  if (parts.length > 2) return 'has more than one @'
  if (!NAME.test(parts[0]!)) return 'must have letters, digits, _ or - before the @'
  return HOST.test(parts[1]!) ? undefined : 'must have a host name or address after the @'
}

export const isNodeName = (text: unknown): text is string => fault(text) === undefined

/** Splits a node name, or throws `bad_argument` with an example of a valid one. */
export function parseNodeName(text: string): NodeName {
  const problem = fault(text)
  if (problem !== undefined) {
    throw new CitadelError(
      'bad_argument',
      `the node name ${quoted(describe(text))} ${problem}: write it as name@host, for example ` +
        'n1@127.0.0.1',
    )
  }
  const at = text.indexOf('@')
  return { full: text, name: text.slice(0, at), host: text.slice(at + 1) }
}
