/**
 * Runs a GenServer: one message at a time, synchronous handlers without a promise, and only a
 * returned thenable parks the process. An error in a handler ends this process and nothing else.
 */
import { describe, isA } from '../base/describe.js'
import { CitadelError } from '../base/errors.js'
import { logFailure } from '../base/guard.js'
import { Refusal } from '../base/refusal.js'
import type { Pid } from '../term/pid.js'
import { fromOfTerm, refOfTag, requestTerm } from './gen-protocol.js'
import { attach, GenServer } from './gen-server.js'
import { isEnvelope, isExit, isMarker, isMerge } from './item-kinds.js'
import type { Merge } from './merge.js'
import { type Method, type MethodTable, noSuchMessage } from './method-table.js'
import { type Detour, type Host, isThenable, Process } from './process.js'
import { replaceParts } from './replace-parts.js'
import { Call, type Cast, type Envelope, noReply } from './request.js'
import { MESSAGES_PER_TURN } from './scheduler.js'

const HELD: ReadonlySet<string> = new Set(['held', 'moved', 'stopping'])

const noTakeover = (kind: string): CitadelError =>
  new CitadelError('bad_argument', `${kind} has a handoff() and no takeover(state): give it one`)

interface Lifecycle {
  init?(...args: unknown[]): unknown
  terminate?(reason: unknown): unknown
  handleInfo?(message: unknown): unknown
  handoff?(): unknown
  takeover?(state: unknown): unknown
  handoffAborted?(): unknown
  mergeConflict?(state: unknown): unknown
  handleCall(request: unknown, from: Call): unknown
  handleCast(request: unknown): unknown
}

export interface Birth {
  readonly module: new () => GenServer
  readonly args: readonly unknown[]
  /** It comes from another node: it takes over this state, if there is one, and is held. */
  readonly arrival?: { readonly state: unknown; readonly from: Pid }
}

/** Who waits for the process to be quiet, and for its state. */
export interface Holder {
  resolve(state: unknown): void
  reject(error: unknown): void
}

/** In the mailbox of nobody: the turn in which a process hears that it does not move after all. */
const aborted = Symbol('handoffAborted')

/** The method that had it; nothing for a request that names none. */
function handlerOf(item: unknown): string {
  if (isEnvelope(item)) return item.method ?? ''
  if (item === aborted) return 'handoffAborted'
  return isMerge(item) ? 'mergeConflict' : 'handleInfo'
}

/** Made once for a process that ever parks, so that parking makes no closures. */
interface Wakers {
  done(result: unknown): void
  failed(error: unknown): void
}

export class ServerProcess extends Process {
  readonly #table: MethodTable
  #server: GenServer | undefined = undefined
  #wakers: Wakers | undefined = undefined
  /** The constructor and its arguments until it has begun. */
  #birth: Birth | undefined
  #holder: Holder | undefined = undefined
  #hearsAborted = false
  /** What its handler waits with. */
  #parked: unknown = undefined
  /** Being heard just now. */
  #merge: Merge | undefined = undefined
  /** Who waits for an answer of the process that it takes over from. */
  #callers: ReadonlyMap<string, Call> | undefined = undefined
  /** Whom it takes over from, until it handles messages. */
  predecessor: Pid | undefined = undefined

  constructor(host: Host, pid: Pid, table: MethodTable, birth: Birth) {
    super(host, pid)
    this.#table = table
    this.#birth = birth
    this.predecessor = birth.arrival?.from
  }

  get kind(): string {
    return this.#table.className
  }

  get passByReference(): boolean {
    return this.#table.passByReference
  }

  turn(): number {
    if (this.isOwner && this.host.isOver(this)) return 0
    if (this.status === 'starting') return this.#begin()
    if (this.status === 'stopping') return this.#terminate(this.leaving?.reason)
    if (this.status === 'held') return this.#handOff()
    if (this.status === 'moved') return this.#passOn()
    if (this.#hearsAborted && this.status === 'ready') {
      this.#hearsAborted = false
      this.#take(aborted)
      if (this.isOwner) return 1
    }
    // An owner is asked for its lease before each message.
    const most = this.isOwner ? 1 : MESSAGES_PER_TURN
    let taken = 0
    while (taken < most && this.status === 'ready' && this.mailbox !== undefined) {
      if (this.mailbox.size === 0) break
      taken++
      this.#take(this.mailbox.shift())
    }
    if (this.mailbox?.size === 0) this.host.releaseMailbox(this)
    return taken
  }

