/**
 * Reads the frames of a connection: takes the control tuple apart by hand, without making values
 * of it, and tells the receiver. Trace tokens and group leaders are read over. Anything that the
 * protocol does not allow throws `bad_format`, which ends that connection.
 */
import { CitadelError } from '../base/errors.js'
import type { Signal, Target } from '../process/signal.js'
import type { Pid } from '../term/pid.js'
import type { Ref } from '../term/ref.js'
import { TermReader } from '../term/term-reader.js'
import { ALTACT, OP, PASS_THROUGH, TERM_VERSION } from './control-op.js'

export interface ControlReceiver {
  /** `from` is undefined where the protocol does not say who sent it. */
  message(to: Pid, message: unknown, from: Pid | undefined): void
  named(name: string, message: unknown, from: Pid): void
  alias(ref: Ref, message: unknown): void
  signal(signal: Signal): void
  /** Somebody wants a process started here. */
  spawnRequest(request: Ref, from: Pid): void
}

const NO_BYTES = new Uint8Array(0)
/** What an element of a message takes in memory besides its bytes, on average. */
const ELEMENT_BYTES = 24

export class ControlReader {
  private readonly terms = new TermReader(NO_BYTES)
  /** Elements of the control tuple that were not read yet. */
  private left = 0
  private frameBytes = 0

  constructor(
    private readonly self: string,
    /** Which start of which node the connection leads to. */
    private readonly peer: { readonly node: string; readonly creation: number },
    private readonly receiver: ControlReceiver,
  ) {}

  /** What the message of the present frame takes, about, while it waits to be handled. */
  get cost(): number {
    return this.frameBytes + ELEMENT_BYTES * this.terms.elements
  }

  read(frame: Uint8Array): void {
    this.frameBytes = frame.length
    this.terms.reset(frame)
    if (this.terms.u8() !== PASS_THROUGH) throw this.malformed('a frame of another kind')
    this.version()
    this.left = this.terms.tupleArity()
    const op = this.integer()
    switch (op) {
      case OP.SEND_SENDER:
      case OP.SEND_SENDER_TT:
        this.send(this.sender())
        break
      case OP.SEND:
      case OP.SEND_TT:
        this.skip()
        this.send(undefined)
        break
      case OP.REG_SEND:
      case OP.REG_SEND_TT:
        this.regSend()
        break
      case OP.ALIAS_SEND:
      case OP.ALIAS_SEND_TT:
        this.aliasSend()
        break
      default:
        this.rare(op)
    }
  }

  private send(from: Pid | undefined): void {
    const to = this.pid()
    this.receiver.message(to, this.payload(), from)
  }

  private regSend(): void {
    const from = this.sender()
    this.skip()
    const name = this.name()
    this.receiver.named(name, this.payload(), from)
  }

  private aliasSend(): void {
    this.sender()
    const ref = this.ref()
    this.receiver.alias(ref, this.payload())
  }

  private rare(op: number): void {
    switch (op) {
      case OP.GROUP_LEADER:
      case OP.SPAWN_REPLY:
      case OP.SPAWN_REPLY_TT:
        break
      case OP.SPAWN_REQUEST:
      case OP.SPAWN_REQUEST_TT:
        this.receiver.spawnRequest(this.ref(), this.sender())
        break
      case OP.ALTACT_SIG_SEND:
        this.altact()
        break
      default:
        this.receiver.signal(this.signal(op))
    }
  }

  private signal(op: number): Signal {
    switch (op) {
      case OP.LINK:
        return { type: 'link', from: this.sender(), to: this.pid() }
      case OP.UNLINK:
        return { type: 'unlink', id: 1n, from: this.sender(), to: this.pid() }
      case OP.UNLINK_ID:
        return this.unlink('unlink')
      case OP.UNLINK_ID_ACK:
        return this.unlink('unlinkAck')
      case OP.MONITOR_P:
        return this.monitor('monitor')
      case OP.DEMONITOR_P:
        return this.monitor('demonitor')
      case OP.MONITOR_P_EXIT:
        return this.down(false)
      case OP.PAYLOAD_MONITOR_P_EXIT:
        return this.down(true)
      default:
        return this.anyExit(op)
    }
  }

