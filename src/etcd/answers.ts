/**
 * What an answer of the gateway means: its JSON, or which kind of failure. Pure. The gateway tells
 * errors as gRPC codes with etcd's sentence.
 */
import type { EtcdFailure, EtcdReply } from '../base/etcd-port.js'
import { count, object } from './fields.js'

export interface HttpAnswer {
  readonly status: number
  readonly text: string
}

/** Besides what a port answers: the token is not valid (any more), so the port asks for a new one. */
export type GatewayReply =
  | EtcdReply
  | { readonly ok: false; readonly failure: 'token_expired'; readonly message: string }

type Kind = EtcdFailure | 'token_expired'

/** Codes that say that a request is wrong: invalid, not found, denied, precondition, unimplemented. */
const REFUSALS: ReadonlySet<number> = new Set([3, 5, 7, 9, 12])
const EXHAUSTED = 8
const UNAVAILABLE = 14
const UNAUTHENTICATED = 16

export function replyOf({ status, text }: HttpAnswer): GatewayReply {
  const body = parse(text)
  if (body === undefined) {
    const message = `it answered ${status} with something that is not JSON; is that etcd 3.4 or later?`
    return { ok: false, failure: status === 404 ? 'refused' : 'unreachable', message }
  }
  if (body.error !== undefined) return failureOf(body)
  // A stream's answers come one by one, each in a `result`.
  return { ok: true, body: body.result === undefined ? body : object(body.result) }
}

/** Streams tell an error as an object, all else as a sentence beside its code. */
function failureOf(body: ReturnType<typeof object>): GatewayReply {
  const inStream = typeof body.error === 'object'
  const { message, grpc_code, code } = inStream ? object(body.error) : body
  const sentence = String(inStream ? message : body.error)
  return { ok: false, failure: kindOf(sentence, count(code ?? grpc_code)), message: sentence }
}

function kindOf(sentence: string, code: number): Kind {
  if (/invalid auth token|revision of auth store is old/.test(sentence)) return 'token_expired'
  if (/lease not found/.test(sentence)) return 'lease_gone'
  if (code === UNAUTHENTICATED) return 'token_expired'
  if (code === EXHAUSTED) return 'overloaded'
  if (code === UNAVAILABLE) return 'no_leader'
  return REFUSALS.has(code) ? 'refused' : 'unreachable'
}

/** The first JSON object: a stream writes one per line. */
function parse(text: string): ReturnType<typeof object> | undefined {
  const end = text.indexOf('\n')
  try {
    const value: unknown = JSON.parse(end < 0 ? text : text.slice(0, end))
    return typeof value === 'object' && value !== null ? object(value) : undefined
  } catch {
    return undefined
  }
}
