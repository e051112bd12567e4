/**
 * Answers to calls that processes of this node took. A local caller gets the value itself, another
 * node the reply term under the tag it sent. A call that gets no answer is refused, so that nobody
 * waits for a deadline in vain. Only the first answer counts.
 */
import { describe, isA } from '../base/describe.js'
import { CitadelError } from '../base/errors.js'
import { Refusal } from '../base/refusal.js'
import { reasonToWire } from '../process/exit-reason.js'
import { aliasOf, refOfTag } from '../process/gen-protocol.js'
import type { Process } from '../process/process.js'
import { Call, type From, PendingCall, RemoteCall } from '../process/request.js'
import { Pid } from '../term/pid.js'
import { Tuple } from '../term/tuple.js'
import {
  cannotRefuse,
  endedBeforeAnswer,
  refusalToWire,
  saidNoToErlang,
  saidNoToWire,
  what,
} from './call-errors.js'
import type { Calls } from './calls.js'
import type { Core } from './core.js'
import { LEASE_LOST } from './fence.js'
import type { Monitors } from './monitors.js'
import { signalWithReason } from './remote-reason.js'

/** Answers to one node that wait until its link takes more; beyond, calls of it are refused. */
const WAITING_MAX = 1_000

export class Answers {
  readonly #core: Core
  readonly #calls: Calls
  readonly #monitors: Monitors
  /** How many answers wait for the link to a node, which may be read by nobody. */
  readonly #waiting = new Map<string, number>()

  constructor(core: Core, calls: Calls, monitors: Monitors) {
    this.#core = core
    this.#calls = calls
    this.#monitors = monitors
  }

  /** `by` whom: an answer that has to wait for its link is refused if its giver is fenced off meanwhile. */
  answer(call: Call, value: unknown, by?: Process): void {
    if (call.answered) return
    if (!(call instanceof PendingCall)) this.#answerRemote(call as RemoteCall, value, by)
    else if (!this.#core.strict) this.#calls.succeed(call, value)
    else this.#answerCopy(call, value)
  }

  /** What cannot cross a wire fails at the caller, as it would across nodes. */
  #answerCopy(call: PendingCall, value: unknown): void {
    try {
      this.#calls.succeed(call, this.#core.codec.copy(value))
    } catch (error) {
      this.#calls.fail(call, error)
    }
  }

  #answerRemote(call: RemoteCall, value: unknown, by: Process | undefined): void {
    try {
      if (!this.#sendReply(call, value, by)) return
    } catch (error) {
      const refusal = asRefusal(error)
      const sentence = `the answer to ${what(call)} by ${call.pid} cannot cross`
      this.#core.log.warn(`${sentence}: ${refusal.message}`)
      this.refuse(call, refusal)
      return
    }
    this.#over(call)
  }

  /** False: the link is above its high mark, and the reply goes when it is not. */
  #sendReply(call: RemoteCall, value: unknown, by: Process | undefined): boolean {
    const { router } = this.#core
    const from = call.holder?.pid ?? this.#core.root.pid
    const alias = aliasOf(call.tag)
    if (call.pid.node === this.#core.name) {
      if (alias !== undefined) this.#calls.replied(alias, value, this.#core.name)
      return true
    }
    const message = new Tuple(call.tag, value)
    const sent =
      alias === undefined
        ? router.send(from, call.pid, message)
        : router.sendToAlias(from, alias, message)
    if (sent || router.kind(call.pid.node) === undefined) return true
    const { node } = call.pid
    const waiting = this.#waiting.get(node) ?? 0
    if (waiting >= WAITING_MAX) {
      this.refuse(call, notRead(node))
      return false
    }
    this.#waiting.set(node, waiting + 1)
    router.onceWritable(node, () => {
      this.#noLongerWaits(node)
      if (by?.isOwner && this.#core.isOver(by)) this.#fail(call, LEASE_LOST)
      else this.answer(call, value, by)
    })
    return false
  }