  #take(item: unknown): void {
    this.status = 'running'
    this.outgoing = undefined
    let result: unknown
    try {
      if (isEnvelope(item)) result = this.#inContext(item)
      else if (item === aborted) result = (this.#server as unknown as Lifecycle).handoffAborted?.()
      else if (isMerge(item)) result = this.#mergeConflict(item)
      else result = this.#info(item)
      if (isThenable(result)) {
        this.#park(result, item)
        return
      }
    } catch (error) {
      this.#crashed(error, item)
      return
    }
    this.#handled(result)
  }

  /** Of its caller, if that is of this node and has one. Else no handler shares one with another. */
  #inContext(envelope: Envelope): unknown {
    const { contexts } = this.host
    if (!contexts.inUse) return this.#request(envelope)
    const context = envelope.context ?? contexts.ofStart()
    return context.runInAsyncScope(this.#request, this, envelope)
  }

  #request(envelope: Envelope): unknown {
    if (!(envelope instanceof Call)) return this.#cast(envelope)
    this.current = envelope
    const server = this.#server as unknown as Lifecycle
    if (this.#table.handlesCall) return server.handleCall(requestTerm(envelope), envelope)
    const method = this.#methodOf(envelope)
    if (method !== undefined) return method.apply(server, envelope.args as unknown[])
    this.current = undefined
    this.host.refuse(envelope, noSuchMessage(this.#table, envelope.method))
    return undefined
  }

  #cast(cast: Cast): unknown {
    const server = this.#server as unknown as Lifecycle
    if (this.#table.handlesCast) return server.handleCast(requestTerm(cast))
    const method = this.#methodOf(cast)
    if (method !== undefined) return method.apply(server, cast.args as unknown[])
    this.host.notices.note('unknownCast', this, cast.method ?? cast.raw)
    return undefined
  }

  #info(message: unknown): unknown {
    if (isMarker(message)) return undefined
    if (isExit(message) && this.parent?.equals(message.pid) === true) {
      this.leaving = { reason: message.reason, byItself: false }
      return undefined
    }
    const server = this.#server as unknown as Lifecycle
    if (server.handleInfo !== undefined) return server.handleInfo(message)
    this.host.notices.note('unexpectedMessage', this, message)
    return undefined
  }

  #mergeConflict(merge: Merge): unknown {
    const server = this.#server as unknown as Lifecycle
    if (server.mergeConflict === undefined) {
      const sentence = `${this.kind} has no mergeConflict(state): give it one on all nodes`
      merge.failed(new CitadelError('undefined_method', sentence))
      return undefined
    }
    this.#merge = merge
    merge.taken()
    return server.mergeConflict(merge.state)
  }

