/**
 * The distribution handshake, version 6, for both roles, as a pure machine: an event in, effects
 * out. The owner carries out the effects in order, arms one deadline of `HANDSHAKE_TIMEOUT_MS`,
 * and answers two questions: the acceptor's `askStatus` (may this peer connect now?) and the
 * initiator's `askConflict` (the peer believes that we are connected: is this attempt still
 * wanted?). It ends with exactly one of `established` and `refused`; afterwards it says nothing.
 * Nothing of the peer's is believed before it has proved that it knows the cookie, its name and
 * flags included: `askStatus` comes before that proof.
 */
import { Cookie } from '../base/cookie.js'
import { CitadelError, type ErrorCode } from '../base/errors.js'
import { commonFlags, expandFlags, type Flags, missingFlags } from './flags.js'
import {
  type ChallengeMessage,
  decodeAck,
  decodeChallenge,
  decodeName,
  decodeReply,
  decodeStatus,
  encodeAck,
  encodeChallenge,
  encodeName,
  encodeReply,
  encodeStatus,
  HANDSHAKE_FRAME_BYTES_MAX,
  type NameMessage,
  type ReplyMessage,
  type StatusMessage,
  sameDigest,
} from './handshake-message.js'

export const HANDSHAKE_TIMEOUT_MS = 5_000

export interface HandshakeOptions {
  role: 'initiator' | 'acceptor'
  self: NameMessage
  cookie: string | Cookie
  /** 32 unpredictable bits, new for each handshake. */
  challenge: number
  /** The challenges of this node that are not answered yet, over all handshakes. */
  pending?: ReadonlySet<number>
  /** The node dialled: the initiator takes no other. */
  peerName?: string
}

/** The acceptor's answer: `nok` and `not_allowed` end the handshake, `alive` asks the peer. */
export type HandshakeStatus = 'ok' | 'ok_simultaneous' | 'nok' | 'alive' | 'not_allowed'

export type HandshakeEvent =
  /** First, for both roles. */
  | { type: 'start' }
  | { type: 'bytes'; bytes: Uint8Array }
  /** The answer to `askStatus`. */
  | { type: 'status'; status: HandshakeStatus }
  /** The answer to `askConflict`. */
  | { type: 'conflictDecision'; proceed: boolean }
  /** `HANDSHAKE_TIMEOUT_MS` have passed since the start. */
  | { type: 'deadline' }
  /** The connection is gone. */
  | { type: 'closed' }

/** Why there is no connection; finer than the code, for whoever decides what to do next. */
export type RefusalReason =
  | 'bad_cookie'
  /** It has no answer of its own: it gave us what we ask of others. */
  | 'reflected'
  | 'bad_format'
  | 'limit_exceeded'
  | 'missing_flags'
  | 'not_allowed'
  | 'same_name'
  /** Both dialled at once and the other connection goes on. */
  | 'simultaneous'
  /** The peers are connected already. */
  | 'already_connected'
  /** Somebody else answers at the address that was dialled. */
  | 'wrong_node'
  | 'deadline'
  | 'closed'

export type HandshakeEffect =
  | { type: 'send'; bytes: Uint8Array }
  | { type: 'askStatus'; peer: { name: string; creation: number } }
  | { type: 'askConflict' }
  /** `flags` are those of both sides; `rest` is what came after the handshake's last byte. */
  | { type: 'established'; peer: NameMessage; flags: Flags; rest: Uint8Array }
  /** Close the connection, after what was sent. */
  | { type: 'refused'; reason: RefusalReason; code: ErrorCode; message: string }

type Phase =
  | 'idle'
  | 'waitStatus'
  | 'askConflict'
  | 'waitChallenge'
  | 'waitAck'
  | 'waitName'
  | 'askStatus'
  | 'waitAlive'
  | 'waitReply'
  | 'done'

const COOKIES_DIFFER = 'the cookies differ: set the same CITADEL_COOKIE on both nodes'
const CODES: Partial<Record<RefusalReason, ErrorCode>> = {
  bad_cookie: 'bad_cookie',
  reflected: 'bad_cookie',
  bad_format: 'bad_format',
  limit_exceeded: 'limit_exceeded',
  same_name: 'name_taken',
  already_connected: 'name_taken',
  simultaneous: 'unavailable',
  deadline: 'timeout',
}
const LENGTH_BYTES = 2

export class Handshake {
  readonly #options: HandshakeOptions
  readonly #cookie: Cookie
  #phase: Phase = 'idle'
  #received: Buffer = Buffer.alloc(0)
  #peer: NameMessage | undefined

