import { afterEach, expect, test, vi } from 'vitest'
import { systemClock } from '../../../src/base/system-clock.js'

const MONTH_MS = 31 * 24 * 3_600_000

afterEach(() => {
  vi.useRealTimers()
})

test('one node: a wait of more than 31 bits of milliseconds takes as long as it says', () => {
  vi.useFakeTimers()
  let fired = 0
  systemClock.after(MONTH_MS, () => fired++)
  vi.advanceTimersByTime(MONTH_MS - 1)
  expect(fired).toBe(0)
  vi.advanceTimersByTime(1)
  expect(fired).toBe(1)
  expect(vi.getTimerCount()).toBe(0)
})

test('one node: a wait without end never ends, and can be taken back', () => {
  vi.useFakeTimers()
  let fired = 0
  const timer = systemClock.after(Number.POSITIVE_INFINITY, () => fired++)
  vi.advanceTimersByTime(3 * MONTH_MS)
  expect(fired).toBe(0)
  timer.cancel()
  expect(vi.getTimerCount()).toBe(0)
})
