/**
 * Every public function of every object that a user can get, with hostile values in every position:
 * each call answers, or rejects with a CitadelError, in time; nothing is thrown at nobody; the nodes
 * serve afterwards. CITADEL_TEST_SEED repeats a run, and the number of a call says which one it was.
 */
import { expect, test } from 'vitest'
import { faultsOf, runAbuse } from '../support/abuse/run-abuse.js'

/** One for all, so that a change is judged by the same calls; the endurance program takes fresh ones. */
const seed = Number(process.env.CITADEL_TEST_SEED ?? 1)
const TIMEOUT_MS = 1_200_000
/** Functions and properties that are found today; more of them are called as they come. */
const MEMBERS_LEAST = 150

const runs = [
  ['one node', 1],
  ['two nodes', 2],
] as const

for (const [size, nodes] of runs) {
  test(`${size}: whatever a public function is given, it answers or says why not, in time`, {
    timeout: TIMEOUT_MS,
  }, async () => {
    const report = await runAbuse({ seed, nodes, from: 0, count: 52_000 })
    expect(faultsOf(report), `CITADEL_TEST_SEED=${seed}`).toEqual([])
    expect(report.calls).toBeGreaterThanOrEqual(50_000)
    expect(report.members).toBeGreaterThanOrEqual(MEMBERS_LEAST)
  })
}
