/** A map that is spread over many once it is large, against a plain one. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RowMap } from '../../../../src/cluster/replication/row-map.js'

const LARGE = 10_000
const name = (i: number): string => `user:${i}`

function filled(count: number): RowMap<number> {
  const map = new RowMap<number>()
  for (let i = 0; i < count; i++) map.set(name(i), i)
  return map
}

test('it holds what a Map would, below and above the size at which it is split', () => {
  const change = fc.record({
    at: fc.nat({ max: 9_000 }),
    much: fc.nat({ max: 6_000 }),
    adds: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
      const map = new RowMap<number>()
      const model = new Map<string, number>()
      for (const { at, much, adds } of changes) {
        for (let i = at; i < at + much; i++) {
          if (adds) {
            map.set(name(i), at)
            model.set(name(i), at)
          } else expect(map.delete(name(i))).toBe(model.delete(name(i)))
        }
        expect(map.size).toBe(model.size)
      }
      expect([...map.keys()].sort()).toEqual([...model.keys()].sort())
      expect([...map.values()].sort()).toEqual([...model.values()].sort())
      for (let i = 0; i < 15_000; i += 7) {
        expect(map.get(name(i))).toBe(model.get(name(i)))
        expect(map.has(name(i))).toBe(model.has(name(i)))
      }
    }),
    { numRuns: 8 },
  )
})

test('a small one keeps the order in which its entries came', () => {
  const map = filled(100)
  map.delete(name(3))
  map.set(name(3), 3)
  expect([...map.keys()].at(-1)).toBe(name(3))
  expect([...map.keys()][3]).toBe(name(4))
})

for (const start of [1_000, LARGE]) {
  test(`${start} entries: who goes through them while it grows comes to an end, and meets none that has gone`, () => {
    const map = filled(start)
    let at = 0
    for (const value of map.present()) {
      if (at > start) break
      // Grows past the split, takes out what may still come, puts in anew what has perhaps been seen.
      for (let i = 0; i < 10; i++) map.set(name(start + at * 10 + i), start + at * 10 + i)
      if (at === 50) for (let i = 0; i < start; i += 10) map.delete(name(i))
      if (at > 50) expect(value % 10 !== 0 || value >= start).toBe(true)
      if (at % 3 === 0) {
        const again = name((at * 7) % start)
        if (map.delete(again)) map.set(again, (at * 7) % start)
      }
      at++
    }
    expect(at).toBeLessThanOrEqual(start)
    expect(map.size).toBeGreaterThan(start)
  })

  test(`${start} entries: what is not touched comes exactly once`, () => {
    const map = filled(start)
    const seen: number[] = []
    for (const value of map.present()) {
      if (value < start) seen.push(value)
      if (seen.length === 500) for (let i = 0; i < LARGE; i++) map.set(`new:${i}`, start + i)
    }
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: start }, (_, i) => i))
  })

  test(`${start} entries: each can be removed while all are gone through`, () => {
    const map = filled(start)
    let removed = 0
    for (const value of map.values()) if (map.delete(name(value))) removed++
    expect(removed).toBe(start)
    expect(map.size).toBe(0)
    expect([...map.values()]).toEqual([])
    map.set('again', 1)
    expect(map.get('again')).toBe(1)
  })
}

test('a value that was replaced after the split does not come as it was', () => {
  const map = filled(1_000)
  const values = map.values()
  values.next()
  for (let i = 0; i < LARGE; i++) map.set(`new:${i}`, -1)
  map.set(name(500), -2)
  map.delete(name(501))
  const rest = [...values]
  expect(rest).not.toContain(500)
  expect(rest).not.toContain(501)
  expect(rest).toContain(502)
})
