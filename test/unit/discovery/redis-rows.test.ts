import { describe, expect, it } from 'vitest'
import { Cookie } from '../../../src/base/cookie.js'
import { RedisRows } from '../../../src/discovery/redis-rows.js'

const rows = new RedisRows('shop', 5000)

describe('rows in Redis', () => {
  it("have the original's key names and value, an expiry, and our addresses beside them", () => {
    expect(rows.announce({ name: 'n1@h', addresses: ['tcp://h:1', 'tcp://h:2'] }, 0)).toEqual([
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
    const answer = ['OK', '', '', 'tcp://h:9', 'OK', 'tcp://h:1 tcp://h:2']
    expect(rows.reading(names, answer, 0)).toEqual({
      unsigned: [],
      nodes: [{ name: 'a@h' }, { name: 'c@h', addresses: ['tcp://h:1', 'tcp://h:2'] }],
      missing: ['b@h'],
    })
  })

  it('of strangers are left out or cut to what makes sense', () => {
    const strange = ['n1@h', 'garbage', '', 'x'.repeat(400), 7, null, 'a b@c', 'n\u001b@h', 'é@h']
    expect(rows.namesIn(['0', strange])).toEqual({ names: ['n1@h'], cursor: '0' })
    expect(rows.namesIn('WRONG')).toEqual({ names: [], cursor: '0' })
    const long = `tcp://h:1 ${'x'.repeat(5000)}`
    const answers = ['OK', 'not an address', 'OK', long]
    expect(rows.reading(['a@h', 'b@h'], answers, 0).nodes).toEqual([
      { name: 'a@h' },
      { name: 'b@h' },
    ])
    expect(rows.reading(['a@h'], [], 0)).toMatchObject({ nodes: [], missing: ['a@h'] })
    // Neither of the two commands for a name brings more, whatever lies there.
    expect(rows.readNodes(['a@h'])).toEqual([
      ['GETRANGE', 'CITADEL:shop:node:a@h', '0', '16'],
      ['GETRANGE', 'CITADEL:shop:node:a@h:addr', '0', '4096'],
    ])
  })
})

describe('rows in Redis that are signed with the cookie', () => {
  const signed = new RedisRows('shop', 5000, Cookie.of('secret'))
  const node = { name: 'n1@h', addresses: ['tcp://h:1', 'tcp://h:2'] }
  const rowOf = (from: RedisRows, time = 1_000_000) => from.announce(node, time)[2]![2]!
  const read = (row: string, { name = 'n1@h', time = 1_000_000 } = {}) =>
    signed.reading([name], ['OK', row], time)

  it('count for their node, domain and time', () => {
    expect(read(rowOf(signed))).toMatchObject({ nodes: [node], unsigned: [] })
    expect(read(rowOf(signed), { time: 1_500_000 })).toMatchObject({ nodes: [node] })
  })

  it('count for nobody else, in no other domain, not later, with no other cookie and no change', () => {
    const none = (name = 'n1@h') => ({ nodes: [{ name }], unsigned: [name] })
    const row = rowOf(signed)
    expect(read(row, { name: 'n2@h' })).toMatchObject(none('n2@h'))
    expect(read(row, { time: 2_000_000 })).toMatchObject(none())
    expect(read(rowOf(new RedisRows('other', 5000, Cookie.of('secret'))))).toMatchObject(none())
    expect(read(rowOf(new RedisRows('shop', 5000, Cookie.of('guess'))))).toMatchObject(none())
    expect(read(row.replace('h:1', 'h:3'))).toMatchObject(none())
    expect(read(`tcp://evil:1 ${row}`)).toMatchObject(none())
    expect(read('tcp://evil:1')).toMatchObject(none())
  })

  it('are read by nodes of an earlier release as before', () => {
    expect(rows.reading(['n1@h'], ['OK', rowOf(signed)], 0).nodes).toEqual([node])
  })
})
