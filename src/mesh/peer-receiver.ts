/**
 * Where the signals of one peer go: to the processes of this node, in stream order, except for the
 * two names that the mesh serves itself, `citadel` and `net_kernel`, and answers to its own pid.
 */

import type { SignalSink } from '../kernel/router.js'
import type { Signal } from '../process/signal.js'
import { Atom } from '../term/atom.js'
import { ImproperList } from '../term/improper-list.js'
import { Pid } from '../term/pid.js'
import { Ref } from '../term/ref.js'
import { Tuple } from '../term/tuple.js'
import { type CitadelMessage, readCitadelTerm } from './citadel-message.js'
import type { Peer, PeerEnd, PeerOwner } from './peer.js'

export const CITADEL = 'citadel'
export const NET_KERNEL = 'net_kernel'

export interface PeerEvents {
  awake(): void
  citadelMessage(peer: Peer, message: CitadelMessage): void
  /** It answered a ping: it has a `net_kernel`. */
  pingAnswered(peer: Peer): void
  closed(peer: Peer, end: PeerEnd): void
}

export class PeerReceiver implements PeerOwner {
  peer!: Peer

  constructor(
    /** The pid of the mesh itself. */
    private readonly system: Pid,
    private readonly sink: SignalSink,
    private readonly events: PeerEvents,
  ) {}

  awake(): boolean {
    this.events.awake()
    return this.peer.isUp
  }

  closed(end: PeerEnd): void {
    this.events.closed(this.peer, end)
  }

  message(to: Pid, message: unknown): void {
    if (!to.equals(this.system)) this.sink.deliver(to, message, this.peer)
    else if (isYes(message)) this.events.pingAnswered(this.peer)
  }

  named(name: string, message: unknown, from: Pid): void {
    if (name === CITADEL) this.citadel(message)
    else if (name === NET_KERNEL) this.netKernel(message)
    else this.sink.deliverNamed(name, message, from, this.peer)
  }

  alias(ref: Ref, message: unknown): void {
    this.sink.deliverToAlias(ref, message, this.peer)
  }

  signal(signal: Signal): void {
    if (!isMonitorOfNetKernel(signal)) this.sink.receiveSignal(signal, this.peer)
  }

  spawnRequest(request: Ref, from: Pid): void {
    this.peer.spawnRefused(request, from)
  }

  private citadel(term: unknown): void {
    const message = readCitadelTerm(term)
    if (message) this.events.citadelMessage(this.peer, message)
  }

  /** `net_adm:ping` is a call `{is_auth, Node}`, which waits for ever if nobody answers. */
  private netKernel(term: unknown): void {
    const [label, from, request] = elements(term)
    const [caller, tag] = elements(from)
    const [method] = elements(request)
    if (label !== GEN_CALL || !(caller instanceof Pid)) return
    const alias = tag instanceof ImproperList ? tag.tail : undefined
    if (method !== IS_AUTH) this.refuse(caller, alias ?? tag)
    else if (alias instanceof Ref) this.peer.alias(this.system, alias, new Tuple(tag, YES))
    else this.peer.message(this.system, caller, new Tuple(tag, YES))
  }

  /** The reference of a call is the caller's monitor as well, so this ends the call. */
  private refuse(caller: Pid, ref: unknown): void {
    if (!(ref instanceof Ref)) return
    const from = { name: NET_KERNEL, node: this.system.node }
    this.peer.signal({ type: 'down', from, to: caller, ref, reason: NOTSUP })
  }
}

/**
 * A ping is also a monitor of `net_kernel`, which lives as long as the connection: the mesh serves
 * that name itself, and the processes of this node must not say that there is none.
 */
const isMonitorOfNetKernel = (signal: Signal): boolean =>
  signal.type === 'monitor' && !(signal.to instanceof Pid) && signal.to.name === NET_KERNEL

/** The call that `net_adm:ping` makes. */
export const pingTerm = (system: Pid): Tuple =>
  new Tuple(
    GEN_CALL,
    new Tuple(system, new Ref(system.node, system.creation, [1, 0, 0])),
    new Tuple(IS_AUTH, new Atom(system.node)),
  )

const GEN_CALL = new Atom('$gen_call')
const IS_AUTH = new Atom('is_auth')
const YES = new Atom('yes')
const NOTSUP = new Atom('notsup')

const elements = (term: unknown): readonly unknown[] => (term instanceof Tuple ? term.elements : [])

const isYes = (term: unknown): boolean => elements(term)[1] === YES
