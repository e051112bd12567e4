/** How claims are written in etcd, and what answers of its gateway mean. */
import { describe, expect, test } from 'vitest'
import {
  claimKey,
  ownerOf,
  ownerText,
  withEpoch,
} from '../../../../src/cluster/arbiters/etcd-keys.js'
import { replyOf } from '../../../../src/etcd/answers.js'
import { count, toBase64 } from '../../../../src/etcd/fields.js'
import { Pid } from '../../../../src/term/pid.js'

describe('claims in etcd', () => {
  test('no two keys are the same, whatever the texts', () => {
    const ids = ['', '/', 'a/b', 'b', '%', '%0025', '%002f', '\u0001', '\ud800', '\udc00', '\ufffd']
    const scopes = ['c:x', 'c:x/a', 'c:x%002fa', 'c:']
    const keys = scopes.flatMap((scope) => ids.map((id) => claimKey('p/', scope, id)))
    const bytes = keys.map((key) => Buffer.from(key, 'utf8').toString('hex'))
    expect(new Set(bytes).size).toBe(scopes.length * ids.length)
    expect(claimKey('p/', 'c:registry', 'ä lobby')).toBe('p/c:registry/ä lobby')
  })

  test('an owner is read as it was written; with its old token after it was given back', () => {
    const pid = new Pid('a@h', 3, 4, 5)
    const owner = { node: 'a@h', creation: 5, pid, epoch: undefined }
    const value = toBase64(ownerText(owner, 1))
    expect(ownerOf(value)).toEqual(owner)
    expect(ownerOf(toBase64(withEpoch(value, 12)))).toEqual({ ...owner, epoch: 12 })
    const starting = { ...owner, pid: undefined }
    expect(ownerOf(toBase64(ownerText(starting, 2)))).toEqual(starting)
    expect(toBase64(ownerText(owner, 2))).not.toBe(value)
  })

  test.each(['', 'x', toBase64('x'), toBase64('{}'), toBase64('[1]'), toBase64('{"node":1}'), 7])(
    'a value that is none of ours (%s) names no owner',
    (value) => expect(ownerOf(value)).toBeUndefined(),
  )
})

describe('answers of the gateway', () => {
  const error = (code: number, message = 'etcdserver: x') =>
    replyOf({ status: 400, text: JSON.stringify({ error: message, message, code }) })

  test.each([
    [3, 'refused'],
    [7, 'refused'],
    [8, 'overloaded'],
    [14, 'no_leader'],
    [16, 'token_expired'],
    [2, 'unreachable'],
  ])('code %d is %s', (code, failure) => expect(error(code)).toMatchObject({ failure }))

  test('a lease that is not there, a token that is not valid, and errors of a stream are known', () => {
    expect(error(5, 'etcdserver: requested lease not found')).toMatchObject({
      failure: 'lease_gone',
    })
    expect(error(3, 'etcdserver: revision of auth store is old')).toMatchObject({
      failure: 'token_expired',
    })
    const stream = { error: { grpc_code: 14, message: 'etcdserver: no leader' } }
    expect(replyOf({ status: 200, text: JSON.stringify(stream) })).toEqual({
      ok: false,
      failure: 'no_leader',
      message: 'etcdserver: no leader',
    })
  })

  test('of a stream the first answer counts; what is no JSON is no answer', () => {
    const text = '{"result":{"ID":"1"}}\n{"result":{"ID":"2"}}\n'
    expect(replyOf({ status: 200, text })).toEqual({ ok: true, body: { ID: '1' } })
    for (const wrong of ['', '<html>', '3', 'null', '[1]'])
      expect(replyOf({ status: 200, text: wrong })).toMatchObject({ ok: wrong === '[1]' })
    expect(replyOf({ status: 404, text: 'Not Found' })).toMatchObject({ failure: 'refused' })
  })

  test('numbers are text, and what is not one counts as none', () => {
    expect(
      ['12', 12, '', '-1', '1.5', null, undefined, '99999999999999999999', {}].map(count),
    ).toEqual([12, 12, 0, 0, 0, 0, 0, 0, 0])
  })
})
