/**
 * Where the signals of one peer go: to the processes of this node, in stream order, except for the
 * two names that the mesh serves itself, `citadel` and `net_kernel`, and answers to its own pid.
 */

import type { SignalSink } from '../process/router.js'
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

  message(to: Pid, message: unknown, from: Pid | undefined): void {
    if (to.id !== this.system.id || to.serial !== 0) this.sink.deliver(to, message, from)
    else if (isYes(message)) this.events.pingAnswered(this.peer)
  }

  named(name: string, message: unknown, from: Pid): void {
    if (name === CITADEL) this.citadel(message)
    else if (name === NET_KERNEL) this.netKernel(message)
    else this.sink.deliverNamed(name, message, from)
  }

  alias(ref: Ref, message: unknown): void {
    this.sink.deliverToAlias(ref, message)
  }

  signal(signal: Signal): void {
    this.sink.receiveSignal(signal)
  }

  spawnRequest(request: Ref, from: Pid): void {
    this.peer.spawnRefused(request, from)
  }

  private citadel(term: unknown): void {
    const message = readCitadelTerm(term)
    if (message) this.events.citadelMessage(this.peer, message)
  }

  /** `net_adm:ping`: a call `{is_auth, Node}`, which waits for ever if nobody answers. */
  private netKernel(term: unknown): void {
    const [label, from, request] = elements(term)
    const [caller, tag] = elements(from)
    const [method] = elements(request)
    if (label !== GEN_CALL || method !== IS_AUTH || !(caller instanceof Pid)) return
    const answer = new Tuple(tag, YES)
    const alias = tag instanceof ImproperList ? tag.tail : undefined
    if (alias instanceof Ref) this.peer.alias(this.system, alias, answer)
    else this.peer.message(this.system, caller, answer)
  }
}

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

const elements = (term: unknown): readonly unknown[] => (term instanceof Tuple ? term.elements : [])

const isYes = (term: unknown): boolean => elements(term)[1] === YES
