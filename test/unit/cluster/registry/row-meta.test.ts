/** What users give to be kept on every node. */
import { expect, test } from 'vitest'
import { rowKey, rowMeta } from '../../../../src/cluster/registry/row-meta.js'

function refuse(): never {
  throw new Error('not to be looked at')
}

test('one node: a value that throws when it is looked at is refused by a code', () => {
  const odd = new Proxy({}, { get: refuse, ownKeys: refuse, getPrototypeOf: refuse })
  expect(() => rowMeta(odd)).toThrow(expect.objectContaining({ code: 'unserializable' }))
  expect(() => rowMeta({ in: odd })).toThrow(expect.objectContaining({ code: 'unserializable' }))
  expect(() => rowKey(odd)).toThrow(expect.objectContaining({ code: 'bad_argument' }))
})
