/**
 * One attempt to connect to one node: its remembered addresses in turn, then where EPMD says it
 * listens, then the handshake. When the peer is just dialling us, it is given a moment to finish
 * before we interfere. Ends with exactly one call of `established` or `failed` of its owner.
 */
import { CitadelError } from '../base/errors.js'
import type { Address, Connection, ConnectionHandlers } from '../base/transport.js'
import { type Established, Greeting, type GreetingOptions } from '../distribution/greeting.js'
import type { RefusalReason } from '../distribution/handshake.js'
import { parseAddress } from './address.js'

export interface DialFailure {
  /** Why the last address failed; `refused` there is: nobody listens. */
  reason: RefusalReason | 'unknown' | 'refused' | 'unreachable'
  /** Nobody listens as this node at any of its remembered addresses. */
  gone: boolean
  error: CitadelError
}

export interface DialOwner {
  /** Asked when the network connection is there: a dial by that node is being answered. */
  isGreeting(node: string): boolean
  isConnected(node: string): boolean
  established(established: Established): ConnectionHandlers
  failed(dial: Dial, failure: DialFailure): void
}

export interface DialOptions extends Omit<GreetingOptions, 'peerName'> {
  node: string
  /** URIs, as its capability has them. */
  addresses: readonly string[]
  /** Asked after the addresses; undefined: they are all there is. */
  lookup: ((node: string) => Promise<Address | undefined>) | undefined
  timeoutMs: number
}

/** How long a dial by the peer is given before ours goes on beside it. */
const COURTESY_MS = 300

export class Dial {
  /** Our name is on its way: a dial by the peer now is simultaneous. */
  greeting: Greeting | undefined
  private readonly remembered: Address[]
  private connection: Connection | undefined
  private refusals = 0
  private over = false

  constructor(
    readonly options: DialOptions,
    private readonly owner: DialOwner,
  ) {
    this.remembered = options.addresses.map(parseAddress).filter((address) => address !== undefined)
  }

  get node(): string {
    return this.options.node
  }

  start(): void {
    this.next(0)
  }

  /** Ends it without a word to the owner. */
  abandon(): void {
    this.over = true
    this.greeting?.abandon()
    this.connection?.destroy()
  }

  private next(index: number): void {
    const address = this.remembered[index]
    if (address) this.open(address, index)
    else this.lookUp()
  }

  private lookUp(): void {
    const { lookup, node } = this.options
    if (!lookup) {
      this.fail('unknown', `${node} has no address that can be dialled`)
      return
    }
    lookup(node).then(
      (address) => this.found(address),
      (cause) => this.fail('unreachable', `the EPMD of ${node} could not be asked`, cause),
    )
  }

  private found(address: Address | undefined): void {
    if (this.over) return
    if (address) this.open(address, -1)
    else this.fail('unknown', `EPMD knows no ${this.node}: is it running, under that very name?`)
  }

  /** `index`: among the remembered addresses; -1: from EPMD. */
  private open(address: Address, index: number): void {
    const { transport } = this.options.world
    const greeting = new Greeting(
      { ...this.options, peerName: this.node },
      {
        status: () => 'not_allowed',
        conflict: (node) => !this.owner.isConnected(node),
        established: (established) => this.established(established),
        refused: (_greeting, reason, error) => this.refused(reason, error, index),
      },
    )
    let opened = false
    this.connection = transport.dial(
      address,
      {
        opened: () => {
          opened = true
          this.greet(greeting)
        },
        received: (bytes) => greeting.received(bytes),
        drained: () => greeting.drained(),
        closed: (error) => {
          if (opened) greeting.closed(error)
          else this.notOpened(error, index)
        },
      },
      { timeoutMs: this.options.timeoutMs },
    )
  }

  private greet(greeting: Greeting): void {
    if (!this.owner.isGreeting(this.node)) this.begin(greeting)
    else this.options.world.clock.after(COURTESY_MS, () => this.begin(greeting))
  }

  private begin(greeting: Greeting): void {
    if (this.over || !this.connection) return
    if (!this.owner.isConnected(this.node)) {
      this.greeting = greeting
      greeting.start(this.connection)
      return
    }
    this.connection.destroy()
    this.fail('already_connected', `${this.node} has connected meanwhile`)
  }

  private established(established: Established): ConnectionHandlers {
    this.over = true
    return this.owner.established(established)
  }

  private notOpened(error: NodeJS.ErrnoException | undefined, index: number): void {
    if (this.over) return
    const refused = error?.code === 'ECONNREFUSED'
    if (refused && index >= 0) this.refusals++
    if (this.hasMore(index)) {
      this.next(index + 1)
      return
    }
    const why = refused ? 'nobody listens at its address' : (error?.message ?? 'it closed')
    this.fail(
      refused ? 'refused' : 'unreachable',
      `${this.node} could not be reached: ${why}`,
      error,
    )
  }

  private refused(reason: RefusalReason, error: CitadelError, index: number): void {
    if (this.over) return
    const elsewhere = reason === 'wrong_node' && index >= 0
    if (elsewhere) this.refusals++
    if (elsewhere && this.hasMore(index)) this.next(index + 1)
    else this.end({ reason, gone: this.isGone, error })
  }

  private hasMore(index: number): boolean {
    if (index < 0) return false
    return index + 1 < this.remembered.length || this.options.lookup !== undefined
  }

  private fail(reason: DialFailure['reason'], message: string, cause?: unknown): void {
    if (this.over) return
    const error = new CitadelError('noconnection', message, cause === undefined ? {} : { cause })
    this.end({ reason, gone: this.isGone, error })
  }

  private end(failure: DialFailure): void {
    this.over = true
    this.owner.failed(this, failure)
  }

  private get isGone(): boolean {
    return this.remembered.length > 0 && this.refusals === this.remembered.length
  }
}
