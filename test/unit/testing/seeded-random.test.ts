import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../../src/testing/seeded-random.js'

const words = (random: SeededRandom, count = 8): number[] =>
  Array.from({ length: count }, () => random.uint32())

describe('seeded random', () => {
  it('gives the same words for the same seed, and others for its neighbour', () => {
    expect(words(new SeededRandom(7))).toEqual(words(new SeededRandom(7)))
    expect(words(new SeededRandom(7))).not.toEqual(words(new SeededRandom(8)))
    expect(words(new SeededRandom(7))).not.toEqual(words(new SeededRandom(7 + 2 ** 32)))
  })

  it('never changes what a seed means', () => {
    expect(words(new SeededRandom(1), 4)).toMatchInlineSnapshot(`
      [
        1287777791,
        527686970,
        2283097586,
        2995818736,
      ]
    `)
  })

  it('forks by label, however far the parent has run', () => {
    const parent = new SeededRandom(42)
    const early = words(parent.fork('network'))
    parent.uint32()
    expect(words(parent.fork('network'))).toEqual(early)
    expect(words(parent.fork('faults'))).not.toEqual(early)
    expect(words(new SeededRandom(43).fork('network'))).not.toEqual(early)
  })

  it('is even over its range', () => {
    const random = new SeededRandom(3)
    const counts = new Array<number>(10).fill(0)
    for (let round = 0; round < 100_000; round++) counts[random.below(10)]!++
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500)
  })

  it('keeps below, between, chance and pick inside their ranges', () => {
    const random = new SeededRandom(5)
    for (let round = 0; round < 1000; round++) {
      expect(random.below(3)).toBeLessThan(3)
      const between = random.between([2, 4])
      expect(between).toBeGreaterThanOrEqual(2)
      expect(between).toBeLessThan(4)
      expect(random.chance(0)).toBe(false)
      expect(random.chance(1)).toBe(true)
      expect(['a', 'b']).toContain(random.pick(['a', 'b']))
    }
    expect(() => random.pick([])).toThrow('nothing to pick')
  })

  it('shuffles into a permutation and leaves the original alone', () => {
    const items = [1, 2, 3, 4, 5, 6, 7, 8]
    const shuffled = new SeededRandom(9).shuffled(items)
    expect(items).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(shuffled).not.toEqual(items)
    expect([...shuffled].sort()).toEqual(items)
  })
})
