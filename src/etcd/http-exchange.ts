/**
 * One request to one server of etcd over HTTP, with a deadline and a limit to the size of the
 * answer. Connections are kept open between requests.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Clock } from '../base/clock.js'
import type { HttpAnswer } from './answers.js'

/** As `EtcdOptions.tls`. */
export interface EtcdTlsSettings {
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[]
  readonly cert?: string | Uint8Array
  readonly key?: string | Uint8Array
  readonly servername?: string
}

/** A hundred answers to claims are about 50 KiB. */
const ANSWER_MAX = 4 * 1024 * 1024
const SOCKETS_MAX = 16

export class HttpExchange {
  readonly #http = new HttpAgent({ keepAlive: true, maxSockets: SOCKETS_MAX })
  readonly #https: HttpsAgent
  readonly #clock: Clock

  constructor(clock: Clock, tls: EtcdTlsSettings = {}) {
    this.#clock = clock
    this.#https = new HttpsAgent({
      ...(tls as object),
      keepAlive: true,
      maxSockets: SOCKETS_MAX,
    })
  }

  /** Rejects when there is no connection, no answer in time, or too much of one. */
  post(
    endpoint: string,
    path: string,
    body: object,
    { timeoutMs, token }: { timeoutMs: number; token?: string | undefined },
  ): Promise<HttpAnswer> {
    const text = JSON.stringify(body)
    const isHttps = endpoint.startsWith('https:')
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      // A server without a leader says so at once, instead of waiting for one.
      'grpc-metadata-hasleader': 'true',
      ...(token === undefined ? {} : { authorization: token }),
    }
    const send = isHttps ? httpsRequest : httpRequest
    const agent = isHttps ? this.#https : this.#http
    return new Promise((resolve, reject) => {
      const request = send(new URL(path, endpoint), { method: 'POST', headers, agent })
      const timer = this.#clock.after(timeoutMs, () =>
        request.destroy(new Error(`no answer within ${Math.round(timeoutMs)} ms`)),
      )
      const failed = (error: Error): void => {
        timer.cancel()
        reject(error)
      }
      request.once('error', failed)
      request.once('response', (response) => {
        textOf(response).then((answer) => {
          timer.cancel()
          resolve({ status: response.statusCode ?? 0, text: answer })
        }, failed)
      })
      request.end(text)
    })
  }

  close(): void {
    this.#http.destroy()
    this.#https.destroy()
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response) {
    size += (chunk as Buffer).length
    if (size > ANSWER_MAX) throw new Error(`an answer of more than ${ANSWER_MAX} bytes`)
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}
