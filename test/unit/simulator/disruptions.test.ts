import { describe, expect, it } from 'vitest'
import { Disruptions } from '../../../simulator/checks/disruptions.js'

describe('disruptions', () => {
  it('are over some time after the last one has ended, not after it began', () => {
    const clock = { now: 100_000 }
    const disruptions = new Disruptions(clock)
    expect(disruptions.within(1_000)).toBe(false)
    const over = disruptions.begins()
    clock.now += 20_000
    expect(disruptions.within(1_000)).toBe(true)
    expect(disruptions.goesOn).toBe(true)
    over()
    expect(disruptions.goesOn).toBe(false)
    expect(disruptions.within(1_000)).toBe(true)
    clock.now += 1_000
    expect(disruptions.within(1_000)).toBe(false)
  })

  it('count when they begin and when they end, each once', () => {
    const disruptions = new Disruptions({ now: 0 })
    disruptions.happened()
    const over = disruptions.begins()
    expect(disruptions.count).toBe(2)
    over()
    over()
    expect(disruptions.count).toBe(3)
  })

  it('are all over when everything is mended, and what would have ended later does not count', () => {
    const clock = { now: 100_000 }
    const disruptions = new Disruptions(clock)
    const over = disruptions.begins()
    disruptions.allOver()
    const { count } = disruptions
    clock.now += 5_000
    over()
    expect(disruptions.count).toBe(count)
    expect(disruptions.within(5_000)).toBe(false)
  })
})
