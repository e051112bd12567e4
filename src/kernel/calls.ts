/**
 * Calls that processes of this node make: each ends exactly once, by the answer, a refusal, the end
 * of the other process, the loss of its node, the deadline or the caller's AbortSignal. A local call
 * allocates its promise and one object; references are made for calls to other nodes only.
 */

import { abortReason, onAbort } from '../base/abort.js'
import { asCitadelError } from '../base/arguments.js'
import { describe } from '../base/describe.js'
import { CitadelError } from '../base/errors.js'
import { CALL_CHAIN } from '../process/call-chain.js'
import { type Destination, describeTarget } from '../process/destination.js'
import { reasonFromWire } from '../process/exit-reason.js'
import { aliasTag, callTerm, parseRequest } from '../process/gen-protocol.js'
import type { CallOptions, Process, ProcessStatus } from '../process/process.js'
import { type Call, PendingCall } from '../process/request.js'
import { ServerProcess } from '../process/server-process.js'
import type { Target } from '../process/signal.js'
import { Pid } from '../term/pid.js'
import type { Ref } from '../term/ref.js'
import { Tuple } from '../term/tuple.js'
import { chainTerm, ringOf } from './call-cycle.js'
import { CallDeadlines } from './call-deadlines.js'
import * as errors from './call-errors.js'
import type { Core } from './core.js'

const TIMEOUT_MS = 5_000
/** Without a set: asked at each local call. */
const mayWait = (status: ProcessStatus): boolean => status === 'parked' || status === 'starting'
const NO_ARGS: readonly unknown[] = []

interface Sent {
  call: PendingCall
  node: string
  target: Target
  /** To other Erlang nodes a call is a monitor as well, as OTP's own are. */
  monitored: boolean
}

