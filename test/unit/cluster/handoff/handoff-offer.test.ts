/** What a node that hands a child over says: only offers of the right shape get further. */
import { describe, expect, test } from 'vitest'
import {
  isOffer,
  predecessorOf,
  succession,
} from '../../../../src/cluster/handoff/handoff-offer.js'
import type { Claim } from '../../../../src/cluster/tables/claim-table.js'
import { decodeTerm, encodeTerm } from '../../../../src/term/codec.js'
import { Pid } from '../../../../src/term/pid.js'

const pid = new Pid('n1@127.0.0.1', 7, 0, 42)

const offer = {
  id: 'x',
  childId: 'x',
  recipe: {
    module: 'Worker',
    args: [1],
    restart: 'transient',
    shutdownMs: 5_000,
    token: 't',
  },
  epoch: 3,
  pid,
  state: { count: 5 },
  keys: [['key', 2, null]],
  groups: [['group', 1, { since: 1 }]],
  byPlan: true,
}

describe('an offer', () => {
  test('is one after it has crossed the wire, with or without state, keys and groups', () => {
    for (const changed of [{}, { state: undefined }, { keys: [], groups: [] }, { more: 'later' }]) {
      expect(isOffer(decodeTerm(encodeTerm({ ...offer, ...changed })))).toBe(true)
    }
  })

  test('is none when something is missing or of a wrong shape', () => {
    const wrong: [string, unknown][] = [
      ['id', 5],
      ['id', undefined],
      ['recipe', undefined],
      ['recipe', { ...offer.recipe, args: 'none' }],
      ['recipe', { ...offer.recipe, restart: 'always' }],
      ['epoch', -1],
      ['epoch', '3'],
      ['epoch', 1.5],
      ['pid', 'n1@127.0.0.1'],
      ['pid', undefined],
      ['keys', 'none'],
      ['keys', [['key']]],
      ['keys', [['key', 'epoch', null]]],
      ['groups', undefined],
      ['groups', [null]],
    ]
    for (const [field, value] of wrong) {
      expect([field, value, isOffer({ ...offer, [field]: value })]).toEqual([field, value, false])
    }
    for (const value of [undefined, null, 5, 'offer', [], new Map()]) {
      expect(isOffer(value)).toBe(false)
    }
  })
})

describe('the claim that a handoff writes', () => {
  const claim = (meta: unknown): Claim => ({ meta }) as Claim

  test('says which process it took over from, also after it has crossed the wire', () => {
    const meta = decodeTerm(encodeTerm(succession(pid)))
    expect(predecessorOf(claim(meta))).toEqual(pid)
  })

  test('any other claim took over from nobody', () => {
    for (const meta of [undefined, null, 5, 'from', {}, { from: 'n1' }, [pid], { by: pid }]) {
      expect(predecessorOf(claim(meta))).toBeUndefined()
    }
  })
})