  #noLongerWaits(node: string): void {
    const waiting = this.#waiting.get(node)! - 1
    if (waiting === 0) this.#waiting.delete(node)
    else this.#waiting.set(node, waiting)
  }

  #over(call: Call): void {
    call.answered = true
    call.holder?.forget(call)
  }

  reply(from: From, value: unknown, by: Process): void {
    this.answer(callOf(from), value, by)
  }

  reject(from: From, error: unknown, by: Process): void {
    const call = callOf(from)
    if (isA(error, Refusal)) this.sayNo(call, error, by)
    else if (isA(error, CitadelError)) this.refuse(call, error)
    else {
      const sentence = `a call is rejected with a Refusal or a CitadelError, not ${describe(error)}`
      throw new CitadelError('bad_argument', sentence)
    }
  }

  /** The caller's promise rejects with the refusal of a handler. */
  sayNo(call: Call, refusal: Refusal, by?: Process): void {
    if (call.answered) return
    const { name, router } = this.#core
    const { node } = call.pid
    if (call instanceof PendingCall) this.#calls.fail(call, this.#copied(refusal))
    else if (node === name || router.kind(node) === 'citadel') {
      this.#sayNoAfar(call as RemoteCall, refusal)
    } else this.#answerRemote(call as RemoteCall, saidNoToErlang(refusal), by)
  }

  #copied(refusal: Refusal): Error {
    if (!this.#core.strict) return refusal
    try {
      const { code, message, details } = refusal
      return new Refusal(code, message, this.#core.codec.copy(details))
    } catch (error) {
      return cannotRefuse(refusal, error)
    }
  }

  #sayNoAfar(call: RemoteCall, refusal: Refusal): void {
    let reason: Tuple
    try {
      reason = saidNoToWire(refusal)
      this.#core.codec.encode(reason)
    } catch (error) {
      reason = refusalToWire(cannotRefuse(refusal, error))
    }
    this.#tellDown(call, reason)
  }

  /** The caller's promise rejects with `error`. */
  refuse(call: Call, error: CitadelError): void {
    if (call.answered) return
    if (call instanceof PendingCall) this.#calls.fail(call, error)
    else this.#tellDown(call as RemoteCall, refusalToWire(error))
  }

  /** How a call ended that was passed on, told to who made it. */
  failed(call: Call, error: unknown): void {
    if (call.answered) return
    if (call instanceof PendingCall) this.#calls.fail(call, error)
    else if (isA(error, Refusal)) this.sayNo(call, error)
    else if (!isA(error, CitadelError)) this.refuse(call, asRefusal(error))
    else if (error.code === 'exited') this.#fail(call, error.reason)
    else if (error.code === 'noproc' || error.code === 'noconnection') this.#fail(call, error.code)
    else this.refuse(call, error)
  }

  /** Nobody is there to take a call of another node. */
  refuseNoProcess(call: RemoteCall): void {
    this.#tellDown(call, reasonToWire('noproc'))
  }

  /** `process` has ended: every call it has not answered hears so. */
  ended(process: Process, reason: unknown): void {
    if (process.current !== undefined) this.#fail(process.current, reason)
    process.current = undefined
    const deferred = process.knownTies?.deferred
    if (deferred !== undefined) for (const call of [...deferred]) this.#fail(call, reason)
    const { mailbox } = process
    if (mailbox === undefined) return
    while (mailbox.size > 0) {
      const item = mailbox.shift()
      if (item instanceof Call) this.#fail(item, reason)
    }
    this.#core.releaseMailbox(process)
  }

  #fail(call: Call, reason: unknown): void {
    if (call.answered) return
    if (call instanceof PendingCall) this.#calls.fail(call, endedBeforeAnswer(call, reason))
    else this.#tellDown(call as RemoteCall, reasonToWire(reason))
  }

  #tellDown(call: RemoteCall, reason: unknown): void {
    this.#over(call)
    const ref = refOfTag(call.tag)
    const { node } = call.pid
    if (ref === undefined) return
    if (node === this.#core.name) {
      this.#calls.heardDown(ref, reason, node)
      return
    }
    // The reference of an Erlang caller is its monitor as well, and fires only once.
    this.#monitors.takenBack(node, ref)
    const from = call.holder?.pid ?? this.#core.root.pid
    signalWithReason(this.#core.router, node, { type: 'down', from, to: call.pid, ref, reason })
  }
}

const notRead = (node: string): CitadelError =>
  new CitadelError(
    'overloaded',
    `${node} does not read the answers that it gets: ${WAITING_MAX} wait for it`,
  )

/** A `From` is the call itself, or the `{Pid, Tag}` that Erlang code hands on. */
function callOf(from: unknown): Call {
  if (from instanceof Call) return from
  if (from instanceof Tuple && from.length === 2 && from.at(0) instanceof Pid) {
    return new RemoteCall(undefined, [], undefined, from.at(0) as Pid, from.at(1))
  }
  throw new CitadelError('bad_argument', 'only the `from` of a call can be answered')
}

/** What the code of a user threw while its value was written. */
function asRefusal(error: unknown): CitadelError {
  if (isA(error, CitadelError)) return error
  const sentence = `the value cannot cross to another node: ${describe(error)}`
  return new CitadelError('unserializable', sentence, { cause: error })
}
