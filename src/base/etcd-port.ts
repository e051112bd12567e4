/**
 * The door to etcd: its JSON gateway as one call. `etcd/http-port.ts` is the real one; a simulated etcd
 * can stand behind it as well. Failures are data, since whoever asks has to decide by their kind
 * whether something may have been done.
 */

export type EtcdFailure =
  /** No connection, no answer in time, or an answer that is none: it may have been done. */
  | 'unreachable'
  /** This server has no leader, or lost it meanwhile: it may have been done. */
  | 'no_leader'
  /** The lease has ended or was never there. */
  | 'lease_gone'
  /** Too many requests, or no space left: not done. */
  | 'overloaded'
  /** The user, the password, the rights or the request are wrong: not done. */
  | 'refused'

/** A JSON object as the gateway answers it: fields that are zero, false or empty are left out. */
export type EtcdBody = Readonly<Record<string, unknown>>

export type EtcdReply =
  | { readonly ok: true; readonly body: EtcdBody }
  | { readonly ok: false; readonly failure: EtcdFailure; readonly message: string }

export type EtcdPath =
  | '/v3/kv/txn'
  | '/v3/kv/put'
  | '/v3/kv/range'
  | '/v3/lease/grant'
  | '/v3/lease/keepalive'
  | '/v3/lease/revoke'

export interface EtcdPort {
  /** Asks once. Never rejects, and settles within `timeoutMs` or a little later. */
  call(path: EtcdPath, body: object, timeoutMs: number): Promise<EtcdReply>
  /** Gives up what is under way. */
  close(): void
}

/** Whether a request that failed like this may have been carried out, or may yet be. */
export function mayBeDone(failure: EtcdFailure): boolean {
  return failure === 'unreachable' || failure === 'no_leader'
}
