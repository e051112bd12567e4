/**
 * How a node uses EPMD: it registers with the one of its machine, whoever runs it. If none
 * answers, the node embeds one; of several that try, `listen` lets one win and the others register
 * with it. When the EPMD goes away, all of them do so again within a second. An EPMD that is there
 * is never replaced, because its port cannot be had.
 */
import { messageOf } from '../base/describe.js'
import { CitadelError } from '../base/errors.js'
import { type Logger, silent } from '../base/log.js'
import { parseNodeName } from '../base/node-name.js'
import { QuietLog } from '../base/quiet-log.js'
import type { Address } from '../base/transport.js'
import type { World } from '../base/world.js'
import {
  EpmdClient,
  type EpmdEntryOptions,
  type EpmdRegistration,
  isNobodyListening,
} from './epmd-client.js'
import { EPMD_PORT, type EpmdName } from './epmd-protocol.js'
import { EpmdServer } from './epmd-server.js'

export interface EpmdOptions {
  world: World
  log?: Logger
  /** The EPMD port of every machine; 4369 unless set. */
  epmdPort?: number
  /** Where this machine's EPMD is asked, and where an embedded one listens; 127.0.0.1 unless set. */
  host?: string
  /** Whether to embed an EPMD when there is none; true unless set. */
  embed?: boolean
}

/** A name that stays registered, through changes of EPMD, until it is closed. */
export interface EpmdLease {
  /** As given at the first registration; it does not change afterwards. */
  readonly creation: number
  close(): void
}

/** How often a race for the port may be lost before giving up. */
const ATTEMPTS_MAX = 20
/** How often an EPMD may be too slow to answer, or close in the middle, before giving up. */
const SLOW_ATTEMPTS_MAX = 5
/** Between two attempts, half of it fixed and half by chance. */
const PAUSE_MS = 200

export class Epmd {
  readonly #world: World
  readonly #log: Logger
  readonly #quiet: QuietLog
  readonly #client: EpmdClient
  readonly #at: Address
  readonly #embed: boolean
  readonly #leases = new Set<Lease>()
  #server: EpmdServer | undefined
  #isClosed = false

  constructor(options: EpmdOptions) {
    this.#world = options.world
    this.#log = options.log ?? silent
    this.#quiet = new QuietLog(this.#log, options.world.clock)
    this.#at = { host: options.host ?? '127.0.0.1', port: options.epmdPort ?? EPMD_PORT }
    this.#embed = options.embed ?? true
    const { transport, clock } = options.world
    this.#client = new EpmdClient({ transport, clock, ...this.#at })
  }

  /** True while this node itself serves the machine's EPMD. */
  get isEmbedded(): boolean {
    return this.#server !== undefined
  }

  /**
   * Registers and stays registered. Rejects `name_taken`, or `unavailable` and `timeout` when
   * there is no EPMD to be had.
   */
  async register(entry: EpmdEntryOptions): Promise<EpmdLease> {
    const registration = await this.#registerSomewhere(entry)
    if (this.#isClosed) {
      registration.close()
      throw stopped()
    }
    const lease = new Lease(entry, registration, (closed) => this.#leases.delete(closed))
    this.#leases.add(lease)
    void this.#keep(lease, registration)
    return lease
  }

  /** Where the node listens; undefined when its machine's EPMD does not know it. */
  async lookup(nodeName: string): Promise<Address | undefined> {
    const { name, host } = parseNodeName(nodeName)
    const found = await this.#client.lookup(name, host)
    return found && { host, port: found.port }
  }

  /** The nodes of a machine, this one unless said otherwise; names without their host. */
  names(host: string = this.#at.host): Promise<EpmdName[]> {
    return this.#client.names(host)
  }

  /** Gives up all names and the embedded EPMD; others take its place. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const lease of this.#leases) lease.close()
    await this.#server?.close()
    this.#server = undefined
  }

  async #registerSomewhere(entry: EpmdEntryOptions): Promise<EpmdRegistration> {
    let slow = 0
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#client.register(entry)
      } catch (error) {
        if (this.#isClosed) throw stopped()
        const isThere = !isNobodyListening(error)
        if (isThere && (!mayAnswerLater(error) || ++slow === SLOW_ATTEMPTS_MAX)) throw error
        if (!isThere && (!this.#embed || attempt === ATTEMPTS_MAX)) throw error
        if (isThere) await this.#pause()
        else await this.#serve()
      }
    }
  }

  /** Embeds an EPMD, unless somebody else was faster. */
  async #serve(): Promise<void> {
    const { host, port } = this.#at
    try {
      const server = await EpmdServer.start({ world: this.#world, log: this.#log, host, port })
      if (this.#isClosed) return await server.close()
      this.#server = server
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return await this.#pause()
      throw new CitadelError(
        'unavailable',
        `no EPMD answers at ${host}:${port} and none can be embedded there: choose another epmdPort`,
        { cause: error },
      )
    }
  }

  /** Registers again, for as long as the lease lives, each time the EPMD goes away. */
  async #keep(lease: Lease, first: EpmdRegistration): Promise<void> {
    await first.lost
    while (!lease.isClosed) {
      this.#log.debug(`the EPMD is gone: ${lease.entry.name} registers again`)
      const registration = await this.#registerAgain(lease)
      if (registration === undefined) return
      lease.renew(registration)
      await registration.lost
    }
  }

  async #registerAgain(lease: Lease): Promise<EpmdRegistration | undefined> {
    let hasWarned = false
    while (!lease.isClosed) {
      try {
        return await this.#registerSomewhere(lease.entry)
      } catch (error) {
        if (!hasWarned && !lease.isClosed)
          this.#quiet.warn(
            'register',
            `cannot register ${lease.entry.name} with EPMD yet: ${messageOf(error)}`,
          )
        hasWarned = true
      }
      await this.#pause()
    }
    return undefined
  }

  #pause(): Promise<void> {
    const delayMs = (PAUSE_MS / 2) * (1 + this.#world.random.float())
    return new Promise((resolve) => this.#world.clock.after(delayMs, resolve))
  }
}

/** One that is embedded in a busy node, or in a node that is just stopping. */
const mayAnswerLater = (error: unknown): boolean =>
  error instanceof CitadelError && (error.code === 'timeout' || error.code === 'unavailable')

const stopped = (): CitadelError =>
  new CitadelError('stopped', 'the node is stopping: it registers no name any more')

class Lease implements EpmdLease {
  readonly entry: EpmdEntryOptions
  readonly creation: number
  isClosed = false
  readonly #onClose: (lease: Lease) => void
  #registration: EpmdRegistration

  constructor(
    entry: EpmdEntryOptions,
    registration: EpmdRegistration,
    onClose: (lease: Lease) => void,
  ) {
    this.entry = entry
    this.creation = registration.creation
    this.#registration = registration
    this.#onClose = onClose
  }

  renew(registration: EpmdRegistration): void {
    this.#registration = registration
    if (this.isClosed) registration.close()
  }

  close(): void {
    this.isClosed = true
    this.#registration.close()
    this.#onClose(this)
  }
}
