/**
 * One end of a simulated TCP connection. Bytes arrive once, in order, in pieces of any size; what
 * the other side does not read stays with the sender; a side that is gone answers with a reset.
 * Handlers run as events of the program that owns this end, never inside a call of it.
 */
import type { Address, Connection, ConnectionHandlers } from '../base/transport.js'
import type { CutPoint, NetworkConditions } from './network-conditions.js'
import type { ProgramRuntime } from './program-runtime.js'
import type { SimulatedHost } from './simulated-host.js'
import { SimulatedPath } from './simulated-path.js'
import { type Label, label } from './trace.js'

export function socketError(code: string, syscall: string, at: Address): NodeJS.ErrnoException {
  const error = new Error(`${syscall} ${code} ${at.host}:${at.port}`)
  return Object.assign(error, { code, syscall, address: at.host, port: at.port })
}

export interface ConnectionSetting {
  network: NetworkConditions
  runtime: ProgramRuntime
  /** All open ends in the simulation. */
  connections: Set<SimulatedConnection>
  from: SimulatedHost
  to: SimulatedHost
  remote: Address
}

export class SimulatedConnection implements Connection {
  readonly remote: Address
  readonly isDialler: boolean
  readonly runtime: ProgramRuntime
  readonly #setting: ConnectionSetting
  readonly #out: SimulatedPath
  readonly #label: Label
  #peer: SimulatedConnection | undefined
  #handlers: ConnectionHandlers | undefined
  #state: 'dialling' | 'open' | 'closed' = 'dialling'
  /** Accepted by `write`, waiting for room in the window. */
  #pending: Uint8Array[] = []
  #pendingBytes = 0
  #drainWanted = false
  /** Sent and, as far as this end knows, not yet read by the peer. */
  #inFlight = 0
  /** The parts of the last piece, as long as it is under way and another write may join it. */
  #joinable: Uint8Array[] | undefined
  /** Arrived and not yet read, because this end is paused or its program stalled. */
  #unread: Uint8Array[] = []
  #unacknowledged = 0
  #paused = false
  #ended = false
  #finSent = false
  #peerEnded = false
  /** A reset is on its way to both ends: nothing is carried any more. */
  #broken = false
  #resetBudget: number | undefined
  /** When the budget is used up, both ends see an end and no reset. */
  #breaksGently = false
  #settled: (() => void) | undefined

  constructor(setting: ConnectionSetting, handlers?: ConnectionHandlers) {
    this.#setting = setting
    this.remote = setting.remote
    this.runtime = setting.runtime
    this.#handlers = handlers
    this.isDialler = handlers !== undefined
    this.#label = label(`${setting.from.name}>${setting.to.name}`)
    this.#out = new SimulatedPath(setting.network, setting.from, setting.to, this.#label)
    setting.connections.add(this)
  }

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  get dialling(): boolean {
    return this.#state === 'dialling'
  }

  get closed(): boolean {
    return this.#state === 'closed'
  }

  joins(one: SimulatedHost, other: SimulatedHost): boolean {
    const { from, to } = this.#setting
    return (from === one && to === other) || (from === other && to === one)
  }

