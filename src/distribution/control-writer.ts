/**
 * Writes control messages as frames: 4-byte length, 112, the control tuple, the payload. A frame
 * is written whole or not at all: when a term cannot be encoded, or the frame is over the limit,
 * the buffer is as before and the error goes to the sender.
 */
import { CitadelError } from '../base/errors.js'
import type { Signal, Target } from '../process/signal.js'
import { Pid } from '../term/pid.js'
import type { Ref } from '../term/ref.js'
import type { TermWriter } from '../term/term-writer.js'
import { OP, PASS_THROUGH, TERM_VERSION } from './control-op.js'
import { type Flags, hasFlag } from './flags.js'

/** A message term with its version byte, encoded once to be sent to many. */
export interface Encoded {
  readonly bytes: Uint8Array
}

export class ControlWriter {
  private readonly sendSender: boolean
  private readonly exitPayload: boolean
  private readonly unlinkId: boolean

  constructor(
    private readonly out: TermWriter,
    /** What both sides can do. */
    flags: Flags,
    private readonly frameLimitBytes: number,
  ) {
    this.sendSender = hasFlag(flags, 'SEND_SENDER')
    this.exitPayload = hasFlag(flags, 'EXIT_PAYLOAD')
    this.unlinkId = hasFlag(flags, 'UNLINK_ID')
  }

  message(from: Pid, to: Pid, message: unknown): void {
    const start = this.begin(3)
    try {
      if (this.sendSender) {
        this.out.integer(OP.SEND_SENDER)
        this.out.pid(from)
      } else {
        this.out.integer(OP.SEND)
        this.out.atom('')
      }
      this.out.pid(to)
      this.payload(message)
      this.end(start)
    } catch (error) {
      this.abandon(start, error)
    }
  }

  named(from: Pid, name: string, message: unknown): void {
    const start = this.begin(4)
    try {
      this.namedHeader(from, name)
      this.payload(message)
      this.end(start)
    } catch (error) {
      this.abandon(start, error)
    }
  }

  encoded(from: Pid, name: string, message: Encoded): void {
    const start = this.begin(4)
    try {
      this.namedHeader(from, name)
      this.out.raw(message.bytes)
      this.end(start)
    } catch (error) {
      this.abandon(start, error)
    }
  }

  alias(from: Pid, ref: Ref, message: unknown): void {
    const start = this.begin(3)
    try {
      this.out.integer(OP.ALIAS_SEND)
      this.out.pid(from)
      this.out.ref(ref)
      this.payload(message)
      this.end(start)
    } catch (error) {
      this.abandon(start, error)
    }
  }

  signal(signal: Signal): void {
    const start = this.begin(this.arity(signal))
    try {
      this.signalBody(signal)
      this.end(start)
    } catch (error) {
      this.abandon(start, error)
    }
  }

  /** The refusal of a spawn request: no code is run for others. */
  spawnRefused(request: Ref, to: Pid): void {
    const start = this.begin(5)
    this.out.integer(OP.SPAWN_REPLY)
    this.out.ref(request)
    this.out.pid(to)
    this.out.integer(0)
    this.out.atom('notsup')
    this.end(start)
  }

  tick(): void {
    this.out.u32(0)
  }

  private namedHeader(from: Pid, name: string): void {
    this.out.integer(OP.REG_SEND)
    this.out.pid(from)
    this.out.atom('')
    this.out.atom(name)
  }

  private arity(signal: Signal): number {
    switch (signal.type) {
      case 'link':
        return 3
      case 'unlink':
        return this.unlinkId ? 4 : 3
      case 'exit':
      case 'exit2':
        return this.exitPayload ? 3 : 4
      case 'down':
        return this.exitPayload ? 4 : 5
      default:
        return 4
    }
  }

  private signalBody(signal: Signal): void {
    switch (signal.type) {
      case 'link':
        this.pair(OP.LINK, signal.from, signal.to)
        break
      case 'unlink':
      case 'unlinkAck':
        this.unlink(signal)
        break
      case 'exit':
        this.pair(this.exitPayload ? OP.PAYLOAD_EXIT : OP.EXIT, signal.from, signal.to)
        this.reason(signal.reason)
        break
      case 'exit2':
        this.pair(this.exitPayload ? OP.PAYLOAD_EXIT2 : OP.EXIT2, signal.from, signal.to)
        this.reason(signal.reason)
        break
      case 'monitor':
      case 'demonitor':
        this.pair(signal.type === 'monitor' ? OP.MONITOR_P : OP.DEMONITOR_P, signal.from, signal.to)
        this.out.ref(signal.ref)
        break
      case 'down': {
        const op = this.exitPayload ? OP.PAYLOAD_MONITOR_P_EXIT : OP.MONITOR_P_EXIT
        this.pair(op, signal.from, signal.to)
        this.out.ref(signal.ref)
        this.reason(signal.reason)
      }
    }
  }

  private unlink(signal: Extract<Signal, { type: 'unlink' | 'unlinkAck' }>): void {
    if (!this.unlinkId && signal.type === 'unlink') {
      this.pair(OP.UNLINK, signal.from, signal.to)
      return
    }
    this.out.integer(signal.type === 'unlink' ? OP.UNLINK_ID : OP.UNLINK_ID_ACK)
    this.out.integer(signal.id)
    this.target(signal.from)
    this.target(signal.to)
  }

  private pair(op: number, from: Target, to: Target): void {
    this.out.integer(op)
    this.target(from)
    this.target(to)
  }

  private target(target: Target): void {
    if (target instanceof Pid) this.out.pid(target)
    else this.out.atom(target.name)
  }

  private reason(reason: unknown): void {
    if (this.exitPayload) this.out.u8(TERM_VERSION)
    this.out.term(reason, 'reason')
  }

  private payload(term: unknown): void {
    this.out.u8(TERM_VERSION)
    this.out.term(term)
  }

  private begin(arity: number): number {
    const start = this.out.length
    this.out.u32(0)
    this.out.u8(PASS_THROUGH)
    this.out.u8(TERM_VERSION)
    this.out.tupleHeader(arity)
    return start
  }

  private end(start: number): void {
    const frameBytes = this.out.length - start - 4
    if (frameBytes > this.frameLimitBytes) {
      throw new CitadelError(
        'limit_exceeded',
        `the message takes ${frameBytes} bytes and a frame at most ${this.frameLimitBytes}: ` +
          'send it in parts or raise frameLimitBytes on every node',
      )
    }
    this.out.patchU32(start, frameBytes)
  }

  private abandon(start: number, error: unknown): never {
    this.out.rewind(start)
    throw error
  }
}
