/**
 * A hostile member and a hostile Erlang node, both with the cookie, as programs of their own: what
 * they send follows from the seed. The node that they attack, and one beside it, notice nothing.
 */
import { expect, test } from 'vitest'
import { attack } from '../support/hostile/attack.js'

/** One for all, so that a change is judged by the same frames; the endurance program takes fresh ones. */
const seed = Number(process.env.CITADEL_TEST_SEED ?? 1)
const FRAMES = 10_000
const RSS_MAX_MIB = 300
const STALL_MAX_MS = 100
const TIMEOUT_MS = 600_000

for (const role of ['member', 'erlang'] as const) {
  const who = role === 'member' ? 'a member' : 'an Erlang node'
  test(`two nodes: ${who} that sends ${FRAMES} frames of its own making disturbs nobody`, {
    timeout: TIMEOUT_MS,
  }, async () => {
    const result = await attack({ role, frames: FRAMES, seed })
    const why = `CITADEL_TEST_SEED=${seed} ${JSON.stringify(result)}`
    expect(result.wrong, why).toEqual([])
    expect(result.answered, why).toBeGreaterThan(0)
    expect(result.rssMaxMiB, why).toBeLessThan(RSS_MAX_MIB)
    expect(result.stallMaxMs, why).toBeLessThan(STALL_MAX_MS)
  })
}
