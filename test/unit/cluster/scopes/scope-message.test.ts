import { describe, expect, it } from 'vitest'
import { PARTS } from '../../../../src/cluster/replication/row-digests.js'
import { isCount, isOp } from '../../../../src/cluster/replication/wire-check.js'
import {
  parseScopeMessage,
  type ScopeMessage,
} from '../../../../src/cluster/scopes/scope-message.js'
import { Pid } from '../../../../src/term/pid.js'

const pid = new Pid('a@h', 80, 0, 5)

const good: ScopeMessage[] = [
  ['h', 1, [['c:registry', 5, 3, 7, 0]], 1, 0],
  ['u', 'c:registry', 1, ['gone', ['ended', 1], ['id', null, pid, 1, false, null]], true],
  ['a', 's:supervisor/w', 4],
  ['n', 'g:groups', 0],
  ['s', 'g:groups', 1, 0, 9, [['id', 'g', null, pid, 1, null]]],
  ['c', 'g:groups', 1, 9],
  ['d', 's:supervisor/w', new Array(PARTS).fill(7)],
  ['o', 's:supervisor/w', [['id', null, null, 1, 'a@h']]],
  ['q', [[1, 2, 'c:registry', 'id', null, false, 3, 0]]],
  ['g', [[1, 'taken', pid]]],
  ['r', [1, 2]],
]

describe('A message about scopes', () => {
  it.each(good)('of the kind "%s" is taken as it is', (...message) => {
    expect(parseScopeMessage(message)).toBe(message)
  })

  it.each(good)(
    'of the kind "%s" is refused with any of its fields missing or replaced',
    (...message) => {
      const broken: unknown[][] = [message.slice(0, -1), [...message, 0]]
      for (let at = 1; at < message.length; at++) {
        const values = Array.isArray(message[at]) && message[0] !== 'd' && message[0] !== 'r'
        // What is one of many is left out, or looked at where it is applied.
        for (const value of [undefined, {}, Number.NaN, -2, ...(values ? [] : [[null], [[]]])]) {
          broken.push(message.map((field, index) => (index === at ? value : field)))
        }
      }
      for (const one of broken) expect(() => parseScopeMessage(one)).toThrow(/does not know/)
    },
  )

  it.each(good.filter(([letter]) => 'hqg'.includes(letter)))(
    'of the kind "%s" loses those of its parts that make no sense, and keeps the others',
    (...message) => {
      const at = message.findIndex(Array.isArray)
      const [part] = message[at] as unknown as unknown[]
      const odd = [null, 7, [], [null], {}, ['x', 'y']]
      let left = 0
      const list = [...odd, part, ...odd]
      const read = parseScopeMessage(message.with(at, list as never), isCount, (count) => {
        left += count
      })
      expect(read).toEqual(message)
      expect(left).toBe(2 * odd.length)
    },
  )

  it('takes an update for one only when its deletion has a code for a reason, or is of a later release', () => {
    for (const code of [-1, 0.5, 'process_down', null, undefined, {}]) {
      expect(isOp(['id', code])).toBe(false)
    }
    for (const op of ['id', ['id', 99], ['id', 1, 2]]) expect(isOp(op)).toBe(true)
  })

  it('of an unknown kind is refused', () => {
    for (const term of [null, 5, 'h', {}, [], [1], ['x'], ['constructor', 1], ['__proto__']]) {
      expect(() => parseScopeMessage(term)).toThrow(/does not know/)
    }
  })
})
