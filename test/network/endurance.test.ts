/** A short run of each part of `npm run endurance`: the same code, for less than a minute. */
import { expect, test } from 'vitest'
import { parts } from '../../endurance/parts/index.js'
import { runPart } from '../../endurance/run-part.js'
import { SeededRandom } from '../../src/testing/seeded-random.js'

const seed = Number(process.env.CITADEL_TEST_SEED ?? Date.now() % 1_000_000)

/** Minutes; a part that is not named here has half a minute. */
const SHORT: Readonly<Record<string, number>> = { freeze: 0.3, stalls: 0.5, redis: 0.3 }
/** They have tests of their own, or are long searches by nature. */
const ELSEWHERE = ['network', 'quorum', 'abuse', 'hostile', 'simulator']

for (const part of parts.filter(({ name }) => !ELSEWHERE.includes(name))) {
  const { name } = part
  test.skipIf(part.missing() !== undefined)(`endurance, ${name}: no violation`, async () => {
    const chance = new SeededRandom(seed).fork(name)
    const minutes = SHORT[name] ?? 0.5
    const outcome = await runPart(part, { minutes, chance, say: () => undefined })
    console.log(`${name}, CITADEL_TEST_SEED=${seed}`)
    for (const [what, value] of outcome.figures) console.log(`  ${what}: ${value}`)
    expect(outcome.violations).toEqual([])
  })
}
