/**
 * The terms of OTP's gen_server protocol and our requests, both ways. A request by method is the
 * bare atom, or a tuple of the atom and the arguments; a request tag is opaque and echoed whole.
 */
import { Atom } from '../term/atom.js'
import { ImproperList } from '../term/improper-list.js'
import { Pid } from '../term/pid.js'
import { Ref } from '../term/ref.js'
import { Tuple } from '../term/tuple.js'
import { readChain } from './call-chain.js'
import { Cast, type Envelope, RemoteCall } from './request.js'

const GEN_CALL = new Atom('$gen_call')
const GEN_CAST = new Atom('$gen_cast')
const SYSTEM = new Atom('system')
const ALIAS = new Atom('alias')
const NO_ARGS: readonly unknown[] = []

export interface Request {
  method: string | undefined
  args: readonly unknown[]
  raw: unknown
}

/** `{add, 3}` is method `add` with `[3]`; anything but an atom or a tuple that starts with one is raw. */
export function parseRequest(term: unknown): Request {
  if (term instanceof Atom) return { method: term.name, args: NO_ARGS, raw: undefined }
  if (term instanceof Tuple) {
    const head = term.elements[0]
    if (head instanceof Atom) {
      return { method: head.name, args: term.elements.slice(1), raw: undefined }
    }
  }
  return { method: undefined, args: NO_ARGS, raw: term }
}

export function requestTerm(request: Request | Envelope): unknown {
  if (request.method === undefined) return request.raw
  const name = new Atom(request.method)
  return request.args.length === 0 ? name : new Tuple(name, ...request.args)
}

/** `chain` only to nodes that take one. */
export function callTerm(from: unknown, request: Request | Envelope, chain?: unknown): Tuple {
  const term = requestTerm(request)
  return chain === undefined
    ? new Tuple(GEN_CALL, from, term)
    : new Tuple(GEN_CALL, from, term, chain)
}

export function castTerm(request: Request | Envelope): Tuple {
  return new Tuple(GEN_CAST, requestTerm(request))
}

/** The tag under which a call of ours asks to be answered. */
export function aliasTag(ref: Ref): ImproperList {
  return new ImproperList([ALIAS], ref)
}

/** The alias in a tag `[alias | Ref]`. */
export function aliasOf(tag: unknown): Ref | undefined {
  if (!(tag instanceof ImproperList) || !(tag.tail instanceof Ref)) return undefined
  return tag.elements.length === 1 && tag.elements[0] === ALIAS ? tag.tail : undefined
}

/** The caller that `{Pid, [alias|Ref]}` means, as a process gets it that is to answer. */
export function fromOfTerm(term: unknown): RemoteCall | undefined {
  if (!(term instanceof Tuple) || term.length !== 2) return undefined
  const pid = term.at(0)
  if (!(pid instanceof Pid) || aliasOf(term.at(1)) === undefined) return undefined
  return new RemoteCall(undefined, NO_ARGS, undefined, pid, term.at(1))
}

/** The reference in any tag that has one: how a refused call is told to its caller. */
export function refOfTag(tag: unknown): Ref | undefined {
  return tag instanceof Ref ? tag : aliasOf(tag)
}

/** A message from the mesh as a request, or undefined when it is an ordinary message. */
export function requestFromWire(message: unknown): RemoteCall | Cast | undefined {
  if (!(message instanceof Tuple)) return undefined
  const { elements } = message
  if (elements[0] === GEN_CALL && isCall(elements)) return callFromWire(elements)
  if (elements[0] !== GEN_CAST || elements.length !== 2) return undefined
  const { method, args, raw } = parseRequest(elements[1])
  return new Cast(method, args, raw)
}

/** The fourth is the chain of calls that wait for it. */
const isCall = (elements: readonly unknown[]): boolean =>
  elements.length === 3 || (elements.length === 4 && Array.isArray(elements[3]))

/** What OTP's `sys` asks of a process (`gen_server:stop`, `sys:get_state`): a call in another guise. */
export function systemCallFromWire(message: unknown): RemoteCall | undefined {
  if (!(message instanceof Tuple) || message.length !== 3) return undefined
  return message.elements[0] === SYSTEM ? callFromWire(message.elements) : undefined
}

function callFromWire(elements: readonly unknown[]): RemoteCall | undefined {
  const from = elements[1]
  if (!(from instanceof Tuple) || from.length !== 2) return undefined
  const pid = from.at(0)
  if (!(pid instanceof Pid)) return undefined
  const { method, args, raw } = parseRequest(elements[2])
  return new RemoteCall(method, args, raw, pid, from.at(1), readChain(elements[3]))
}

/** The reference and value of `{[alias|Ref], Value}` or `{Ref, Value}`. */
export function replyFromWire(message: unknown): { ref: Ref; value: unknown } | undefined {
  if (!(message instanceof Tuple) || message.length !== 2) return undefined
  const ref = refOfTag(message.at(0))
  return ref && { ref, value: message.at(1) }
}