export class Calls {
  readonly #core: Core
  readonly #deadlines: CallDeadlines
  readonly #sent = new Map<number | string, Sent>()
  /** The keys of calls under way to each node. */
  readonly #nodes = new Map<string, Set<number | string>>()
  /** Set by the executor below, which therefore needs no closure per call. */
  #resolve: (value: unknown) => void = () => {}
  #reject: (error: unknown) => void = () => {}
  readonly #executor = (resolve: (value: unknown) => void, reject: (error: unknown) => void) => {
    this.#resolve = resolve
    this.#reject = reject
  }

  constructor(core: Core) {
    this.#core = core
    this.#deadlines = new CallDeadlines(core.clock, (call) =>
      this.fail(call, errors.timedOut(call)),
    )
  }

  call(
    owner: Process,
    to: Destination,
    method: unknown,
    args: readonly unknown[],
    options: CallOptions,
  ): Promise<unknown> {
    if (this.#core.isOver(owner)) return Promise.reject(errors.ended(owner === this.#core.root))
    const { timeoutMs = TIMEOUT_MS, signal } = options
    const promise = new Promise<unknown>(this.#executor)
    const call = this.#pending(owner, method, args, timeoutMs)
    owner.outstanding++
    owner.outgoing = call
    const { contexts } = this.#core
    contexts.look(promise)
    if (contexts.inUse) contexts.keep(call)
    try {
      if (timeoutMs !== Number.POSITIVE_INFINITY) this.#addDeadline(call)
      if (signal !== undefined) this.#abortable(call, signal)
      if (!call.answered) this.#dispatch(call, to)
    } catch (error) {
      this.fail(call, asCitadelError(error))
    }
    return promise
  }

  #pending(
    owner: Process,
    method: unknown,
    args: readonly unknown[],
    timeoutMs: number,
  ): PendingCall {
    if (typeof method === 'string') {
      return new PendingCall(method, args, undefined, owner, timeoutMs, this.#resolve, this.#reject)
    }
    const parsed = parseRequest(method)
    const { method: name, args: parts, raw } = parsed
    return new PendingCall(name, parts, raw, owner, timeoutMs, this.#resolve, this.#reject)
  }

  /** Calls to other nodes that are not answered yet. */
  get pending(): number {
    return this.#sent.size
  }

  #addDeadline(call: PendingCall): void {
    if (!(call.timeoutMs >= 0)) {
      const sentence = `timeoutMs is a number of milliseconds, or Infinity, not ${describe(call.timeoutMs)}`
      throw new CitadelError('bad_argument', sentence)
    }
    this.#deadlines.add(call)
  }

  #abortable(call: PendingCall, signal: AbortSignal): void {
    const abort = () => {
      const sentence = `${errors.what(call)} was given up by its caller`
      this.fail(call, new CitadelError('aborted', sentence, { cause: abortReason(signal) }))
    }
    if (signal.aborted) {
      abort()
      return
    }
    whenOver(call, onAbort(signal, abort))
  }

  #dispatch(call: PendingCall, to: Destination): void {
    if (to instanceof Pid) {
      const process = this.#core.table.find(to)
      if (process !== undefined && process.status !== 'moved') {
        this.#toLocal(call, process)
        return
      }
    }
    const route = this.#core.route(to)
    if (route === undefined || 'endpoint' in route) {
      this.fail(call, errors.noSuchProcess(call, describeTarget(to)))
    } else if ('process' in route) this.#toLocal(call, route.process)
    else if ('node' in route) this.#toRemote(call, route.node, route.target)
    else this.#whenKnown(call, to, route.later)
  }

  #whenKnown(call: PendingCall, to: Destination, later: Promise<Pid | undefined>): void {
    const target = describeTarget(to)
    later.then(
      (pid) => {
        if (call.answered || this.#isAbandoned(call)) return
        if (pid === undefined) this.fail(call, errors.noSuchProcess(call, target))
        else this.#dispatch(call, pid)
      },
      (error: unknown) => this.fail(call, asCitadelError(error)),
    )
  }

  #toLocal(call: PendingCall, process: Process): void {
    if (process === call.owner) {
      const sentence = `a process cannot call itself: ${errors.what(call)} would wait for ever`
      this.fail(call, new CitadelError('calling_self', sentence))
      return
    }
    if (this.#core.strict && !(process instanceof ServerProcess && process.passByReference)) {
      call.args = this.#core.codec.copy(call.args) as unknown[]
    }
    // Only what waits itself can close a ring.
    if (mayWait(process.status) && ringOf(call, process) !== undefined) {
      queueMicrotask(() => this.#refuseRing(call, process))
    } else this.#post(call, process)
  }

  /** Asked again when the caller has done what it does at once: it may make other calls as well. */
  #refuseRing(call: PendingCall, process: Process): void {
    if (call.answered || this.#isAbandoned(call)) return
    const ring = ringOf(call, process)
    if (ring !== undefined) this.fail(call, errors.callCycle(call, ring))
    else this.#post(call, process)
  }

  #post(call: PendingCall, process: Process): void {
    call.holder = process
    if (this.#core.post(process, call)) return
    call.holder = undefined
    if (process.ended) this.fail(call, errors.noSuchProcess(call, process.pid.toString()))
    else this.fail(call, errors.overloaded(process))
  }

  #toRemote(call: PendingCall, node: string, target: Target): void {
    const { router } = this.#core
    const kind = router.kind(node)
    if (kind === undefined) {
      this.fail(call, errors.notConnected(node))
      return
    }
    const ref = this.#core.newRef()
    call.ref = ref
    const sent = { call, node, target, monitored: kind === 'beam' }
    this.#remember(this.#core.keyOf(ref), sent)
    if (sent.monitored) router.signal(node, { type: 'monitor', from: call.pid, to: target, ref })
    this.#sendRemote(sent, ref)
  }

  #remember(key: number | string, sent: Sent): void {
    this.#sent.set(key, sent)
    const keys = this.#nodes.get(sent.node)
    if (keys === undefined) this.#nodes.set(sent.node, new Set([key]))
    else keys.add(key)
  }

  /** Above the high mark the call waits for the link, within its deadline. */
  #sendRemote(sent: Sent, ref: Ref): void {
    const { call, node, target } = sent
    const { router } = this.#core
    const chain = router.offers(node, CALL_CHAIN) ? chainTerm(call, ref) : undefined
    const message = callTerm(new Tuple(call.pid, aliasTag(ref)), call, chain)
    if (router.send(call.pid, target, message)) {
      // The link has its own copy.
      call.args = NO_ARGS
      return
    }
    if (router.kind(node) === undefined) {
      this.fail(call, errors.notConnected(node))
      return
    }
    const cancel = router.onceWritable(node, () => {
      if (!call.answered && !this.#isAbandoned(call)) this.#retry(sent, ref)
    })
    whenOver(call, cancel)
  }

  /** Its caller is no more, so that it must not be made. */
  #isAbandoned(call: PendingCall): boolean {
    if (!this.#core.isOver(call.owner as Process)) return false
    this.#end(call)
    return true
  }

  #retry(sent: Sent, ref: Ref): void {
    try {
      this.#sendRemote(sent, ref)
    } catch (error) {
      this.fail(sent.call, asCitadelError(error))
    }
  }

  /**
   * A call that waits for a process which now runs at `to` goes there, by `send`. It is answered as
   * any call to another node, and fails if that node is lost.
   */
  passOn(call: PendingCall, to: Pid, send: (message: unknown) => boolean): void {
    if (call.answered) return
    const ref = this.#core.newRef()
    call.ref = ref
    this.#remember(this.#core.keyOf(ref), { call, node: to.node, target: to, monitored: false })
    try {
      if (send(callTerm(new Tuple(call.pid, aliasTag(ref)), call))) call.args = NO_ARGS
      else this.fail(call, errors.notConnected(to.node))
    } catch (error) {
      this.fail(call, error)
    }
  }

  /** A call that this node makes for somebody else: `done` hears how it ended. */
  inStead(
    call: Call,
    timeoutMs: number,
    done: { resolve(value: unknown): void; reject(error: unknown): void },
  ): PendingCall {
    const { method, args, raw } = call
    const { root } = this.#core
    const made = new PendingCall(method, args, raw, root, timeoutMs, done.resolve, done.reject)
    root.outstanding++
    this.#addDeadline(made)
    return made
  }

  /**
   * A caller, as `{Pid, Tag}`, that a process of another node can answer in the stead of one of this
   * node. `cancel`: it will not.
   */
  answeredFrom(
    node: string,
    done: { resolve(value: unknown): void; reject(error: unknown): void },
  ): { from: Tuple; cancel: () => void } {
    const { root } = this.#core
    const forever = Number.POSITIVE_INFINITY
    const call = new PendingCall(
      undefined,
      NO_ARGS,
      undefined,
      root,
      forever,
      done.resolve,
      done.reject,
    )
    root.outstanding++
    const ref = this.#core.newRef()
    call.ref = ref
    const target = { name: '', node }
    this.#remember(this.#core.keyOf(ref), { call, node, target, monitored: false })
    return { from: new Tuple(root.pid, aliasTag(ref)), cancel: () => void this.#end(call) }
  }

  /** The answer of a process of this node, or of another. */
  succeed(call: PendingCall, value: unknown): void {
    if (this.#end(call)) call.resolve(value)
  }

  fail(call: PendingCall, error: unknown): void {
    if (this.#end(call)) call.reject(error)
  }

  /** False: it was over already, or nobody is left to hear. */
  #end(call: PendingCall): boolean {
    if (call.answered) return false
    call.answered = true
    const owner = call.owner as Process
    owner.outstanding--
    this.#deadlines.remove(call)
    if (call.holder !== undefined) call.holder.forget(call)
    if (call.ref !== undefined) this.#forgetSent(call.ref)
    if (call.cleanUp !== undefined) call.cleanUp()
    return !this.#core.isOver(owner)
  }

  #forgetSent(ref: Ref): void {
    const key = this.#core.keyOf(ref)
    const sent = this.#sent.get(key)
    if (sent === undefined) return
    this.#sent.delete(key)
    this.#nodes.get(sent.node)?.delete(key)
    if (!sent.monitored) return
    const { call, node, target } = sent
    this.#core.router.signal(node, { type: 'demonitor', from: call.pid, to: target, ref })
  }

  /**
   * A reply by a node. False: no call of this start waits for one from there under this reference;
   * docs/decisions/0020-identity.md says why nobody else may answer.
   */
  replied(ref: Ref, value: unknown, by: string): boolean {
    const sent = this.#awaited(ref, by)
    if (sent === undefined) return false
    this.succeed(sent.call, value)
    return true
  }

  /** What waits for an answer under this reference. A process of this node may speak for any. */
  #awaited(ref: Ref, by: string): Sent | undefined {
    const sent = this.#sent.get(this.#core.keyOf(ref))
    return sent?.node === by || by === this.#core.name ? sent : undefined
  }

  /** A node says that there will be no reply. False: no call waits for one from there. */
  heardDown(ref: Ref, reason: unknown, by: string): boolean {
    const sent = this.#awaited(ref, by)
    if (sent === undefined) return false
    sent.monitored = false
    this.fail(sent.call, errors.refusalFromWire(sent.call, reasonFromWire(reason), sent))
    return true
  }

  disconnected(node: string): void {
    const keys = this.#nodes.get(node)
    if (keys === undefined) return
    this.#nodes.delete(node)
    for (const key of keys) {
      const sent = this.#sent.get(key)
      if (sent === undefined) continue
      sent.monitored = false
      this.fail(sent.call, errors.lostUnderWay(sent.call, node))
    }
  }

  /** The node stops: nothing that goes to other nodes will be answered. */
  stop(): void {
    for (const { call } of [...this.#sent.values()]) this.fail(call, errors.ended(true))
    this.#deadlines.stop()
  }
}

function whenOver(call: PendingCall, task: () => void): void {
  const before = call.cleanUp
  call.cleanUp =
    before === undefined
      ? task
      : () => {
          before()
          task()
        }
}
