/** The errors that end a call, each with the sentence that says what happened and what to do. */
import { describe, fieldOf, messageOf, oneLine } from '../base/describe.js'
import { CitadelError, type ErrorCode } from '../base/errors.js'
import { isCode, Refusal } from '../base/refusal.js'
import { type ChainLink, readLinks } from '../process/call-chain.js'
import { describeTarget } from '../process/destination.js'
import { describeReason, reasonToWire } from '../process/exit-reason.js'
import type { Call, CallOwner, Envelope, PendingCall } from '../process/request.js'
import type { Target } from '../process/signal.js'
import { Atom } from '../term/atom.js'
import { Pid } from '../term/pid.js'
import { Tuple } from '../term/tuple.js'

const SENTENCE_MAX = 1_500
const REFUSED = new Atom('refused')
const SAID_NO = new Atom('citadel_refusal')

export const what = (call: Envelope): string =>
  call.method === undefined ? 'the call' : `the call of '${oneLine(call.method)}'`

export const timedOut = (call: PendingCall): CitadelError =>
  new CitadelError(
    'timeout',
    `${what(call)} had no answer within ${Math.round(call.timeoutMs)} ms; the other side may still do the work`,
  )

export const noSuchProcess = (call: PendingCall, target: string): CitadelError =>
  new CitadelError(
    'noproc',
    `${what(call)} reached nobody: ${target} is no living process; look it up again, or start it`,
  )

export const notConnected = (node: string): CitadelError =>
  new CitadelError('noconnection', `${node} is not connected: connect to it, or wait for it`)

export const overloaded = ({ pid }: CallOwner): CitadelError =>
  new CitadelError('overloaded', `the mailbox of ${pid} is full: slow down and try again`)

/** Erlang's `gen_server:stop` and `sys` wait for ever if nobody answers. */
export const noSystemMessages = ({ pid }: CallOwner): CitadelError =>
  new CitadelError(
    'undefined_method',
    `${pid} takes no system messages (sys, gen_server:stop): end it with exit/2`,
  )

/** Its node is lost while it is under way, so nobody knows. */
export const lostUnderWay = (call: PendingCall, node: string): CitadelError =>
  new CitadelError(
    'noconnection',
    `${what(call)} may have been carried out: the connection to ${node} was lost before its answer came`,
  )

/** A call that would wait for itself. */
export function callCycle(call: Call, chain: readonly ChainLink[]): CitadelError {
  const ring = chain
    .map(({ pid, method }) => `${describe(`${pid}`, 100)} calls '${method}'`)
    .join(', ')
  const sentence =
    `${what(call)} would wait for itself: ${ring}, and so round. A server handles one message at a ` +
    'time: cast, or return noReply and reply later'
  return new CitadelError('call_cycle', oneLine(sentence, SENTENCE_MAX), { chain })
}

/** Of a verb used by a process that is no more: code that outlived its process. */
export const ended = (isRoot: boolean): CitadelError =>
  isRoot
    ? new CitadelError('stopped', 'the node has stopped')
    : new CitadelError('noproc', 'this process has ended')

/** The process ended before it answered, by a reason that came over the wire or not. */
export function endedBeforeAnswer(call: PendingCall, reason: unknown): CitadelError {
  const sentence = `${what(call)} was not answered: the process ended (${describeReason(reason)})`
  return new CitadelError('exited', sentence, { reason })
}

/** A refusal is an exit reason of its own shape, so that it cannot be taken for the end of a process. */
export function refusalToWire({ code, message, pid, chain }: CitadelError): Tuple {
  const head = [REFUSED, new Atom(code), message] as const
  if (chain !== undefined) {
    const links = (chain as readonly ChainLink[]).map((link) => new Tuple(link.pid, link.method))
    return new Tuple(...head, null, links)
  }
  return pid instanceof Pid ? new Tuple(...head, pid) : new Tuple(...head)
}

/**
 * What a handler throws, as an exit reason of a shape of its own.
 * @throws CitadelError `bad_argument` when somebody has changed its code into what is none.
 */
export function saidNoToWire(refusal: Refusal): Tuple {
  const { code, message, details } = new Refusal(refusal.code, refusal.message, refusal.details)
  return new Tuple(SAID_NO, code, message, details)
}

/** The same as the answer to a call of Erlang code: `{error, {Code, Message, Details}}`. */
export function saidNoToErlang({ code, message, details }: Refusal): Tuple {
  return new Tuple(new Atom('error'), new Tuple(reasonToWire(code), message, details))
}

/** The details of a refusal cannot cross to the caller. */
export function cannotRefuse(refusal: Refusal, error: unknown): CitadelError {
  const code = describe(fieldOf(refusal, 'code'))
  const sentence = `the call was refused (${code}), and the details cannot cross: ${messageOf(error)}`
  return new CitadelError('unserializable', sentence, { cause: error })
}

/** What another node's `down` for one of our calls means. */
export function refusalFromWire(
  call: PendingCall,
  reason: unknown,
  { node, target }: { readonly node: string; readonly target: Target },
): CitadelError | Refusal {
  if (reason === 'noproc') return noSuchProcess(call, describeTarget(target))
  if (reason === 'noconnection') return lostUnderWay(call, node)
  return refused(reason) ?? saidNo(reason) ?? endedBeforeAnswer(call, reason)
}

function refused(reason: unknown): CitadelError | undefined {
  if (!(reason instanceof Tuple) || reason.at(0) !== REFUSED) return undefined
  const [, code, message, pid, links] = reason.elements
  if (!(code instanceof Atom) || typeof message !== 'string') return undefined
  const chain = readLinks(links)
  if (chain !== undefined) return new CitadelError(code.name as ErrorCode, message, { chain })
  return new CitadelError(code.name as ErrorCode, message, pid instanceof Pid ? { pid } : {})
}

function saidNo(reason: unknown): Refusal | undefined {
  if (!(reason instanceof Tuple) || reason.at(0) !== SAID_NO) return undefined
  const [, code, message, details] = reason.elements
  if (typeof code !== 'string' || !isCode(code) || typeof message !== 'string') return undefined
  return new Refusal(code, message, details)
}
