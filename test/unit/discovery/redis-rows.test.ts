import { describe, expect, it } from 'vitest'
import { RedisRows } from '../../../src/discovery/redis-rows.js'

const rows = new RedisRows('shop', 5000)

describe('rows in Redis', () => {
  it("have the original's key names and value, an expiry, and our addresses beside them", () => {
    expect(rows.announce({ name: 'n1@h', addresses: ['tcp://h:1', 'tcp://h:2'] })).toEqual([
      ['SADD', 'CITADEL:shop:nodes', 'n1@h'],
      ['SET', 'CITADEL:shop:node:n1@h', 'OK', 'PX', '5000'],
      ['SET', 'CITADEL:shop:node:n1@h:addr', 'tcp://h:1 tcp://h:2', 'PX', '5000'],
    ])
  })

  it('are all removed by a withdrawal', () => {
    expect(rows.withdraw('n1@h')).toEqual([
      ['SREM', 'CITADEL:shop:nodes', 'n1@h'],
      ['DEL', 'CITADEL:shop:node:n1@h', 'CITADEL:shop:node:n1@h:addr'],
    ])
  })

  it('tell living nodes from names whose key is gone', () => {
    const names = ['a@h', 'b@h', 'c@h']
    const answer = ['OK', null, null, 'tcp://h:9', 'OK', 'tcp://h:1 tcp://h:2']
    expect(rows.reading(names, answer)).toEqual({
      nodes: [{ name: 'a@h' }, { name: 'c@h', addresses: ['tcp://h:1', 'tcp://h:2'] }],
      missing: ['b@h'],
    })
  })

  it('of strangers are left out or cut to what makes sense', () => {
    expect(rows.namesIn(['n1@h', 'garbage', '', 'x'.repeat(400), 7, null, 'a b@c'], 10)).toEqual([
      'n1@h',
    ])
    expect(rows.namesIn('WRONG', 10)).toEqual([])
    expect(rows.namesIn(['a@h', 'b@h', 'c@h'], 2)).toEqual(['a@h', 'b@h'])
    const long = `tcp://h:1 ${'x'.repeat(5000)}`
    expect(rows.reading(['a@h', 'b@h'], ['OK', 'not an address', 'OK', long]).nodes).toEqual([
      { name: 'a@h' },
      { name: 'b@h' },
    ])
    expect(rows.reading(['a@h'], 'WRONG')).toEqual({ nodes: [], missing: ['a@h'] })
  })
})
