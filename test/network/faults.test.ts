/**
 * Five real nodes, each on a host of its own: the network between them is cut in all ways, nodes are
 * frozen and killed. When that is over there is exactly one of each child and key, and none is lost.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SeededRandom } from '../../src/testing/seeded-random.js'
import { type FaultRound, faultRound } from '../support/fault-round.js'
import { namespacesMissing } from '../support/namespaces.js'
import { NetworkCluster } from '../support/network-cluster.js'
import { faultNamed, networkFaults } from '../support/network-faults.js'

const missing = namespacesMissing('what five nodes do when their network is cut')
const seed = Number(process.env.CITADEL_TEST_SEED ?? Date.now() % 1_000_000)
const chance = new SeededRandom(seed)
const rounds: FaultRound[] = []

/** What the tests repeat, and how often it took how long. */
function report(): void {
  console.log(`seed ${seed}: CITADEL_TEST_SEED=${seed} repeats it`)
  for (const { fault, tookMs, stalledMs, deaths } of rounds) {
    const stalls = stalledMs > 100 ? `, a stall of ${Math.round(stalledMs)} ms meanwhile` : ''
    const times = `one of each ${Math.round(tookMs)} ms after the heal${stalls}`
    console.log(`${fault}: ${times}, ${deaths.length} times held for dead`)
  }
}

describe.skipIf(missing !== undefined)('five nodes in networks of their own', () => {
  let world: NetworkCluster

  beforeAll(async () => {
    world = await NetworkCluster.start()
  })

  afterAll(async () => {
    report()
    await world?.stop()
  })

  const strike = async (name: string): Promise<FaultRound> => {
    const round = await faultRound(world, faultNamed(name), chance)
    rounds.push(round)
    return round
  }

  test.each(networkFaults.map(({ name }) => name))('five nodes, %s: one of each', async (name) => {
    const round = await strike(name)
    expect(round.violations).toEqual([])
  })

  test('five nodes, after all that: every key has an epoch and counts on', async () => {
    // A child that moves meanwhile gets its id and its key anew.
    await world.settled()
    const before = new Map((await world.inventory()).map((row) => [row.key, row]))
    const after = await world.inventory()
    console.table(after.slice(0, 60))
    expect(after).toHaveLength(before.size)
    for (const { key, count, epoch } of after) {
      expect({ key, count, epoch }).toEqual({ ...pick(before.get(key)!), count })
      expect(count).toBe(before.get(key)!.count + 1)
    }
  })
})

const pick = ({ key, epoch }: { key: string; epoch: number }) => ({ key, epoch })
