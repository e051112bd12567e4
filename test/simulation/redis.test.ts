/**
 * An hour in which Redis is killed, frozen, slow, flushed, replaced by an empty one, out of reach,
 * back with old rows and full of lies, one after the other: promise S10.
 */
import { describe, expect, test } from 'vitest'
import { REDIS_FAULT_KINDS } from '../../simulator/faults/redis-faults.js'
import { failureOf } from '../../simulator/report.js'
import { runSeed, SEED_DEFAULTS } from '../../simulator/seed-run.js'

const OPTIONS = { ...SEED_DEFAULTS, minutes: 60, only: 'redis' } as const

describe('five simulated nodes that find each other through Redis, for an hour', () => {
  test.each([1, 2])('seed %i: whatever happens to Redis, nothing else does', async (seed) => {
    const result = await runSeed(seed, OPTIONS, false)
    expect(failureOf(result, OPTIONS)).toBeUndefined()
    expect(result.simulatedMs).toBeGreaterThanOrEqual(3_600_000)
    expect(Object.keys(result.faults).sort()).toEqual([...REDIS_FAULT_KINDS].sort())
    expect(result.watched['deaths declared']).toBe(0)
    expect(result.watched['calls to children that had to be answered']).toBeGreaterThan(0)
  })
})
