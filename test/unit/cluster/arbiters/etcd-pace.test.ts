/** How much is asked of etcd at once, and when a claim gives it up. */
import { expect, test } from 'vitest'
import { EtcdPace } from '../../../../src/cluster/arbiters/etcd-pace.js'

test('one node: requests name more keys while answers are quick, fewer when they are slow or do not come', () => {
  const pace = new EtcdPace()
  const keys: number[] = [pace.keys]
  for (const took of [20, 20, 20, 20, 20, 200, 300, 900]) {
    if (took < 700) pace.answered(0, took)
    else pace.failed()
    keys.push(pace.keys)
  }
  expect(keys).toEqual([10, 20, 40, 80, 100, 100, 100, 50, 25])
  for (let n = 0; n < 9; n++) pace.failed()
  expect(pace.keys).toBe(1)
})

test('one node: etcd is given up after 1.2 seconds without any answer, not while it answers others', () => {
  const pace = new EtcdPace()
  pace.failed()
  expect(pace.isSilent(0, 1_199, true)).toBe(false)
  expect(pace.isSilent(0, 1_200, true)).toBe(true)
  // The next answer comes, and one is lost again: for a claim from the beginning that is no silence.
  pace.answered(900, 1_000)
  expect(pace.isSilent(0, 2_500, true)).toBe(false)
  pace.failed()
  expect(pace.isSilent(0, 2_199, true)).toBe(false)
  expect(pace.isSilent(0, 2_200, true)).toBe(true)
  // So does the node's mark that is written anew.
  pace.marked(7, 2_000)
  pace.marked(7, 3_000)
  expect(pace.isSilent(0, 3_199, false)).toBe(false)
  expect(pace.isSilent(0, 3_200, false)).toBe(true)
})
