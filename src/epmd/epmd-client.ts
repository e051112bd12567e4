/**
 * Asks an EPMD: registers a name for as long as the connection stays open, looks up a name, lists
 * the names. Each exchange ends within its deadline, one way or the other: nobody listening or a
 * broken connection rejects `unavailable` (its cause tells which), no answer in time `timeout`.
 */
import type { Clock, Timer } from '../base/clock.js'
import { CitadelError } from '../base/errors.js'
import type { Connection, Transport } from '../base/transport.js'
import {
  type AliveResponse,
  decodeAliveResponse,
  decodeNamesResponse,
  decodePortResponse,
  EPMD_PORT,
  type EpmdName,
  encodeAliveRequest,
  encodeNamesRequest,
  encodePortRequest,
  HANDSHAKE_VERSION,
} from './epmd-protocol.js'

export interface EpmdClientOptions {
  transport: Transport
  clock: Clock
  /** The port of every EPMD asked; 4369 unless set. */
  port?: number
  /** The host of the EPMD to register with; 127.0.0.1 unless set. */
  host?: string
  /** How long one exchange may take; 1 s unless set. */
  timeoutMs?: number
  /** How long to wait for a name that is taken, as it is until its last owner's socket closes. */
  nameTakenRetryMs?: number
}

export interface EpmdEntryOptions {
  /** The name without the host. */
  name: string
  port: number
  hidden?: boolean
  extra?: Uint8Array
}

export interface EpmdRegistration {
  /** Tells this life of the node from earlier ones of the same name. */
  readonly creation: number
  /** Resolves when the EPMD has gone away, or after `close`. */
  readonly lost: Promise<void>
  /** Gives the name back. */
  close(): void
}

const TIMEOUT_MS = 1_000
const NAME_TAKEN_RETRY_MS = 2_000
const NAME_TAKEN_PAUSE_MS = 200
/** A thousand names of 255 bytes fit; the names of one machine never get there. */
const ANSWER_BYTES_MAX = 512 * 1024

interface Answered<T> {
  answer: T
  connection: Connection
  lost: Promise<void>
}

export class EpmdClient {
  readonly #options: Required<EpmdClientOptions>

  constructor(options: EpmdClientOptions) {
    this.#options = {
      port: EPMD_PORT,
      host: '127.0.0.1',
      timeoutMs: TIMEOUT_MS,
      nameTakenRetryMs: NAME_TAKEN_RETRY_MS,
      ...options,
    }
  }

  /**
   * Rejects `name_taken` when another node still has the name after `nameTakenRetryMs`, and
   * `limit_exceeded` when it is refused although nobody has it.
   */
  async register(entry: EpmdEntryOptions): Promise<EpmdRegistration> {
    const { clock, nameTakenRetryMs } = this.#options
    const giveUpAt = clock.now() + nameTakenRetryMs
    for (;;) {
      const registration = await this.#registerOnce(entry)
      if (registration !== undefined) return registration
      if (clock.now() + NAME_TAKEN_PAUSE_MS > giveUpAt) throw await this.#refusal(entry.name)
      await new Promise<void>((resolve) => clock.after(NAME_TAKEN_PAUSE_MS, resolve))
    }
  }

  async #refusal(name: string): Promise<CitadelError> {
    const { host, port } = this.#options
    const isThere = await this.lookup(name).then(Boolean, () => true)
    return isThere ? nameTaken(name) : full(name, `${host}:${port}`)
  }

  /** Where the node `name` listens on `host`; undefined when the EPMD there does not know it. */
  async lookup(name: string, host: string = this.#options.host): Promise<EpmdName | undefined> {
    const { answer, connection } = await this.#ask(
      host,
      encodePortRequest(name),
      decodePortResponse,
    )
    connection.destroy()
    return answer.entry && { name: answer.entry.name, port: answer.entry.port }
  }

  /** All names on `host`. */
  async names(host: string = this.#options.host): Promise<EpmdName[]> {
    const decode = (bytes: Buffer, isWhole: boolean): EpmdName[] | undefined =>
      isWhole ? decodeNamesResponse(bytes) : undefined
    const { answer } = await this.#ask(host, encodeNamesRequest(), decode)
    return answer
  }

  /** Undefined: the name is taken. */
  async #registerOnce(entry: EpmdEntryOptions): Promise<EpmdRegistration | undefined> {
    const request = encodeAliveRequest({
      name: entry.name,
      port: entry.port,
      hidden: entry.hidden ?? true,
      extra: entry.extra ?? new Uint8Array(),
      highestVersion: HANDSHAKE_VERSION,
      lowestVersion: HANDSHAKE_VERSION,
    })
    const { answer, connection, lost } = await this.#ask<AliveResponse>(
      this.#options.host,
      request,
      decodeAliveResponse,
    )
    if (answer.ok) return { creation: answer.creation, lost, close: () => connection.destroy() }
    connection.destroy()
    return undefined
  }

  /** One exchange. The connection stays open; whoever is answered closes it. */
  #ask<T>(
    host: string,
    request: Buffer,
    decode: (bytes: Buffer, isWhole: boolean) => T | undefined,
  ): Promise<Answered<T>> {
    const { transport, clock, port, timeoutMs } = this.#options
    const where = `the EPMD at ${host}:${port}`
    return new Promise((resolve, reject) => {
      let received: Buffer = Buffer.alloc(0)
      let told: () => void = () => {}
      // Not there yet if the connection ends at once.
      let deadline: Timer | undefined
      const lost = new Promise<void>((done) => {
        told = done
      })
      const fail = (error: unknown): void => {
        deadline?.cancel()
        reject(error)
        connection.destroy()
      }
      const read = (isWhole: boolean): void => {
        try {
          const answer = decode(received, isWhole)
          if (answer === undefined) return
          deadline?.cancel()
          resolve({ answer, connection, lost })
        } catch (error) {
          fail(error)
        }
      }
      const connection = transport.dial(
        { host, port },
        {
          opened: () => void connection.write(request),
          received: (bytes) => {
            received = Buffer.concat([received, bytes])
            if (received.length <= ANSWER_BYTES_MAX) return read(false)
            fail(new CitadelError('limit_exceeded', `${where} answered with too many bytes`))
          },
          closed: (error) => {
            if (error === undefined && received.length > 0) read(true)
            fail(new CitadelError('unavailable', `${where} cannot be reached`, { cause: error }))
            told()
          },
        },
      )
      deadline = clock.after(timeoutMs, () => {
        fail(new CitadelError('timeout', `${where} did not answer within ${timeoutMs} ms`))
      })
    })
  }
}

/** True when nobody listens where the EPMD should be. */
export const isNobodyListening = (error: unknown): boolean =>
  error instanceof CitadelError &&
  error.code === 'unavailable' &&
  (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ECONNREFUSED'

const nameTaken = (name: string): CitadelError =>
  new CitadelError(
    'name_taken',
    `a node called ${name} runs on this machine already: stop it or choose another name`,
  )

const full = (name: string, where: string): CitadelError =>
  new CitadelError(
    'limit_exceeded',
    `the EPMD at ${where} refuses ${name}, which nobody has: it may hold as many names as it can, so see who registered them`,
  )