  constructor(options: HandshakeOptions) {
    this.#options = options
    this.#cookie = Cookie.of(options.cookie)
  }

  /** True after `established` or `refused`. */
  get done(): boolean {
    return this.#phase === 'done'
  }

  step(event: HandshakeEvent): HandshakeEffect[] {
    if (this.done) return []
    switch (event.type) {
      case 'start':
        return this.#start()
      case 'bytes':
        this.#received = Buffer.concat([this.#received, event.bytes])
        return this.#readFrames()
      case 'status':
        return this.#answerStatus(event.status)
      case 'conflictDecision':
        return this.#answerConflict(event.proceed)
      case 'deadline':
        return this.#refuse('deadline', `${this.#who} did not finish the handshake in time`)
      case 'closed':
        return this.#closed()
    }
  }

  #start(): HandshakeEffect[] {
    const isInitiator = this.#options.role === 'initiator'
    this.#phase = isInitiator ? 'waitStatus' : 'waitName'
    return isInitiator ? [send(encodeName(this.#options.self))] : []
  }

  // Reading. Between a question and its answer nothing is read, and little may be sent.

  #readFrames(): HandshakeEffect[] {
    const effects: HandshakeEffect[] = []
    try {
      while (this.#phase.startsWith('wait')) {
        const body = this.#nextFrame()
        if (body === undefined) return effects
        effects.push(...this.#handleFrame(body))
      }
      this.#limitReadAhead()
    } catch (error) {
      if (!(error instanceof CitadelError)) throw error
      const reason = error.code === 'limit_exceeded' ? 'limit_exceeded' : 'bad_format'
      effects.push(...this.#refuse(reason, error.message))
    }
    return effects
  }

  /** The next whole frame without its length. Its length is judged before its bytes are awaited. */
  #nextFrame(): Buffer | undefined {
    if (this.#received.length < LENGTH_BYTES) return undefined
    const length = this.#received.readUInt16BE(0)
    if (length > HANDSHAKE_FRAME_BYTES_MAX) {
      throw new CitadelError(
        'limit_exceeded',
        `${this.#who} announced a handshake frame of ${length} bytes: is it a node at all?`,
      )
    }
    const end = LENGTH_BYTES + length
    if (this.#received.length < end) return undefined
    const body = this.#received.subarray(LENGTH_BYTES, end)
    this.#received = this.#received.subarray(end)
    return body
  }

  #limitReadAhead(): void {
    if (this.done || this.#received.length <= HANDSHAKE_FRAME_BYTES_MAX) return
    throw new CitadelError('limit_exceeded', `${this.#who} sent too much before it was answered`)
  }

  #handleFrame(body: Buffer): HandshakeEffect[] {
    switch (this.#phase) {
      case 'waitStatus':
        return this.#statusArrived(decodeStatus(body))
      case 'waitChallenge':
        return this.#challengeArrived(decodeChallenge(body))
      case 'waitAck':
        return this.#ackArrived(decodeAck(body))
      case 'waitName':
        return this.#nameArrived(decodeName(body))
      case 'waitAlive':
        return this.#aliveAnswered(decodeStatus(body))
      default:
        return this.#replyArrived(decodeReply(body))
    }
  }

  // The initiator: name, status, challenge, reply, ack.

  #statusArrived(status: StatusMessage): HandshakeEffect[] {
    switch (status) {
      case 'ok':
      case 'ok_simultaneous':
        this.#phase = 'waitChallenge'
        return []
      case 'alive':
        this.#phase = 'askConflict'
        return [{ type: 'askConflict' }]
      case 'nok':
        return this.#refuse('simultaneous', `${this.#who} is dialling us and its call goes first`)
      default:
        return this.#refuse(
          'not_allowed',
          `${this.#who} does not let this node connect (${status}): look at its log for the reason`,
        )
    }
  }

  #answerConflict(proceed: boolean): HandshakeEffect[] {
    if (this.#phase !== 'askConflict') return []
    const answer = send(encodeStatus(proceed ? 'true' : 'false'))
    if (!proceed) {
      const message = `${this.#who} and this node are connected already`
      return [answer, ...this.#refuse('already_connected', message)]
    }
    this.#phase = 'waitChallenge'
    return [answer, ...this.#readFrames()]
  }

  #challengeArrived(message: ChallengeMessage): HandshakeEffect[] {
    const { challenge, peerName } = this.#options
    if (peerName !== undefined && message.name !== peerName) {
      return this.#refuse(
        'wrong_node',
        `${message.name} answered where ${peerName} was dialled: it no longer listens there`,
      )
    }
    const refused = this.#meet(message) ?? this.#refuseReflection(message.challenge)
    if (refused !== undefined) return refused
    this.#phase = 'waitAck'
    const digest = this.#cookie.digest(message.challenge)
    return [send(encodeReply({ challenge, digest }))]
  }

  #ackArrived(digest: Uint8Array): HandshakeEffect[] {
    const right = this.#cookie.digest(this.#options.challenge)
    return sameDigest(digest, right) ? this.#establish() : this.#refuseCookie()
  }

