/** A lease, and the timer that ends it when nothing else happens. */
import { describe, expect, test } from 'vitest'
import { Lease } from '../../../src/base/lease.js'
import { LeaseTimer } from '../../../src/base/lease-timer.js'
import { ManualClock } from '../../support/manual-clock.js'

const setUp = () => {
  const clock = new ManualClock()
  const lease = new Lease()
  const ends: { lateMs: number; at: number }[] = []
  lease.onEnd((now, until) => ends.push({ lateMs: now - until, at: now }))
  const grant = (ms: number): void => lease.move(clock.now() + ms, clock.now())
  return { clock, lease, ends, grant }
}

describe('a lease', () => {
  test('ends once, when its time is looked at, and says how late that is', () => {
    const { clock, lease, ends, grant } = setUp()
    expect(lease.check(clock.now())).toBe(false)
    grant(100)
    clock.jump(99)
    expect(lease.check(clock.now())).toBe(true)
    clock.jump(51)
    expect([lease.check(clock.now()), lease.check(clock.now())]).toEqual([false, false])
    expect(ends.map(({ lateMs }) => lateMs)).toEqual([50])
  })

  test('is ended before it is renewed too late, and when it is moved to a time that has passed', () => {
    const { clock, ends, grant, lease } = setUp()
    grant(100)
    clock.jump(100)
    grant(100)
    expect([ends.length, lease.isValid(clock.now())]).toEqual([1, true])
    grant(0)
    expect([ends.length, lease.isValid(clock.now())]).toEqual([2, false])
  })
})

describe('the timer of a lease', () => {
  test('ends it on time, wherever the end has moved meanwhile, and is one', async () => {
    const { clock, lease, ends, grant } = setUp()
    const timer = new LeaseTimer(lease, clock)
    const start = clock.now()
    for (let n = 0; n < 10; n++) {
      grant(100)
      expect(clock.pending).toBe(1)
      await clock.advance(30)
    }
    await clock.advance(1_000)
    expect(ends).toEqual([{ lateMs: 0, at: start + 9 * 30 + 100 }])
    expect(clock.pending).toBe(0)
    grant(500)
    grant(50)
    await clock.advance(60)
    expect(ends[1]).toEqual({ lateMs: 0, at: start + 300 + 1_000 + 50 })
    grant(500)
    timer.stop()
    expect(clock.pending).toBe(0)
  })
})
