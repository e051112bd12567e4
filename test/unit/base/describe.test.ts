import { describe, expect, test } from 'vitest'
import { describeQuoted, describe as inWords, oneLine } from '../../../src/base/describe.js'
import { errorText } from '../../../src/base/error-text.js'
import { Atom } from '../../../src/term/atom.js'
import { Pid } from '../../../src/term/pid.js'
import { Tuple } from '../../../src/term/tuple.js'
import { oddValues } from '../../support/odd-values.js'

// biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/

describe('any value in words', () => {
  test.each(Object.entries(oddValues))(
    'no node: %s has at most 200 characters on one line',
    (_, make) => {
      for (const text of [inWords(make()), describeQuoted(make()), inWords({ error: make() })]) {
        expect(text.length).toBeLessThanOrEqual(200)
        expect(text).not.toMatch(UNPRINTABLE)
      }
    },
  )

  test('no node: ordinary values are shown as they are written', () => {
    expect(inWords('a text')).toBe('a text')
    expect(describeQuoted('a text')).toBe("'a text'")
    expect(inWords(new TypeError('no'))).toBe('TypeError: no')
    expect(inWords({ a: 1, b: ['x', null] })).toBe("{ a: 1, b: ['x', null] }")
    expect(inWords(new Map([['k', 1n]]))).toBe("Map(1) { 'k' => 1n }")
    expect(inWords(new Tuple(new Atom('a'), 1))).toBe('{a, 1}')
    expect(inWords([new Pid('n@h', 80, 0, 7)])).toBe('[<n@h.80.0>]')
    expect(inWords({ a: { b: { c: { d: 1 } } } })).toBe('{ a: { b: { c: {...} } } }')
    expect(inWords(Array.from({ length: 11 }, () => 0))).toBe('[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...]')
  })

  test('no node: a getter is named and not asked', () => {
    const value = Object.defineProperty({}, 'secret', { get: () => 'told', enumerable: true })
    expect(inWords(value)).toBe('{ secret: [getter] }')
  })

  test('no node: what a terminal obeys is escaped, and a long text cut', () => {
    expect(oneLine('a\n\u001b[31m\u2028b')).toBe('a\\n\\u001b[31m\\u2028b')
    expect(oneLine('x'.repeat(300))).toHaveLength(200)
    expect(oneLine('ü🚀')).toBe('ü🚀')
  })

  test('no node: an error has its message on one line, then its stack, then its causes', () => {
    const error = new Error('two\nlines', { cause: new TypeError('why') })
    const lines = errorText(error).split('\n')
    expect(lines[0]).toBe('Error: two\\nlines')
    expect(lines[1]).toMatch(/^ +at .*describe\.test\.ts:\d+:\d+/)
    expect(lines.filter((line) => line === '  caused by TypeError: why')).toHaveLength(1)
  })
})