  #methodOf(envelope: Envelope): Method | undefined {
    return envelope.method === undefined ? undefined : this.#table.methods.get(envelope.method)
  }

  /** A handler returned, or its promise was fulfilled. */
  #handled(result: unknown): void {
    const call = this.current
    if (call !== undefined) {
      // The answer may be late. Who waits for it is told by the end.
      if (this.isOwner && this.host.isOver(this)) return
      this.current = undefined
      if (result !== noReply) this.host.answer(call, result, this)
      else if (!call.answered && !this.ended) this.hold(call)
    }
    this.#merge?.done()
    this.#merge = undefined
    if (this.ended) return
    this.status = 'ready'
    if (this.leaving !== undefined) this.#terminate(this.leaving.reason)
    else if (this.#holder !== undefined) this.#quiet()
  }

  // Moving to another node, and coming from one.

  /**
   * Lets the present handler end, takes no message from then on, and hands what `handoff()` gives to
   * the holder. False: it is held already, or ends.
   */
  holdStill(holder: Holder): boolean {
    if (this.#holder !== undefined || this.leaving !== undefined) return false
    if (this.ended || HELD.has(this.status)) return false
    this.#holder = holder
    // One that does not move after all hears of that before it is asked again.
    if (this.status === 'ready' && !this.#hearsAborted) this.#quiet()
    return true
  }

  /** `handoff` runs in its own turn: the code of a process never runs inside another's handler. */
  #quiet(): void {
    this.status = 'held'
    this.host.enqueue(this)
  }

  #handOff(): number {
    const holder = this.#holder
    if (holder === undefined) return 0
    this.#holder = undefined
    const server = this.#server as unknown as Lifecycle
    try {
      const resolve = (state: unknown): void => {
        if (!this.host.isOver(this)) holder.resolve(state)
      }
      const state = server.handoff?.()
      if (isThenable(state)) state.then(resolve, holder.reject)
      else resolve(state)
    } catch (error) {
      holder.reject(error)
    }
    return 1
  }

  /** It stays, or it has come and may begin. `wasAsked`: its `handoff` has given a state. */
  letGo(wasAsked: boolean): void {
    this.#holder = undefined
    if (this.status !== 'held') return
    this.status = 'ready'
    this.predecessor = undefined
    // From now on they are its own: they are told if it ends, and waited for if it moves on.
    for (const call of this.#callers?.values() ?? []) if (!call.answered) this.hold(call)
    this.#callers = undefined
    this.#hearsAborted =
      wasAsked && (this.#server as unknown as Lifecycle).handoffAborted !== undefined
    if (this.#hearsAborted || this.mailbox !== undefined) this.host.enqueue(this)
  }

  /** It runs elsewhere: `detour` passes on what comes, and this instance is told to clean up. */
  moveAway(detour: Detour, reason: unknown): void {
    this.status = 'moved'
    this.detour = detour
    this.abort()
    const server = this.#server as unknown as Lifecycle
    this.#server = undefined
    // Not in a turn of its own: those belong to the messages now. No handler of it is on the stack.
    Promise.resolve(reason)
      .then((moved) => server.terminate?.(moved))
      .catch((error: unknown) => this.#terminateFailed(error))
    if (this.mailbox !== undefined) this.host.enqueue(this)
  }

  /** Passes on a part of what waits. */
  #passOn(): number {
    let taken = 0
    while (taken < MESSAGES_PER_TURN && this.mailbox !== undefined && this.mailbox.size > 0) {
      taken++
      this.detour?.pass?.(this.mailbox.shift())
    }
    if (this.mailbox?.size === 0) this.host.releaseMailbox(this)
    return taken
  }

  #park(promise: PromiseLike<unknown>, item: unknown): void {
    if (this.host.isOver(this)) {
      promise.then(undefined, (error: unknown) => this.#failedLate(error))
      return
    }
    this.status = 'parked'
    this.#parked = item
    this.#wakers ??= {
      done: (result) => this.#woken(result),
      failed: (error) => this.#wokenByError(error),
    }
    // What is no promise of Node.js may resolve with another that is none, or call back twice.
    Promise.resolve(promise).then(this.#wakers.done, this.#wakers.failed)
    if (this.leaving?.byItself === false) this.stop(this.leaving.reason)
  }

  #woken(result: unknown): void {
    if (this.status !== 'parked') return
    this.#parked = undefined
    this.#handled(result)
    if (this.runnable) this.host.enqueue(this)
  }

  #wokenByError(error: unknown): void {
    if (this.status !== 'parked') {
      this.#failedLate(error)
      return
    }
    this.#crashed(error, this.#parked)
    if (this.runnable) this.host.enqueue(this)
  }

  /** An error of a handler, or of its promise. */
  #crashed(error: unknown, item: unknown): void {
    if (this.host.isOver(this)) {
      this.#failedLate(error)
      return
    }
    if (isA(error, Refusal) && this.#merge === undefined) {
      this.#saidNo(error)
      return
    }
    const where = handlerOf(item)
    logFailure(this.host.log, `${this.pid} ${this.kind}${where && `.${where}`}`, error)
    this.#terminate({ error })
  }

  /** The handler is done: its caller hears the refusal. Of a cast or a message nobody waits for one. */
  #saidNo(refusal: Refusal): void {
    const { current } = this
    if (current !== undefined) this.host.sayNo(current, refusal, this)
    else
      this.host.log.debug(
        `${this.pid} ${this.kind} refused what has no caller: ${describe(refusal)}`,
      )
    this.#handled(noReply)
  }

  /** The handler of a process that has ended: nobody waits for it, but it must not go unseen. */
  #failedLate(error: unknown): void {
    this.host.notices.note('lateFailure', this, error)
  }

  #begin(): number {
    const { module, args } = this.#birth!
    try {
      const server = new module()
      GenServer[attach](server, this)
      this.#server = server
      const started = (server as unknown as Lifecycle).init?.(...args)
      if (isThenable(started)) {
        this.host.slowStarts.add(this)
        started.then(
          () => this.#initialized(),
          (error: unknown) => this.#initFailed(error),
        )
      } else this.#initialized()
    } catch (error) {
      this.#initFailed(error)
    }
    return 1
  }

  #initialized(): void {
    this.host.slowStarts.remove(this)
    const arrival = this.#birth?.arrival
    this.#birth = undefined
    if (this.ended) return
    if (arrival === undefined) this.#begun('ready')
    else this.#takeOver(arrival.state)
  }

  #takeOver(state: unknown): void {
    const server = this.#server as unknown as Lifecycle
    try {
      if (state !== undefined && server.takeover === undefined) throw noTakeover(this.kind)
      const taken = state === undefined ? undefined : server.takeover?.(this.#withCallers(state))
      if (isThenable(taken)) {
        taken.then(
          () => this.#begun('held'),
          (error: unknown) => this.#initFailed(error),
        )
      } else this.#begun('held')
    } catch (error) {
      this.#initFailed(error)
    }
  }

  /** Callers that wait for an answer come along in the state, each perhaps in several places. */
  #withCallers(state: unknown): unknown {
    const callers = new Map<string, Call>()
    this.#callers = callers
    return replaceParts(state, (part) => {
      const call = fromOfTerm(part)
      if (call === undefined) return undefined
      const key = `${refOfTag(call.tag)}`
      const known = callers.get(key)
      if (known === undefined) callers.set(key, call)
      return known ?? call
    })
  }

  #begun(status: 'ready' | 'held'): void {
    if (this.host.isOver(this)) return
    this.status = status
    this.starting?.resolve(this.pid)
    this.starting = undefined
    if (this.leaving !== undefined) this.stop(this.leaving.reason)
    else if (this.#holder !== undefined) this.#quiet()
    else if (this.mailbox !== undefined) this.host.enqueue(this)
  }

  #initFailed(error: unknown): void {
    this.host.slowStarts.remove(this)
    if (this.host.isOver(this)) this.#failedLate(error)
    else this.host.bury(this, { error })
  }

  protected override get finishesHandler(): boolean {
    return true
  }

  protected override stop(reason: unknown): void {
    if (this.status === 'starting' || !this.#hasTerminate) {
      this.host.bury(this, reason)
      return
    }
    // In its own turn: the code of a process never runs inside another's handler.
    this.status = 'stopping'
    this.leaving = { reason, byItself: false }
    this.abort()
    this.host.enqueue(this)
  }

  get #hasTerminate(): boolean {
    try {
      return (this.#server as Lifecycle | undefined)?.terminate !== undefined
    } catch {
      // A getter that throws does so again in the turn of this process, and is told of there.
      return true
    }
  }

  #terminate(reason: unknown): number {
    if (this.host.isOver(this)) return 0
    this.status = 'stopping'
    this.abort()
    const server = this.#server as unknown as Lifecycle
    try {
      const result = server.terminate?.(reason)
      if (isThenable(result)) {
        this.#awaitTerminate(result, reason)
        return 1
      }
    } catch (error) {
      this.#terminateFailed(error)
    }
    this.host.bury(this, reason)
    return 1
  }

  #awaitTerminate(result: PromiseLike<unknown>, reason: unknown): void {
    const { terminateTimeoutMs } = this.#table
    if (terminateTimeoutMs !== Number.POSITIVE_INFINITY) {
      const late = () => {
        const sentence = `${this.pid} ${this.kind}.terminate took over ${terminateTimeoutMs} ms`
        this.host.log.warn(`${sentence}: it was ended without waiting further`)
        this.host.bury(this, reason)
      }
      this.ties.addTimer(this.host.clock.after(terminateTimeoutMs, late))
    }
    result.then(
      () => this.host.bury(this, reason),
      (error: unknown) => {
        this.#terminateFailed(error)
        this.host.bury(this, reason)
      },
    )
  }

  #terminateFailed(error: unknown): void {
    logFailure(this.host.log, `${this.pid} ${this.kind}.terminate`, error)
  }
}
