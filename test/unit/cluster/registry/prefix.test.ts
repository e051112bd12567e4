import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { beginsWith, PrefixIndex, prefixOf } from '../../../../src/cluster/registry/prefix.js'
import { termKey } from '../../../../src/term/key.js'
import { Tuple } from '../../../../src/term/tuple.js'

const of = (key: unknown): { id: string; key: unknown } => ({ id: termKey(key), key })

/** The prefixes of which the index says that the key begins with them. */
function matching(prefixes: readonly (string | readonly unknown[])[], key: unknown): unknown[] {
  const index = new PrefixIndex<unknown>()
  for (const prefix of prefixes) index.add(prefixOf(prefix), prefix)
  return [...index.matching(of(key))]
}

describe('A prefix of keys', () => {
  it('is of strings by their characters, the first reserved one included', () => {
    const prefixes = ['', 'room/', 'room/5', 'rooms', '\u0001', 's6:']
    expect(matching(prefixes, 'room/51')).toEqual(['', 'room/', 'room/5'])
    expect(matching(prefixes, 'room/')).toEqual(['', 'room/'])
    expect(matching(prefixes, '\u0001room/')).toEqual(['', '\u0001'])
    expect(matching(prefixes, '')).toEqual([''])
  })

  it('is of arrays by their elements, whole and by value', () => {
    const prefixes = [[], ['room'], ['ro'], ['room', 5], ['room', { b: 1, a: 2 }], ['room', 5, 6]]
    expect(matching(prefixes, ['room', 5])).toEqual([[], ['room'], ['room', 5]])
    expect(matching(prefixes, ['room', 51])).toEqual([[], ['room']])
    expect(matching(prefixes, ['room', { a: 2, b: 1 }, 'x'])).toEqual([
      [],
      ['room'],
      ['room', { b: 1, a: 2 }],
    ])
    expect(matching(prefixes, [['room', 5]])).toEqual([[]])
  })

  it('matches keys of its own kind only', () => {
    for (const key of [7, null, { 0: 'room' }, new Tuple(['room']), new Set(['room'])]) {
      expect(matching(['', []], key)).toEqual([])
    }
    expect(matching(['', 'room'], ['room'])).toEqual([])
    expect(matching([[], ['room']], 'room')).toEqual([])
  })

  it('is a string or an array', () => {
    for (const prefix of [undefined, null, 5, { 0: 'a' }, new Tuple(['a'])]) {
      expect(() => prefixOf(prefix)).toThrow(expect.objectContaining({ code: 'bad_argument' }))
    }
    expect(() => prefixOf([() => 1])).toThrow(expect.objectContaining({ code: 'bad_argument' }))
  })

  it('that is taken back matches nothing, and leaves the others', () => {
    const index = new PrefixIndex<number>()
    index.add(prefixOf('a'), 1)
    index.add(prefixOf('a'), 2)
    index.add(prefixOf('b'), 3)
    index.delete(prefixOf('a'), 1)
    index.delete(prefixOf('b'), 3)
    index.delete(prefixOf('c'), 9)
    expect([...index.matching(of('abc'))]).toEqual([2])
    expect([...index.matching(of('b'))]).toEqual([])
  })

  it('is found by the index exactly when the key begins with it, whatever both are', () => {
    const element = fc.oneof(
      fc.string({ maxLength: 3 }),
      fc.integer({ min: 0, max: 12 }),
      fc.boolean(),
    )
    const key = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', 'b', '\u0001', ':'), maxLength: 6 }),
      fc.array(fc.oneof(element, fc.array(element, { maxLength: 2 })), { maxLength: 4 }),
    )
    const begins = (
      key: string | readonly unknown[],
      prefix: string | readonly unknown[],
    ): boolean => {
      if (typeof key === 'string') return typeof prefix === 'string' && key.startsWith(prefix)
      if (typeof prefix === 'string' || prefix.length > key.length) return false
      return prefix.every((one, at) => termKey(one) === termKey(key[at]))
    }
    fc.assert(
      fc.property(fc.array(key, { maxLength: 8 }), key, (prefixes, whole) => {
        const wanted = prefixes.filter((prefix) => begins(whole, prefix))
        expect(new Set(matching(prefixes, whole).map(termKey))).toEqual(
          new Set(wanted.map(termKey)),
        )
        for (const prefix of prefixes) {
          expect(beginsWith(of(whole), prefixOf(prefix))).toBe(begins(whole, prefix))
        }
      }),
      { numRuns: 500 },
    )
  })
})