  private anyExit(op: number): Signal {
    switch (op) {
      case OP.EXIT:
        return this.exit('exit', false, false)
      case OP.EXIT_TT:
        return this.exit('exit', true, false)
      case OP.EXIT2:
        return this.exit('exit2', false, false)
      case OP.EXIT2_TT:
        return this.exit('exit2', true, false)
      case OP.PAYLOAD_EXIT:
      case OP.PAYLOAD_EXIT_TT:
        return this.exit('exit', false, true)
      case OP.PAYLOAD_EXIT2:
      case OP.PAYLOAD_EXIT2_TT:
        return this.exit('exit2', false, true)
      default:
        throw this.malformed(`the unknown control message ${op}`)
    }
  }

  private exit(type: 'exit' | 'exit2', tokenFirst: boolean, inPayload: boolean): Signal {
    const from = type === 'exit' ? this.subject() : this.sender()
    const to = this.pid()
    if (tokenFirst) this.skip()
    return { type, from, to, reason: inPayload ? this.payload() : this.term() }
  }

  private unlink(type: 'unlink' | 'unlinkAck'): Signal {
    this.take()
    const id = this.terms.bigint()
    if (id < 1n || id >= 1n << 64n) throw this.malformed('an unlink id out of range')
    const from = type === 'unlinkAck' ? this.subject() : this.sender()
    return { type, id, from, to: this.pid() }
  }

  private monitor(type: 'monitor' | 'demonitor'): Signal {
    const from = this.sender()
    const to = this.target(this.self)
    const ref = this.ref()
    if (ref.node !== this.peer.node) throw this.malformed('a reference of another node as its own')
    return { type, from, to, ref }
  }

  private down(inPayload: boolean): Signal {
    const from = this.terms.isAtom() ? this.target(this.peer.node) : this.subject()
    const to = this.pid()
    const ref = this.ref()
    return { type: 'down', from, to, ref, reason: inPayload ? this.payload() : this.term() }
  }

  /** The one send of OTP 28: flags say what it is and where it goes. */
  private altact(): void {
    const flags = this.integer()
    const from = this.sender()
    if (flags & ALTACT.ALIAS) {
      const ref = this.ref()
      this.receiver.alias(ref, this.payload())
    } else if (flags & ALTACT.NAME) {
      const name = this.name()
      this.receiver.named(name, this.payload(), from)
    } else {
      const to = this.pid()
      const term = this.payload()
      if (flags & ALTACT.EXIT) this.receiver.signal({ type: 'exit2', from, to, reason: term })
      else this.receiver.message(to, term, from)
    }
  }

  private payload(): unknown {
    while (this.left > 0) this.skip()
    this.version()
    const term = this.terms.term()
    if (!this.terms.atEnd) throw this.malformed('bytes after its message')
    return term
  }

  private version(): void {
    if (this.terms.u8() !== TERM_VERSION) throw this.malformed('a term of another version')
  }

  private take(): void {
    if (this.left-- <= 0) throw this.malformed('a control message with too few elements')
  }

  private integer(): number {
    this.take()
    return this.terms.integer()
  }

  private pid(): Pid {
    this.take()
    return this.terms.pid()
  }

  /** A process of this start of the peer: nobody speaks for the processes of others. */
  private sender(): Pid {
    const pid = this.subject()
    if (pid.creation !== this.peer.creation) throw this.malformed('a signal of another start')
    return pid
  }

  /** Of an earlier start, too: whoever links to such a process, or monitors it, hears of its end. */
  private subject(): Pid {
    const pid = this.pid()
    if (pid.node !== this.peer.node) throw this.malformed('a signal in the name of another node')
    return pid
  }

  private ref(): Ref {
    this.take()
    return this.terms.ref()
  }

  private name(): string {
    this.take()
    return this.terms.atomName()
  }

  private target(node: string): Target {
    if (!this.terms.isAtom()) return this.pid()
    return { name: this.name(), node }
  }

  private term(): unknown {
    this.take()
    return this.terms.term()
  }

  private skip(): void {
    this.take()
    this.terms.skip()
  }

  private malformed(what: string): CitadelError {
    return new CitadelError('bad_format', `${this.peer.node} sent ${what}`)
  }
}
