/** A key that is given up for somebody else: how long it waits, and that no timer is left behind. */
import { describe, expect, test } from 'vitest'
import { Yielding } from '../../../../src/cluster/registry/yielding.js'
import { Origin } from '../../../../src/cluster/replication/origin.js'
import type { Claim } from '../../../../src/cluster/tables/claim-table.js'
import { Pid } from '../../../../src/term/pid.js'
import { ManualClock } from '../../../support/manual-clock.js'

const owner = new Pid('a@h', 1, 0, 1)
const taker = new Pid('b@h', 1, 0, 1)
const HELD_MS = 10_000

function yielding() {
  const clock = new ManualClock()
  const told: string[] = []
  const freed: string[] = []
  const claim: Claim = {
    id: 'k',
    key: 'k',
    pid: owner,
    epoch: 7,
    forced: false,
    meta: undefined,
    origin: new Origin('a@h', 1),
    mark: 0,
    place: 0,
  }
  const machine = new Yielding({
    clock,
    ownClaim: (id) => (id === 'k' ? claim : undefined),
    tellLost: (_claim, by) => void told.push(String(by)),
    free: (id) => void freed.push(id),
    ask: () => Promise.resolve(),
  })
  return { clock, told, freed, claim, machine }
}

describe('a key that was given up', () => {
  test('is free again when nobody has come for it', async () => {
    const { clock, told, freed, machine } = yielding()
    await machine.giveUp('k', 'k', 7, taker)
    await machine.giveUp('k', 'k', 7, taker)
    expect(told).toEqual([String(taker)])
    await clock.advance(HELD_MS - 1)
    expect(freed).toEqual([])
    await clock.advance(1)
    expect(freed).toEqual(['k'])
    expect(clock.pending).toBe(0)
  })

  test('leaves no timer behind when the new owner has come, or when the node stops', async () => {
    const { clock, freed, claim, machine } = yielding()
    await machine.giveUp('k', 'k', 7, taker)
    expect(machine.isGivenUp(claim)).toBe(true)
    expect(machine.isGivenUp(claim)).toBe(false)
    expect(clock.pending).toBe(0)
    await machine.giveUp('k', 'k', 7, taker)
    machine.close()
    expect(clock.pending).toBe(0)
    await clock.advance(HELD_MS)
    expect(freed).toEqual([])
  })

  test('is not given up under an epoch that is over', async () => {
    const { machine } = yielding()
    await expect(machine.giveUp('k', 'k', 6, taker)).rejects.toMatchObject({ code: 'not_found' })
  })
})
