/**
 * Asks whether a node still answers at its addresses, without connecting: says the own name, and hangs up
 * when the challenge tells which start of the node is there. For a member that is not to be connected
 * and whose end is to be known all the same. Ends with exactly one call of `done`.
 */
import type { Timer } from '../base/clock.js'
import type { Address, Connection } from '../base/transport.js'
import type { World } from '../base/world.js'
import { CITADEL_FLAGS } from '../distribution/flags.js'
import {
  decodeChallenge,
  decodeStatus,
  encodeName,
  HANDSHAKE_FRAME_BYTES_MAX,
} from '../distribution/handshake-message.js'
import { parseAddress } from './address.js'

export type ProbeAnswer =
  /** Somebody answers as that node; the creation is missing if it did not get so far. */
  | { type: 'alive'; creation: number | undefined }
  /** Nobody listens as that node at any of its addresses. */
  | { type: 'refused' }
  /** No answer in time. */
  | { type: 'silent' }

export interface ProbeOptions {
  readonly world: World
  readonly self: { readonly name: string; readonly creation: number }
  readonly node: string
  /** URIs, as its capability has them. */
  readonly addresses: readonly string[]
  /** For each address. */
  readonly timeoutMs: number
}

const LENGTH_BYTES = 2

export class Probe {
  private readonly addresses: Address[]
  private connection: Connection | undefined
  private deadline: Timer | undefined
  private refusals = 0
  private over = false

  constructor(
    private readonly options: ProbeOptions,
    private readonly done: (answer: ProbeAnswer) => void,
  ) {
    this.addresses = options.addresses.map(parseAddress).filter((address) => address !== undefined)
  }

  start(): void {
    this.next(0)
  }

  /** Ends it without a word to the owner. */
  abandon(): void {
    this.over = true
    this.deadline?.cancel()
    this.connection?.destroy()
  }

  private next(index: number): void {
    const address = this.addresses[index]
    if (!address) {
      const isGone = index > 0 && this.refusals === index
      this.end({ type: isGone ? 'refused' : 'silent' })
      return
    }
    const { world, timeoutMs } = this.options
    const answer = new Answer(this.options.node)
    const leave = (hasRefused: boolean): void => {
      if (this.over || answer.isRead) return
      answer.isRead = true
      if (hasRefused) this.refusals++
      this.deadline?.cancel()
      connection.destroy()
      this.next(index + 1)
    }
    const connection = world.transport.dial(
      address,
      {
        opened: () => connection.write(encodeName(this.name)),
        received: (bytes) => {
          if (this.over || answer.isRead) return
          const said = answer.read(bytes)
          if (said === 'somebody else') leave(true)
          else if (said) this.end(said)
        },
        closed: (error) => leave(error?.code === 'ECONNREFUSED'),
      },
      { timeoutMs },
    )
    this.connection = connection
    this.deadline = world.clock.after(2 * timeoutMs, () => leave(false))
  }

  private get name() {
    return { ...this.options.self, flags: CITADEL_FLAGS }
  }

  private end(answer: ProbeAnswer): void {
    if (this.over) return
    this.abandon()
    this.done(answer)
  }
}

/** What comes back: a status, then a challenge. */
class Answer {
  isRead = false
  private bytes: Buffer = Buffer.alloc(0)
  private isGreeted = false

  constructor(private readonly node: string) {}

  read(bytes: Uint8Array): ProbeAnswer | 'somebody else' | undefined {
    this.bytes = Buffer.concat([this.bytes, bytes])
    try {
      for (let body = this.frame(); body; body = this.frame()) {
        if (this.isGreeted) return this.challenged(body)
        const status = decodeStatus(body)
        // It knows the name and does not want the connection, which is not wanted anyway.
        if (status !== 'ok' && status !== 'ok_simultaneous')
          return { type: 'alive', creation: undefined }
        this.isGreeted = true
      }
    } catch {
      return 'somebody else'
    }
    return undefined
  }

  private challenged(body: Buffer): ProbeAnswer | 'somebody else' {
    const { name, creation } = decodeChallenge(body)
    return name === this.node ? { type: 'alive', creation } : 'somebody else'
  }

  private frame(): Buffer | undefined {
    if (this.bytes.length < LENGTH_BYTES) return undefined
    const end = LENGTH_BYTES + this.bytes.readUInt16BE(0)
    if (end > LENGTH_BYTES + HANDSHAKE_FRAME_BYTES_MAX) throw new Error('this is no node')
    if (this.bytes.length < end) return undefined
    const body = this.bytes.subarray(LENGTH_BYTES, end)
    this.bytes = this.bytes.subarray(end)
    return body
  }
}
