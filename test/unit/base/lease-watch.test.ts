/** What a node says of the end of its lease, and when it drops what has not gone out. */
import { expect, test } from 'vitest'
import { Lease } from '../../../src/base/lease.js'
import { LeaseWatch } from '../../../src/base/lease-watch.js'
import { silent } from '../../../src/base/log.js'
import { ManualClock } from '../../support/manual-clock.js'

function watched() {
  const clock = new ManualClock()
  const lease = new Lease()
  const lines: string[] = []
  let cuts = 0
  const watch = new LeaseWatch(lease, {
    clock,
    log: { ...silent, warn: (message) => lines.push(message.split(':')[0]!) },
    marginMs: 100,
    cutPending: () => {
      cuts += 1
    },
  })
  lease.move(clock.now() + 1_000, clock.now())
  return { clock, lease, lines, watch, cuts: () => cuts }
}

test('one node: a lease that ends on time cuts nothing, one that is found out late does', () => {
  const { clock, lease, lines, cuts } = watched()
  clock.jump(1_000)
  lease.check(clock.now())
  expect([lines, cuts()]).toEqual([['the lease of this node has ended'], 0])
  lease.move(clock.now() + 1_000, clock.now())
  clock.jump(1_500)
  lease.check(clock.now())
  expect(lines[1]).toBe('the lease of this node has ended, which it noticed 500 ms late')
  expect(cuts()).toBe(1)
})

test('one node: what was queued when the lease ended on time is cut if it is held up, and only then', async () => {
  const { clock, lease, watch, cuts } = watched()
  clock.jump(1_000)
  lease.check(clock.now())
  watch.goesOut(clock.now() + 100)
  expect(cuts()).toBe(0)
  // The handler that said it was frozen.
  watch.goesOut(clock.now() + 101)
  watch.goesOut(clock.now() + 5_000)
  expect(cuts()).toBe(1)
  lease.move(clock.now() + 1_000, clock.now())
  clock.jump(1_000)
  lease.check(clock.now())
  await clock.settle()
  watch.goesOut(clock.now() + 5_000)
  expect(cuts()).toBe(1)
})

test('one node: a lease that was taken away has ended before its time, and what waits is cut', () => {
  const { clock, lease, lines, cuts } = watched()
  lease.move(Number.NEGATIVE_INFINITY, clock.now())
  expect([lines, cuts()]).toEqual([['the lease of this node has ended before its time'], 1])
})

test('one node: a lease that is given back at a stop is no news and cuts nothing', () => {
  const { clock, lease, lines, watch, cuts } = watched()
  watch.stop()
  lease.move(Number.NEGATIVE_INFINITY, clock.now())
  expect([lines, cuts(), clock.pending]).toEqual([[], 0, 0])
})
