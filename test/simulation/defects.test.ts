/**
 * Some of the planted defects, of each kind: those that are caught soonest. `npm run endurance -- --only
 * simulator` searches for all of them.
 */
import { describe, expect, test } from 'vitest'
import { DefectSearch, EXPECTED } from '../../simulator/defect-search.js'
import { DEFECTS } from '../../simulator/defects/defects.js'

const SOON = [
  'stale-update',
  'granted-twice',
  'works-ungranted',
  'goodbye-early',
  'epoch-stands',
  'loser-lives',
  'discovery-kills',
  'exit-lost',
  'lease-ignored',
  'starts-apart',
  'token-late',
  'helpers-stay',
  'late-answer',
  'answer-of-anybody',
]

describe('a defect planted in a simulated cluster of five nodes', () => {
  const search = new DefectSearch()

  test.each(SOON)('%s is caught, and its seed passes without it', async (name) => {
    const defect = DEFECTS.find((one) => one.name === name)!
    expect(await search.fault(defect)).toBeUndefined()
  })

  test('each is expected to break something, and nothing is expected that is not planted', () => {
    expect(Object.keys(EXPECTED).sort()).toEqual(DEFECTS.map(({ name }) => name).sort())
  })
})
