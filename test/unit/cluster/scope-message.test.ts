import { describe, expect, it } from 'vitest'
import { PARTS } from '../../../src/cluster/row-digests.js'
import { parseScopeMessage, type ScopeMessage } from '../../../src/cluster/scope-message.js'
import { Pid } from '../../../src/term/pid.js'

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
        for (const value of [undefined, {}, Number.NaN, -2, [null], [[]]]) {
          broken.push(message.map((field, index) => (index === at ? value : field)))
        }
      }
      for (const one of broken) expect(() => parseScopeMessage(one)).toThrow(/does not know/)
    },
  )

  it('with a deletion whose reason is no code is refused, and one of a later release is not', () => {
    const updates = (op: unknown): unknown[] => ['u', 'g:groups', 1, [op], false]
    for (const code of [-1, 0.5, 'process_down', null, undefined, {}]) {
      expect(() => parseScopeMessage(updates(['id', code]))).toThrow(/does not know/)
    }
    expect(parseScopeMessage(updates(['id', 99]))).toEqual(updates(['id', 99]))
  })

  it('of an unknown kind is refused', () => {
    for (const term of [null, 5, 'h', {}, [], [1], ['x'], ['constructor', 1], ['__proto__']]) {
      expect(() => parseScopeMessage(term)).toThrow(/does not know/)
    }
  })
})
