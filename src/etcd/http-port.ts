/**
 * The real etcd behind `EtcdPort`: several servers, of which one is asked until it fails, a user's
 * token that is renewed when etcd has forgotten it, and a look at whether all servers are of the
 * same cluster: two of them would both give the same key away.
 */

import type { Clock } from '../base/clock.js'
import { messageOf } from '../base/describe.js'
import type { EtcdBody, EtcdPath, EtcdPort, EtcdReply } from '../base/etcd-port.js'
import { type GatewayReply, replyOf } from './answers.js'
import { identifier, object } from './fields.js'
import { type EtcdTlsSettings, HttpExchange } from './http-exchange.js'

export interface HttpEtcdOptions {
  readonly endpoints: readonly string[]
  readonly tls?: EtcdTlsSettings | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly clock: Clock
}

const AUTHENTICATE = '/v3/auth/authenticate'

export class HttpEtcd implements EtcdPort {
  readonly #options: HttpEtcdOptions
  readonly #exchange: HttpExchange
  /** Which of the endpoints is asked. */
  #current = 0
  #token: string | undefined
  #authenticating: Promise<GatewayReply | undefined> | undefined
  #cluster: string | undefined

  constructor(options: HttpEtcdOptions) {
    this.#options = options
    this.#exchange = new HttpExchange(options.clock, options.tls)
  }

  async call(path: EtcdPath, body: object, timeoutMs: number): Promise<EtcdReply> {
    const deadline = this.#options.clock.now() + timeoutMs
    for (let attempt = 1; ; attempt++) {
      const reply = await this.#authorised(path, body, deadline)
      if (reply.ok || reply.failure !== 'token_expired') return reply
      // Forgotten after some minutes, or at a restart: worth one more try with a new one.
      this.#token = undefined
      if (attempt === 2) return { ok: false, failure: 'refused', message: reply.message }
    }
  }

  close(): void {
    this.#exchange.close()
  }

  async #authorised(path: EtcdPath, body: object, deadline: number): Promise<GatewayReply> {
    if (this.#options.username !== undefined && this.#token === undefined) {
      this.#authenticating ??= this.#authenticate(deadline)
      const failed = await this.#authenticating
      if (failed) return failed
    }
    return this.#ask(path, body, deadline)
  }

  /** Undefined: there is a token now. */
  async #authenticate(deadline: number): Promise<GatewayReply | undefined> {
    const { username: name, password = '' } = this.#options
    const reply = await this.#ask(AUTHENTICATE, { name, password }, deadline)
    this.#authenticating = undefined
    if (!reply.ok) return reply
    if (typeof reply.body.token === 'string') {
      this.#token = reply.body.token
      return undefined
    }
    return { ok: false, failure: 'refused', message: 'it gave no token' }
  }

  async #ask(path: string, body: object, deadline: number): Promise<GatewayReply> {
    const { endpoints, clock } = this.#options
    const asked = this.#current
    const endpoint = endpoints[asked]!
    const reply = await this.#exchange
      .post(endpoint, path, body, {
        timeoutMs: Math.max(1, deadline - clock.now()),
        token: path === AUTHENTICATE ? undefined : this.#token,
      })
      .then(replyOf, unreachable)
    if (reply.ok) return this.#ofOneCluster(endpoint, reply.body)
    // Others may have moved on from this server meanwhile.
    if (isOfServer(reply) && this.#current === asked) {
      this.#current = (asked + 1) % endpoints.length
    }
    return { ...reply, message: `${endpoint}: ${reply.message}` }
  }

  #ofOneCluster(endpoint: string, body: EtcdBody): EtcdReply {
    const cluster = identifier(object(body.header).cluster_id)
    this.#cluster ??= cluster
    if (cluster === undefined || cluster === this.#cluster) return { ok: true, body }
    const message = `${endpoint}: belongs to another etcd cluster than the server asked before`
    return { ok: false, failure: 'unreachable', message }
  }
}

/** Another server may do better. */
const isOfServer = (reply: GatewayReply & { ok: false }): boolean =>
  reply.failure === 'unreachable' || reply.failure === 'no_leader'

function unreachable(error: unknown): GatewayReply {
  return { ok: false, failure: 'unreachable', message: textOf(error) }
}

/** What failed, in one line. Node.js joins the failures of several addresses without a message. */
function textOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return textOf(error.errors[0])
  return messageOf(error)
}
