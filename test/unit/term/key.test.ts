import { describe, expect, test } from 'vitest'
import { Atom } from '../../../src/term/atom.js'
import { copyTerm } from '../../../src/term/codec.js'
import { ImproperList } from '../../../src/term/improper-list.js'
import { termKey } from '../../../src/term/key.js'
import { Pid } from '../../../src/term/pid.js'
import { Ref } from '../../../src/term/ref.js'
import { Tuple } from '../../../src/term/tuple.js'

const pid = (serial = 0) => new Pid('n1@127.0.0.1', 5, serial, 1)

describe('the key of a term', () => {
  test('is the string itself for a plain string', () => {
    expect(termKey('room:1')).toBe('room:1')
    expect(termKey('')).toBe('')
  })

  test.each<[string, unknown, unknown]>([
    ['0 and -0', 0, -0],
    ['objects with their keys in another order', { a: 1, b: [2] }, { b: [2], a: 1 }],
    [
      'Maps in another order',
      new Map([
        [1, 2],
        [3, 4],
      ]),
      new Map([
        [3, 4],
        [1, 2],
      ]),
    ],
    ['sets in another order', new Set(['a', 'b']), new Set(['b', 'a'])],
    ['equal pids', pid(), pid()],
    ['equal refs', new Ref('n', 1, [1, 2, 3]), new Ref('n', 1, [1, 2, 3])],
    ['equal dates', new Date(5), new Date(5)],
    ['equal bytes of different classes', new Uint8Array([1, 2]), Buffer.from([1, 2])],
    ['a float beyond the safe integers and its copy', 2 ** 70, copyTerm(2 ** 70)],
  ])('is equal for %s', (_, left, right) => {
    expect(termKey(left)).toBe(termKey(right))
  })

  test('differs for all of these', () => {
    const different = [
      1,
      1n,
      '1',
      1.5,
      true,
      'true',
      false,
      null,
      undefined,
      'null',
      'undefined',
      Infinity,
      -Infinity,
      new Atom('a'),
      'a',
      ['a'],
      new Tuple('a'),
      new Set(['a']),
      { a: 'a' },
      new Map([['a', 'a']]),
      new ImproperList(['a'], 'b'),
      ['a', 'b'],
      ['ab'],
      [['a'], 'b'],
      [['a', 'b']],
      [],
      {},
      new Map(),
      new Set(),
      new Tuple(),
      '',
      [''],
      pid(),
      pid(1),
      new Pid('n2@127.0.0.1', 5, 0, 1),
      new Pid('n1@127.0.0.1', 5, 0, 2),
      new Ref('n', 1, [1, 2]),
      new Ref('n', 1, [12]),
      new Date(5),
      5,
      new Uint8Array([97]),
      '\u0001',
      '\u0001\u0001',
      '\u0001n1;',
      ['\u0001'],
      { a: { b: 1 } },
      { a: {}, b: 1 },
      new Map([[new Atom('a'), 'a']]),
    ]
    expect(new Set(different.map(termKey)).size).toBe(different.length)
  })

  test.each<[string, unknown]>([
    ['NaN', Number.NaN],
    ['NaN inside', [{ a: Number.NaN }]],
    ['an invalid date', new Date(Number.NaN)],
    ['a function', () => 1],
    ['a symbol', Symbol('x')],
    ['an error', new Error('x')],
    ['a class instance', new (class Room {})()],
    ['a promise', Promise.resolve()],
  ])('refuses %s', (_, value) => {
    expect(() => termKey(value)).toThrowError(expect.objectContaining({ code: 'bad_argument' }))
  })

  test('refuses a cycle by the depth it reaches', () => {
    const cycle: unknown[] = []
    cycle.push(cycle)
    expect(() => termKey(cycle)).toThrowError(expect.objectContaining({ code: 'limit_exceeded' }))
  })
})
