/**
 * The simulator's own test: each defect planted on purpose is seen within 200 seeds. To save time
 * the search begins a little before the first seed that is known to catch it (docs/simulator.md),
 * and the same seed must pass without the defect.
 */
import { describe, expect, test } from 'vitest'
import type { Defect } from '../../simulator/defects/defect.js'
import { DEFECTS } from '../../simulator/defects/defects.js'
import { runSeed, SEED_DEFAULTS } from '../../simulator/seed-run.js'

const OPTIONS = SEED_DEFAULTS
const SEEDS_MAX = 200

/** Where to begin, and what may be broken: any other invariant would be a surprise to look into. */
const EXPECTED: Record<string, { near: number; breaks: readonly string[] }> = {
  'stale-update': { near: 1, breaks: ['I1', 'I2', 'I4', 'I8', 'I9', 'I18'] },
  'orphan-dropped': { near: 8, breaks: ['I4', 'I14'] },
  'granted-twice': { near: 1, breaks: ['I3', 'I5'] },
  'down-lost': { near: 5, breaks: ['I6'] },
  'late-snapshot': { near: 1, breaks: ['I1', 'I2', 'I3', 'I8', 'I9', 'I18'] },
  'goes-on-unasked': { near: 2, breaks: ['I12', 'I13'] },
  'works-ungranted': { near: 1, breaks: ['I13'] },
  'gate-open': { near: 3, breaks: ['I8'] },
  'forward-dropped': { near: 1, breaks: ['I8', 'I14', 'I20'] },
  'state-dropped': { near: 1, breaks: ['I12', 'I21'] },
  'goodbye-early': { near: 2, breaks: ['I14'] },
  'reset-kills': { near: 1, breaks: ['I7'] },
  'dead-rows-stay': { near: 1, breaks: ['I1', 'I2', 'I18'] },
  'epoch-stands': { near: 1, breaks: ['I5'] },
  'own-unseen': { near: 93, breaks: ['I3', 'I5'] },
  'forced-unheard': { near: 1, breaks: ['I1', 'I10', 'I18'] },
  'loser-lives': { near: 1, breaks: ['I4', 'I18'] },
  'both-give-up': { near: 1, breaks: ['I1', 'I3', 'I4', 'I9', 'I13', 'I14', 'I18'] },
  'no-order': { near: 15, breaks: ['I1', 'I9', 'I18'] },
  'tombstone-lost': { near: 14, breaks: ['I1', 'I4', 'I18'] },
  'snapshot-holes': { near: 1, breaks: ['I1', 'I8', 'I18'] },
  'restart-forgotten': { near: 13, breaks: ['I4', 'I20'] },
  'restart-twice': { near: 1, breaks: ['I4', 'I18'] },
  'discovery-kills': { near: 1, breaks: ['I1', 'I7', 'I18', 'I19'] },
  'exit-lost': { near: 7, breaks: ['I6'] },
  'cut-untold': { near: 1, breaks: ['I6'] },
  'creation-ignored': { near: 1, breaks: ['I8', 'I17'] },
  'delivered-twice': { near: 1, breaks: ['I6', 'I8'] },
  'lease-ignored': { near: 7, breaks: ['I13', 'I15'] },
  'starts-apart': { near: 1, breaks: ['I20', 'I21'] },
  'end-unheard': { near: 1, breaks: ['I20', 'I21'] },
  'token-late': { near: 1, breaks: ['I24'] },
  'key-token-late': { near: 1, breaks: ['I24'] },
  'helpers-stay': { near: 1, breaks: ['I25'] },
  'late-answer': { near: 1, breaks: ['I23'] },
  'answer-of-anybody': { near: 1, breaks: ['I23'] },
}

type Found = Promise<string | undefined>
const clean = new Map<string, Found>()

/** What the seed without a mistake breaks. Each is run once, for all defects. */
function withoutDefect(seed: number, arbiter: Defect['arbiter']): Found {
  const key = `${seed} ${arbiter}`
  const known = clean.get(key)
  if (known) return known
  const found = runSeed(seed, { ...OPTIONS, arbiter }, false).then(({ breach }) => breach?.what)
  clean.set(key, found)
  return found
}

describe('a defect planted in a simulated cluster', () => {
  test.each(DEFECTS)('$name is caught, and its seed passes without it', async (defect) => {
    const { name, arbiter } = defect
    const { near, breaks } = EXPECTED[name]!
    for (let seed = near; seed <= SEEDS_MAX; seed++) {
      const { breach } = await runSeed(seed, { ...OPTIONS, arbiter, defect: name }, false)
      if (!breach) continue
      expect(breaks).toContain(breach.invariant)
      expect(await withoutDefect(seed, arbiter)).toBeUndefined()
      return
    }
    expect.unreachable(`${name} is not caught by seeds ${near} to ${SEEDS_MAX}`)
  })
})