  // The acceptor: name, status, challenge, reply, ack.

  #nameArrived(message: NameMessage): HandshakeEffect[] {
    const refused = this.#meet(message)
    if (refused !== undefined) return [send(encodeStatus('not_allowed')), ...refused]
    this.#phase = 'askStatus'
    return [{ type: 'askStatus', peer: { name: message.name, creation: message.creation } }]
  }

  #answerStatus(status: HandshakeStatus): HandshakeEffect[] {
    if (this.#phase !== 'askStatus') return []
    const answer = send(encodeStatus(status))
    switch (status) {
      case 'nok':
        return [
          answer,
          ...this.#refuse('simultaneous', `${this.#who} is being dialled and our call goes first`),
        ]
      case 'not_allowed':
        return [
          answer,
          ...this.#refuse('not_allowed', `${this.#who} is not allowed to connect to this node`),
        ]
      case 'alive':
        this.#phase = 'waitAlive'
        return [answer, ...this.#readFrames()]
      default:
        return [answer, this.#challenge(), ...this.#readFrames()]
    }
  }

  #aliveAnswered(status: StatusMessage): HandshakeEffect[] {
    if (status === 'true') return [this.#challenge()]
    return this.#refuse('already_connected', `${this.#who} takes the connection it has already`)
  }

  #challenge(): HandshakeEffect {
    const { self, challenge } = this.#options
    this.#phase = 'waitReply'
    return send(encodeChallenge({ ...self, challenge }))
  }

  #replyArrived(reply: ReplyMessage): HandshakeEffect[] {
    const right = this.#cookie.digest(this.#options.challenge)
    if (!sameDigest(reply.digest, right)) return this.#refuseCookie()
    const refused = this.#refuseReflection(reply.challenge)
    if (refused !== undefined) return refused
    return [send(encodeAck(this.#cookie.digest(reply.challenge))), ...this.#establish()]
  }

  // Both.

  /** Keeps what the peer says about itself, or refuses a peer that we cannot speak to. */
  #meet({ name, creation, flags: claimed }: NameMessage): HandshakeEffect[] | undefined {
    const flags = expandFlags(claimed)
    const missing = missingFlags(flags)
    this.#peer = { name, creation, flags }
    if (name === this.#options.self.name) {
      const message = `another node is called ${name} as well: give each node a name of its own`
      return this.#refuse('same_name', message)
    }
    if (missing.length === 0) return undefined
    return this.#refuse(
      'missing_flags',
      `${name} lacks ${missing.join(', ')}: it must be a Citadel or Erlang/OTP 25 or later node`,
    )
  }

  #establish(): HandshakeEffect[] {
    const peer = this.#peer!
    const flags = commonFlags(this.#options.self.flags, peer.flags)
    this.#phase = 'done'
    return [{ type: 'established', peer, flags, rest: this.#received }]
  }

  #closed(): HandshakeEffect[] {
    // An Erlang acceptor closes without a word when the digest it gets is wrong.
    if (this.#phase === 'waitAck') return this.#refuseCookie()
    return this.#refuse('closed', `${this.#who} closed the connection during the handshake`)
  }

  /** Who gives us a challenge of our own has it answered by us, and would answer it by our answer. */
  #refuseReflection(challenge: number): HandshakeEffect[] | undefined {
    const { pending } = this.#options
    if (challenge !== this.#options.challenge && pending?.has(challenge) !== true) return undefined
    return this.#refuse('reflected', `${this.#who} gave a challenge of this node back to it`)
  }

  #refuseCookie(): HandshakeEffect[] {
    return this.#refuse('bad_cookie', `${this.#who} could not be connected: ${COOKIES_DIFFER}`)
  }

  #refuse(reason: RefusalReason, message: string): HandshakeEffect[] {
    this.#phase = 'done'
    this.#received = Buffer.alloc(0)
    return [{ type: 'refused', reason, code: CODES[reason] ?? 'noconnection', message }]
  }

  get #who(): string {
    return this.#peer?.name ?? this.#options.peerName ?? 'the peer'
  }
}

const send = (bytes: Uint8Array): HandshakeEffect => ({ type: 'send', bytes })
