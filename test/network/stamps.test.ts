/** The check of owners that were at work at once is itself checked. */
import { expect, test } from 'vitest'
import { overlaps, type Stamp } from '../support/stamps.js'

const stamp = (pid: string, at: number, epoch = 1): Stamp => ({ key: 'k', pid, epoch, at })

test('one owner after another is right, in whatever order the stamps were written', () => {
  expect(overlaps([stamp('b', 30, 2), stamp('a', 10), stamp('a', 20), stamp('b', 40, 2)])).toEqual(
    [],
  )
})

test('an owner that goes on after its successor has begun is found', () => {
  const found = overlaps([stamp('a', 10), stamp('b', 20, 2), stamp('a', 25), stamp('b', 30, 2)])
  expect(found).toContain('k: a was at work 5 ms after b had begun')
})

test('an owner that is granted its key anew may go on, and is found when it goes on with the old epoch', () => {
  const again = [stamp('a', 10), stamp('b', 20, 2), stamp('a', 30, 3), stamp('a', 40, 3)]
  expect(overlaps(again)).toEqual([])
  expect(overlaps([...again, stamp('b', 50, 2)])).not.toEqual([])
  expect(overlaps([...again, stamp('b', 50, 3)])).not.toEqual([])
})

test('an epoch that falls is found, another key is another matter', () => {
  expect(overlaps([stamp('a', 10, 5), stamp('b', 20, 4)])).toHaveLength(1)
  expect(overlaps([stamp('a', 10, 5), { ...stamp('b', 20, 4), key: 'other' }])).toEqual([])
})
