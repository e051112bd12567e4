/** An owner frozen until another has taken over, with etcd as the arbiter; `endurance` plays more rounds. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { etcdMissing } from '../support/etcd.js'
import { FreezeRounds } from '../support/freeze-rounds.js'

const ROUNDS = 2

describe.skipIf(etcdMissing())('with the arbiter etcd', () => {
  let rounds: FreezeRounds

  beforeAll(async () => {
    rounds = await FreezeRounds.start()
  }, 120_000)

  afterAll(() => rounds?.stop())

  test.each(['idle', 'in a handler', 'parked on an await'] as const)(
    'three nodes: an owner frozen %s until another has taken over starts no handler and lets nothing out',
    async (state) => {
      for (let round = 0; round < ROUNDS; round++) {
        const { violations } = await rounds.play(state)
        expect(violations).toEqual([])
      }
    },
  )
})
