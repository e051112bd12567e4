/**
 * What is asked of etcd about one key, as a transaction inside that of a whole batch, and what the
 * answer says. A batch compares the node's mark, so all of it is void once that has changed. Etcd
 * allows 128 operations, counted along the deepest branch: with two levels below, up to 126 here.
 */
import type { EtcdBody } from '../../base/etcd-port.js'
import { count, identifier, list, object, toBase64 } from '../../etcd/fields.js'
import type { LeaseTerms } from '../../etcd/node-lease.js'

/** A key as etcd has it. */
export interface Found {
  readonly revision: number
  /** The revision at which it was last free. */
  readonly created: number
  readonly lease: string | undefined
  /** As base64. */
  readonly value: string
}

export type Operation =
  /** Puts the key if it is free or has the revision `over`. */
  | { readonly type: 'put'; readonly key: string; readonly value: string; readonly over: number }
  /** Deletes it if it has that revision, or that value. */
  | { readonly type: 'delete'; readonly key: string; readonly revision: number }
  | { readonly type: 'delete'; readonly key: string; readonly value: string }

export interface Answer {
  readonly isDone: boolean
  /** What is there instead, if it was not done. */
  readonly found: Found | undefined
}

export function batchBody(operations: readonly Operation[], terms: LeaseTerms, mark: string) {
  return {
    compare: [hasRevision(toBase64(mark), terms.mark)],
    success: operations.map((operation) => ({ request_txn: transaction(operation, terms.id) })),
  }
}

/**
 * The answers in order; undefined: the mark has changed, so nothing was done. What has been put has
 * the revision of the whole batch.
 */
export function batchAnswers(body: EtcdBody): Answer[] | undefined {
  if (body.succeeded !== true) return undefined
  return list(body.responses).map((response) => answer(object(response).response_txn))
}

/**
 * Gives a key, while it has the value `of`, back to whose it was before, under the lease of then. If it was
 * free in between, its owner had let it go: then it is free again.
 */
export const restoreBody = (key: string, of: string, { created, value, lease }: Found): object => ({
  compare: [hasValue(key, of), wasCreated(key, created)],
  success: [{ request_put: { key, value, ...(lease === undefined ? {} : { lease }) } }],
  failure: [
    {
      request_txn: {
        compare: [hasValue(key, of)],
        success: [{ request_delete_range: { key } }],
      },
    },
  ],
})

function transaction(operation: Operation, lease: string): object {
  const { key } = operation
  const failure = [{ request_range: { key } }]
  if (operation.type === 'delete') {
    const isThat =
      'revision' in operation
        ? hasRevision(key, operation.revision)
        : hasValue(key, operation.value)
    return { compare: [isThat], success: [{ request_delete_range: { key } }], failure }
  }
  const success = [{ request_put: { key, value: operation.value, lease } }]
  const over = { compare: [hasRevision(key, operation.over)], success, failure }
  return {
    compare: [wasCreated(key, 0)],
    success,
    failure: operation.over > 0 ? [{ request_txn: over }] : failure,
  }
}

/** At 0: it is free. */
const wasCreated = (key: string, revision: number): object => ({
  key,
  target: 'CREATE',
  create_revision: String(revision),
  result: 'EQUAL',
})

const hasRevision = (key: string, revision: number): object => ({
  key,
  target: 'MOD',
  mod_revision: String(revision),
  result: 'EQUAL',
})

const hasValue = (key: string, value: string): object => ({
  key,
  target: 'VALUE',
  value,
  result: 'EQUAL',
})

function answer(field: unknown): Answer {
  const txn = object(field)
  const response = object(list(txn.responses)[0])
  if (response.response_txn !== undefined) return answer(response.response_txn)
  if (txn.succeeded === true) return { isDone: true, found: undefined }
  return { isDone: false, found: found(list(object(response.response_range).kvs)[0]) }
}

function found(field: unknown): Found | undefined {
  const kv = object(field)
  const revision = count(kv.mod_revision)
  if (revision === 0) return undefined
  const value = typeof kv.value === 'string' ? kv.value : ''
  return { revision, created: count(kv.create_revision), lease: identifier(kv.lease), value }
}
