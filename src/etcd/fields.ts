/**
 * The fields of etcd's JSON: bytes are base64, 64-bit numbers are strings, and what is zero is left
 * out. Readers never throw; what is not as it should be reads as if it were not there.
 */
import type { EtcdBody } from '../base/etcd-port.js'

export const toBase64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64')

export const fromBase64 = (field: unknown): string =>
  typeof field === 'string' ? Buffer.from(field, 'base64').toString('utf8') : ''

/** A number that counts something; 0 unless it is there and fits. */
export function count(field: unknown): number {
  const number = typeof field === 'string' && /^\d{1,16}$/.test(field) ? Number(field) : field
  return Number.isSafeInteger(number) && (number as number) > 0 ? (number as number) : 0
}

export function object(field: unknown): EtcdBody {
  return typeof field === 'object' && field !== null && !Array.isArray(field)
    ? (field as EtcdBody)
    : {}
}

export const list = (field: unknown): readonly unknown[] => (Array.isArray(field) ? field : [])

/** The number of an object of etcd (a lease, a cluster), kept as text: it has 64 bits. */
export const identifier = (field: unknown): string | undefined =>
  typeof field === 'string' && field !== '' && field !== '0' ? field : undefined

/** The revision of the store that an answer tells. */
export const revisionOf = (body: EtcdBody): number => count(object(body.header).revision)