  write(bytes: Uint8Array): boolean {
    if (this.closed || this.#ended) return false
    if (bytes.length > 0) {
      this.#pending.push(bytes)
      this.#pendingBytes += bytes.length
      if (this.#state === 'open') this.#transmit()
    }
    if (this.#pendingBytes < this.#setting.network.options.highMarkBytes) return true
    this.#drainWanted = true
    return false
  }

  end(): void {
    if (this.closed || this.#ended) return
    this.#ended = true
    if (this.#state === 'open') this.#transmit()
  }

  destroy(): void {
    if (this.closed) return
    this.#leave(this.#unread.length > 0)
    this.#finish()
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.runtime.later(() => this.#read(), this.#label)
  }

  /** Calls back when the dial has succeeded or failed. */
  onceSettled(callback: () => void): void {
    this.#settled = callback
  }

  /** Sends the first packet to the target; `arrive` runs there, in the kernel. */
  open(arrive: () => void): void {
    this.#out.send(arrive)
  }

  /** Both ends know each other; `answer` goes back to the dialler. */
  accepted(dialler: SimulatedConnection): void {
    this.#state = 'open'
    this.#peer = dialler
    dialler.#peer = this
    this.#out.send(() => dialler.#opened())
  }

  /** The accepting program has taken the connection and gives its handlers. */
  attach(handlers: ConnectionHandlers): void {
    this.#handlers = handlers
    this.#read()
  }

  /** Closes with an error: nobody listens, no answer in time, no such host. */
  fail(error: NodeJS.ErrnoException): void {
    if (!this.closed) this.#finish(error)
  }

  /** Nobody listens at the target: said by its kernel, a way back later. */
  refuse(dialler: SimulatedConnection): void {
    this.#out.send(() => dialler.fail(socketError('ECONNREFUSED', 'connect', dialler.remote)))
    this.#finish()
  }

  /** Breaks the connection when `bytes` more have arrived at one of the ends; 0: now. */
  resetAfter(bytes: number): void {
    if (bytes <= 0) {
      this.#break()
      return
    }
    this.#resetBudget = bytes
    if (this.#peer !== undefined) this.#peer.#resetBudget = bytes
  }

  /** Of the end that dialled: breaks the connection at a byte of one of its directions. */
  cutAfter({ afterBytes, towardsDialler, isGentle }: CutPoint): void {
    const end = towardsDialler ? this : (this.#peer ?? this)
    end.#breaksGently = isGentle
    if (afterBytes <= 0) end.#break()
    else end.#resetBudget = afterBytes
  }

  /** Taken by this side's kernel for a dial that nobody made: it stays silent. */
  acceptedForNobody(): void {
    this.#state = 'open'
  }

  /** The program of this end was killed; its kernel closes for it, with or without grace. */
  crash(): void {
    this.#leave(this.#setting.network.random.chance(0.5))
    this.vanish()
  }

  /** This end is no more and says nothing. */
  vanish(): void {
    this.#state = 'closed'
    this.#pending = []
    this.#unread = []
    this.#setting.connections.delete(this)
  }

  #opened(): void {
    if (this.closed) {
      this.#sendReset()
      return
    }
    this.#state = 'open'
    this.#settled?.()
    this.runtime.run(() => this.#handlers?.opened?.(), this.#label)
    if (this.#state === 'open') this.#transmit()
  }

  #transmit(): void {
    const { options } = this.#setting.network
    while (!this.#broken && this.#pending.length > 0 && this.#inFlight < options.windowBytes) {
      this.#sendPiece(this.#takePiece(options.windowBytes - this.#inFlight))
    }
    if (this.#pending.length > 0 || this.#broken) return
    if (this.#drainWanted) this.#tellDrained()
    if (this.#ended && !this.#finSent) this.#sendFin()
  }

  #takePiece(room: number): Uint8Array {
    const { options, random } = this.#setting.network
    const first = this.#pending[0]!
    let size = Math.min(first.length, room, options.pieceBytesMax)
    if (size > 1 && random.chance(options.splitProbability)) size = 1 + random.below(size - 1)
    if (size === first.length) this.#pending.shift()
    else this.#pending[0] = first.subarray(size)
    this.#pendingBytes -= size
    this.#inFlight += size
    return size === first.length ? first : first.subarray(0, size)
  }

  #sendPiece(piece: Uint8Array): void {
    const { options, random } = this.#setting.network
    if (this.#joinable !== undefined && random.chance(options.mergeProbability)) {
      this.#joinable.push(piece)
      return
    }
    const parts = [piece]
    this.#joinable = parts
    this.#tellPeer((peer) => {
      if (this.#joinable === parts) this.#joinable = undefined
      peer.#arrive(parts.length === 1 ? piece : Buffer.concat(parts))
    })
  }

  #sendFin(): void {
    this.#finSent = true
    this.#joinable = undefined
    this.#tellPeer((peer) => peer.#finArrived())
    if (this.#peerEnded && this.#unread.length === 0) this.#finish()
  }

  #sendReset(): void {
    const lostInCut = true
    this.#tellPeer((peer) => peer.#resetArrived(), lostInCut)
  }

  /** Carries something to the other end; it takes effect there on arrival. */
  #tellPeer(news: (peer: SimulatedConnection) => void, lostInCut = false): void {
    this.#out.send(() => {
      if (this.#peer !== undefined) news(this.#peer)
    }, lostInCut)
  }

  #tellDrained(): void {
    this.#drainWanted = false
    this.runtime.later(() => {
      if (!this.closed) this.#handlers?.drained?.()
    }, this.#label)
  }

  #arrive(bytes: Uint8Array): void {
    if (this.#broken) return
    if (this.closed) {
      this.#sendReset()
      return
    }
    const budget = this.#resetBudget
    const taken = budget === undefined ? bytes : bytes.subarray(0, budget)
    this.#setting.network.timeline.trace.bytes(taken)
    this.#unread.push(taken)
    this.runtime.run(() => this.#read(), this.#label)
    if (budget === undefined) return
    this.#resetBudget = budget - taken.length
    if (this.#resetBudget === 0) this.#break()
  }

  #read(): void {
    if (this.#handlers === undefined) return
    while (!this.#paused && !this.closed && this.#unread.length > 0) {
      const chunk = this.#unread.shift()!
      this.#acknowledge(chunk.length)
      this.#handlers.received(chunk)
    }
    if (this.closed || !this.#peerEnded || this.#unread.length > 0) return
    this.#ended = true
    if (this.#finSent || this.#broken) this.#finish()
    else this.#transmit()
  }

  /** The sender hears of what was read only when it waits for room: other news changes nothing. */
  #acknowledge(bytes: number): void {
    const sender = this.#peer
    if (sender === undefined) return
    const acknowledging = this.#unacknowledged > 0
    if (!acknowledging && sender.#pending.length === 0) {
      sender.#inFlight -= bytes
      return
    }
    this.#unacknowledged += bytes
    if (!acknowledging) this.#out.send(() => this.#acknowledged(sender))
  }

  #acknowledged(sender: SimulatedConnection): void {
    sender.#inFlight -= this.#unacknowledged
    this.#unacknowledged = 0
    if (sender.#state === 'open') sender.#transmit()
  }

  #finArrived(): void {
    if (this.closed) return
    this.#peerEnded = true
    this.runtime.run(() => this.#read(), this.#label)
  }

  #resetArrived(): void {
    if (!this.closed) this.#finish(socketError('ECONNRESET', 'read', this.remote))
  }

  /** Both ends see a reset, or an end, each after a while of its own; what was under way is lost. */
  #break(): void {
    for (const end of [this, this.#peer]) {
      if (end === undefined || end.#broken) continue
      const { network, from, to } = end.#setting
      end.#broken = true
      end.#out.empty()
      const seen = (): void => (this.#breaksGently ? end.#finArrived() : end.#resetArrived())
      network.timeline.schedule(network.latency(from, to), seen, end.#label)
    }
  }

  /** Tells the peer that this end closes. */
  #leave(abruptly: boolean): void {
    if (this.#broken || this.#state !== 'open') return
    if (abruptly) this.#sendReset()
    else if (!this.#finSent) this.#tellPeer((peer) => peer.#finArrived())
  }

  #finish(error?: NodeJS.ErrnoException): void {
    const handlers = this.#handlers
    this.#settled?.()
    this.vanish()
    if (handlers !== undefined) this.runtime.later(() => handlers.closed(error), this.#label)
  }
}
