/**
 * What the mesh brings, in the order of the stream: messages, answers and signals of other nodes. Here
 * is decided what another node may reach, and what counts against the bytes of a mailbox.
 */

import { reasonFromWire } from '../process/exit-reason.js'
import { replyFromWire, requestFromWire, systemCallFromWire } from '../process/gen-protocol.js'
import type { Process } from '../process/process.js'
import { RemoteCall } from '../process/request.js'
import { ServerProcess } from '../process/server-process.js'
import type { Signal, Target } from '../process/signal.js'
import { Atom } from '../term/atom.js'
import { Pid } from '../term/pid.js'
import type { Ref } from '../term/ref.js'
import type { Answers } from './answers.js'
import { ringFromAfar } from './call-cycle.js'
import { callCycle, noSystemMessages, overloaded } from './call-errors.js'
import type { Calls } from './calls.js'
import type { Core } from './core.js'
import type { Delivery } from './delivery.js'
import type { Links } from './links.js'
import type { Monitors } from './monitors.js'
import type { Moves } from './moves.js'
import type { SignalSink, Source } from './router.js'

/** How the names of the runtime's own servers begin. */
const RUNTIME_NAMES = 'citadel_'
/** The longest frame whose exit reason is kept. */
const REASON_MAX_BYTES = 64 * 1024

export interface InboundParts {
  readonly core: Core
  readonly calls: Calls
  readonly answers: Answers
  readonly delivery: Delivery
  readonly links: Links
  readonly monitors: Monitors
  readonly moves: Moves
}

export class Inbound implements SignalSink {
  readonly #parts: InboundParts

  constructor(parts: InboundParts) {
    this.#parts = parts
  }

  deliver(to: Pid, message: unknown, source: Source): void {
    const process = this.#reached(to, source)
    if (process?.detour && this.#parts.moves.holdsBack(process, source, message)) return
    this.arrived(process, message, source)
  }

  deliverNamed(name: string, message: unknown, from: Pid, source: Source): void {
    const endpoint = this.#parts.core.endpoints.get(name)
    if (endpoint !== undefined && isMember(source)) endpoint(message, from, source)
    else this.arrived(this.#reached({ name, node: '' }, source), message, source)
  }

  /** Servers of the runtime hear members only: for any other node there are none. */
  #reached(to: Target, source: Source): Process | undefined {
    const { table } = this.#parts.core
    const process = to instanceof Pid ? table.find(to) : table.named(to.name)
    return process !== undefined && isServer(process) && !isMember(source) ? undefined : process
  }

  arrived(process: Process | undefined, message: unknown, source: Source): void {
    const { answers, calls, delivery } = this.#parts
    const reply = replyFromWire(message)
    if (reply !== undefined && calls.replied(reply.ref, reply.value, source.node)) return
    const request = requestFromWire(message)
    const bytes = source.frameBytes ?? 0
    if (process === undefined) {
      if (request instanceof RemoteCall) answers.refuseNoProcess(request)
    } else if (request instanceof RemoteCall) this.#requested(process, request, bytes)
    else if (request !== undefined) delivery.postOrDrop(process, request, bytes)
    else this.#plainArrived(process, message, bytes)
  }

  #plainArrived(process: Process, message: unknown, bytes: number): void {
    const call = process instanceof ServerProcess ? systemCallFromWire(message) : undefined
    if (call === undefined) this.#parts.delivery.postOrDrop(process, message, bytes)
    else this.#parts.answers.refuse(call, noSystemMessages(process))
  }

  #requested(process: Process, call: RemoteCall, bytes: number): void {
    const { answers } = this.#parts
    const ring = call.chain && ringFromAfar(call, process)
    if (ring !== undefined) answers.refuse(call, callCycle(call, ring))
    else this.#post(process, call, bytes)
  }

  #post(process: Process, call: RemoteCall, bytes: number): void {
    const { answers, core } = this.#parts
    if (core.post(process, call, bytes)) return
    if (process.ended) answers.refuseNoProcess(call)
    else answers.refuse(call, overloaded(process))
  }

  deliverToAlias(_ref: Ref, message: unknown, source: Source): void {
    const reply = replyFromWire(message)
    if (reply !== undefined) this.#parts.calls.replied(reply.ref, reply.value, source.node)
  }

  receiveSignal(signal: Signal, source: Source): void {
    const { calls, links, monitors } = this.#parts
    switch (signal.type) {
      case 'link':
        return links.asked(signal.from, signal.to, this.#linkable(signal.to, source))
      case 'unlink':
        return links.takenBack(signal.from, signal.to, signal.id)
      case 'unlinkAck':
        return links.acknowledged(signal.from, signal.to, signal.id)
      case 'exit':
        return links.heardExit(signal.from, signal.to, brief(signal.reason, source))
      case 'exit2':
        return this.#toldToExit(signal.from, signal.to, signal.reason, source)
      case 'monitor': {
        const { from, to, ref } = signal
        return monitors.asked(from, to, ref, this.#reached(to, source))
      }
      case 'demonitor':
        return monitors.takenBack(signal.from.node, signal.ref)
      case 'down':
        if (calls.heardDown(signal.ref, signal.reason, source.node)) return
        monitors.heardDown(source.node, signal.ref, brief(signal.reason, source))
    }
  }

  /** No exit of another node reaches a server of the runtime, so no link does either. */
  #linkable(to: Pid, source: Source): Process | undefined {
    const process = this.#reached(to, source)
    return process !== undefined && isServer(process) ? undefined : process
  }

  /** What traps exits gets a message, which needs room like any other. */
  #toldToExit(from: Pid, to: Pid, wireReason: unknown, source: Source): void {
    const { core } = this.#parts
    const process = this.#reached(to, source)
    if (process === undefined) return
    if (isServer(process)) return core.notices.note('exitRefused', process, from)
    const reason = reasonFromWire(brief(wireReason, source))
    const isMessage = process.trapExit && reason !== 'kill'
    if (isMessage && !core.hasRoom(process, source.frameBytes ?? 0)) {
      core.notices.note('mailboxFull', process)
    } else process.exitSignal(from, reason, false)
  }

  disconnected(node: string): void {
    const { calls, links, monitors, moves } = this.#parts
    calls.disconnected(node)
    links.disconnected(node)
    monitors.disconnected(node)
    moves.disconnected(node)
  }
}

const isMember = ({ kind }: Source): boolean => kind === 'citadel'

const isServer = ({ name }: Process): boolean => name?.startsWith(RUNTIME_NAMES) ?? false

/** Reasons go into mailboxes that always have room for them, so a very long one is cut short. */
const brief = (reason: unknown, { frameBytes = 0 }: Source): unknown =>
  frameBytes > REASON_MAX_BYTES ? new Atom('reason_too_long') : reason
