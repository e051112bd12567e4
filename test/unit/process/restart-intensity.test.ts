import { describe, expect, it } from 'vitest'
import { RestartIntensity } from '../../../src/process/restart-intensity.js'

describe('RestartIntensity', () => {
  it('allows so many restarts within the time, and no more', () => {
    const intensity = new RestartIntensity(2, 1)
    expect([0, 100, 200].map((now) => intensity.allows(now))).toEqual([true, true, false])
  })

  it('forgets restarts that are long past', () => {
    const intensity = new RestartIntensity(2, 1)
    const times = [0, 999, 1_000, 1_999]
    expect(times.map((now) => intensity.allows(now))).toEqual([true, true, true, true])
    expect(intensity.allows(1_999.5)).toBe(false)
  })

  it('allows none when none is allowed', () => {
    expect(new RestartIntensity(0, 1_000).allows(0)).toBe(false)
  })
})
