/**
 * The simulator's own test: each defect planted on purpose must be seen within 200 seeds, by an
 * invariant that it is known to break. To save time the search begins at the first seed that is known to
 * catch it (docs/simulator.md), and the same seed must pass without the defect.
 */

import type { Defect } from './defects/defect.js'
import { runSeed, SEED_DEFAULTS } from './seed-run.js'

export const SEEDS_MAX = 200

export interface Expected {
  /** Where the search begins. */
  readonly near: number
  /** What may be broken: any other invariant would be a surprise to look into. */
  readonly breaks: readonly string[]
}

export const EXPECTED: Readonly<Record<string, Expected>> = {
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

export class DefectSearch {
  private readonly clean = new Map<string, Promise<string | undefined>>()

  /** What is wrong with how a defect is caught; undefined: it is caught as it should be. */
  async fault({ name, arbiter }: Defect): Promise<string | undefined> {
    const expected = EXPECTED[name]
    if (!expected) return `${name} has no line in the table of what is expected`
    for (let seed = expected.near; seed <= SEEDS_MAX; seed++) {
      const { breach } = await runSeed(seed, { ...SEED_DEFAULTS, arbiter, defect: name }, false)
      if (!breach) continue
      if (!expected.breaks.includes(breach.invariant)) {
        return `${name} breaks ${breach.invariant} with seed ${seed}: ${breach.what}`
      }
      const without = await this.withoutDefect(seed, arbiter)
      return without && `seed ${seed} fails without ${name} too: ${without}`
    }
    return `${name} is not caught by seeds ${expected.near} to ${SEEDS_MAX}`
  }

  /** What the seed breaks without a mistake. Each is run once, for all defects. */
  private withoutDefect(seed: number, arbiter: Defect['arbiter']): Promise<string | undefined> {
    const key = `${seed} ${arbiter}`
    const known = this.clean.get(key)
    if (known) return known
    const run = runSeed(seed, { ...SEED_DEFAULTS, arbiter }, false)
    const found = run.then(({ breach }) => breach?.what)
    this.clean.set(key, found)
    return found
  }
}
