import { describe, expect, it } from 'vitest'
import { Simulation } from '../../../src/testing/simulation.js'

describe('simulation', () => {
  it('lets virtual time pass without real time', async () => {
    const simulation = new Simulation({ seed: 1 })
    const { clock } = simulation.world('h1')
    const fired: number[] = []
    const start = clock.now()
    clock.after(3_600_000, () => fired.push(clock.now() - start))
    await simulation.runFor(7_200_000)
    expect(fired.length).toBe(1)
    expect(simulation.now).toBe(7_200_000)
  })

  it('finishes every promise of an event before the next event', async () => {
    const simulation = new Simulation({ seed: 1 })
    const seen: string[] = []
    simulation.after(1, 'first', () => {
      void (async () => {
        for (let round = 0; round < 100; round++) await undefined
        seen.push('promises of the first')
      })()
    })
    simulation.after(1, 'second', () => seen.push('second'))
    await simulation.runFor(2)
    expect(seen).toEqual(['promises of the first', 'second'])
  })

  it('stops as soon as the condition holds', async () => {
    const simulation = new Simulation({ seed: 1 })
    let count = 0
    for (let at = 1; at <= 10; at++) simulation.after(at, 'count', () => count++)
    await simulation.runUntil(() => count === 4, 100)
    expect(simulation.now).toBe(4)
    expect(count).toBe(4)
  })

  it('rejects loudly when the condition does not hold by the deadline', async () => {
    const simulation = new Simulation({ seed: 77 })
    const tick = (): void => simulation.after(1, 'tick', tick)
    tick()
    await expect(simulation.runUntil(() => false, 50, 'the impossible')).rejects.toThrow(
      /the impossible is not done after 50 simulated ms \(seed 77/,
    )
    expect(simulation.now).toBe(50)
  })

  it('rejects loudly when a step waits for what no event will bring', async () => {
    const simulation = new Simulation({ seed: 5 })
    const stuck = new Promise<void>(() => {})
    await expect(simulation.settle(stuck, { what: 'the step' })).rejects.toThrow(
      /nothing is left to happen, but the step still waits \(seed 5/,
    )
  })

  it('settles as the step does', async () => {
    const simulation = new Simulation({ seed: 5 })
    const value = await simulation.settle(async () => {
      await simulation.sleep(250)
      return simulation.now
    })
    expect(value).toBe(250)
    const failure = simulation.settle(async () => {
      await simulation.sleep(1)
      throw new Error('as told')
    })
    await expect(failure).rejects.toThrow('as told')
  })

  it('fails the run when an event throws', async () => {
    const simulation = new Simulation({ seed: 5 })
    simulation.after(1, 'bad', () => {
      throw new Error('from the event')
    })
    await expect(simulation.runFor(10)).rejects.toThrow('from the event')
    await simulation.runFor(10)
    expect(simulation.now).toBe(11)
  })

  it('refuses to be driven twice at a time', async () => {
    const simulation = new Simulation({ seed: 5 })
    const first = simulation.runFor(10)
    await expect(simulation.runFor(10)).rejects.toThrow('running already')
    await first
  })

  it('carries out at least 200,000 events a second when nothing else slows it', async () => {
    const simulation = new Simulation({ seed: 5 })
    const { clock } = simulation.world('h1')
    let left = 200_000
    const again = (): void => {
      if (left-- > 0) clock.after(0.5, again)
    }
    for (let chain = 0; chain < 100; chain++) clock.after(chain, again)
    const started = performance.now()
    await simulation.runUntil(() => left <= 0, 1e9)
    const perSecond = 200_000 / ((performance.now() - started) / 1000)
    expect(perSecond).toBeGreaterThan(200_000)
  })
})
