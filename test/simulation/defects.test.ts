/**
 * The simulator's own test: each defect planted on purpose is seen within 200 seeds. To save time
 * the search begins a little before the first seed that is known to catch it (docs/simulator.md),
 * and the same seed must pass without the defect.
 */
import { describe, expect, test } from 'vitest'
import { DEFECTS } from '../../src/testing/defects.js'
import { runSeed, SEED_DEFAULTS } from '../../src/testing/seed-run.js'

const OPTIONS = SEED_DEFAULTS
const SEEDS_MAX = 200

/** Where to begin, and what may be broken: any other invariant would be a surprise to look into. */
const EXPECTED: Record<string, { near: number; breaks: readonly string[] }> = {
  'stale-update': { near: 1, breaks: ['I1', 'I2', 'I4', 'I8', 'I9'] },
  'orphan-dropped': { near: 4, breaks: ['I4', 'I14'] },
  'granted-twice': { near: 1, breaks: ['I3', 'I5'] },
  'down-lost': { near: 5, breaks: ['I6'] },
  'late-snapshot': { near: 1, breaks: ['I1', 'I2', 'I8', 'I9'] },
  'goes-on-unasked': { near: 3, breaks: ['I12', 'I13'] },
  'works-ungranted': { near: 1, breaks: ['I13'] },
  'gate-open': { near: 2, breaks: ['I8'] },
  'forward-dropped': { near: 1, breaks: ['I8', 'I14'] },
  'state-dropped': { near: 1, breaks: ['I12'] },
  'goodbye-early': { near: 1, breaks: ['I14'] },
}

describe('a defect planted in a simulated cluster', () => {
  test.each(DEFECTS)('$name is caught, and its seed passes without it', async ({ name }) => {
    const { near, breaks } = EXPECTED[name]!
    for (let seed = near; seed <= SEEDS_MAX; seed++) {
      const { breach } = await runSeed(seed, { ...OPTIONS, defect: name }, false)
      if (!breach) continue
      expect(breaks).toContain(breach.invariant)
      expect((await runSeed(seed, OPTIONS, false)).breach).toBeUndefined()
      return
    }
    expect.unreachable(`${name} is not caught by seeds ${near} to ${SEEDS_MAX}`)
  })
})
