/**
 * Quorum mode on five real nodes, each on a host of its own: whatever is cut, frozen or killed, no
 * two processes are ever at work for one key, by the stamps they write themselves; and when it is
 * over there is exactly one of each again.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SeededRandom } from '../../src/testing/seeded-random.js'
import { type FaultRound, faultRound } from '../support/fault-round.js'
import { namespacesMissing } from '../support/namespaces.js'
import { NetworkCluster } from '../support/network-cluster.js'
import { faultNamed, longFaults } from '../support/network-faults.js'
import { overlaps } from '../support/stamps.js'

const missing = namespacesMissing('that quorum mode never has two owners at once')
const seed = Number(process.env.CITADEL_TEST_SEED ?? Date.now() % 1_000_000)
const chance = new SeededRandom(seed)
const rounds: FaultRound[] = []

const FAULTS = [
  'cut 3 + 2',
  'cut 1 + 1 + 3',
  'one node is heard by nobody',
  'SIGSTOP for long',
  'cut one way between two nodes',
]

describe.skipIf(missing !== undefined)('five nodes in quorum mode', () => {
  let world: NetworkCluster

  beforeAll(async () => {
    const arbiter = { type: 'mesh', quorum: { size: 5 } } as const
    world = await NetworkCluster.start({ arbiter, children: 20, stampMs: 50 })
  })

  afterAll(async () => {
    console.log(`seed ${seed}: CITADEL_TEST_SEED=${seed} repeats it`)
    for (const { fault, tookMs } of rounds) {
      console.log(`${fault}: one of each ${Math.round(tookMs)} ms after the heal`)
    }
    await world?.stop()
  })

  const cutIntoThree = longFaults.find(({ name }) => name === 'cut 2 + 2 + 1')!

  test.each([...FAULTS.map(faultNamed), cutIntoThree].map((fault) => [fault.name, fault] as const))(
    'five nodes, %s: never two owners at once, and one of each afterwards',
    async (_name, fault) => {
      const round = await faultRound(world, fault, chance)
      rounds.push(round)
      expect(round.violations).toEqual([])
      const stamps = await world.stamps()
      expect(overlaps(stamps)).toEqual([])
      const lately = stamps.filter(({ at }) => at > Number(process.hrtime.bigint()) / 1e6 - 1_000)
      expect(new Set(lately.map(({ key }) => key)).size).toBe(world.ids.length)
    },
  )
})
