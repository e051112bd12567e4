import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ProgramRuntime } from '../../../src/testing/program-runtime.js'
import { Timeline } from '../../../src/testing/timeline.js'
import { label, Trace } from '../../../src/testing/trace.js'

const WHAT = label('test')

function runAll(timeline: Timeline): void {
  while (timeline.step());
}

describe('timeline', () => {
  it('carries out events by time, and equal times in the order they were scheduled', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 300 }), (delays) => {
        const timeline = new Timeline(new Trace())
        const seen: number[] = []
        delays.forEach((delay, index) => {
          timeline.schedule(delay, () => seen.push(index), WHAT)
        })
        runAll(timeline)
        const expected = delays
          .map((delay, index) => ({ delay, index }))
          .sort((a, b) => a.delay - b.delay || a.index - b.index)
        expect(seen).toEqual(expected.map((entry) => entry.index))
      }),
    )
  })

  it('runs no cancelled event, whatever is cancelled and when', () => {
    const timeline = new Timeline(new Trace())
    const seen: number[] = []
    const events = Array.from({ length: 5000 }, (_, index) =>
      timeline.schedule((index * 7919) % 1000, () => seen.push(index), WHAT),
    )
    for (const [index, event] of events.entries()) if (index % 10 !== 0) timeline.cancel(event)
    expect(timeline.size).toBe(500)
    runAll(timeline)
    for (const event of events) timeline.cancel(event)
    expect(timeline.size).toBe(0)
    expect(seen.length).toBe(500)
    expect(seen.every((index) => index % 10 === 0)).toBe(true)
  })

  it('moves time only forward, to the event', () => {
    const timeline = new Timeline(new Trace())
    timeline.schedule(5, () => timeline.schedule(-3, () => {}, WHAT), WHAT)
    timeline.step()
    expect(timeline.now).toBe(5)
    timeline.step()
    expect(timeline.now).toBe(5)
    expect(timeline.step()).toBe(false)
  })
})

describe('time that stands still', () => {
  it('ends the run with an error, when something is due again as soon as it was done', () => {
    const timeline = new Timeline(new Trace())
    const again = (): void => void timeline.schedule(0, again, label('again'))
    timeline.schedule(5, again, label('again'))
    expect(() => {
      while (timeline.step());
    }).toThrow('time stands still at 5 ms')
  })
})

describe('simulated clock', () => {
  it('runs at its own rate and from its own start', () => {
    const timeline = new Timeline(new Trace())
    const fast = new ProgramRuntime(timeline, 'fast', { rate: 1.01, startMs: 500 })
    timeline.advanceTo(1000)
    expect(fast.clock.now()).toBeCloseTo(1510, 6)
    fast.clock.setRate(0.5)
    timeline.advanceTo(2000)
    expect(fast.clock.now()).toBeCloseTo(2010, 6)
  })

  it('never fires a timer early by its own reading', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.5, max: 2, noNaN: true }),
        fc.double({ min: 0, max: 1e6, noNaN: true }),
        (rate, delay) => {
          const timeline = new Timeline(new Trace())
          const { clock } = new ProgramRuntime(timeline, 'n', { rate, startMs: 123 })
          const due = clock.now() + delay
          let fired = -1
          clock.after(delay, () => {
            fired = clock.now()
          })
          runAll(timeline)
          expect(fired).toBeGreaterThanOrEqual(due)
          expect(fired - due).toBeLessThan(0.01)
        },
      ),
    )
  })

  it('lets time pass even for a program that always has something to do soon', () => {
    const timeline = new Timeline(new Trace())
    const { clock } = new ProgramRuntime(timeline, 'busy')
    let rounds = 0
    let done = false
    const work = (): void => {
      rounds++
      if (!done) clock.soon(work)
    }
    clock.soon(work)
    clock.after(1, () => {
      done = true
    })
    runAll(timeline)
    expect(rounds).toBeGreaterThan(100)
  })

  it('moves the wall clock without touching now', () => {
    const timeline = new Timeline(new Trace())
    const { clock } = new ProgramRuntime(timeline, 'n')
    const wall = clock.wallTime()
    clock.setSkew(-3_600_000)
    expect(clock.now()).toBe(0)
    expect(clock.wallTime() - wall).toBe(-3_600_000)
  })
})

describe('stalled program', () => {
  it('keeps everything until it wakes, then serves timers before the rest', () => {
    const timeline = new Timeline(new Trace())
    const program = new ProgramRuntime(timeline, 'n')
    const seen: string[] = []
    timeline.schedule(10, () => seen.push(`bytes at ${timeline.now}`), WHAT, program)
    program.clock.after(20, () => seen.push(`timer at ${timeline.now}`))
    program.stall(100)
    runAll(timeline)
    expect(seen).toEqual(['timer at 100', 'bytes at 100'])
  })

  it('can be stalled for longer while it is stalled', () => {
    const timeline = new Timeline(new Trace())
    const program = new ProgramRuntime(timeline, 'n')
    const fired: number[] = []
    program.clock.after(1, () => fired.push(timeline.now))
    program.stall(10)
    timeline.schedule(5, () => program.stall(100), WHAT)
    runAll(timeline)
    expect(fired).toEqual([105])
  })

  it('runs nothing any more once it has ended, also what it had deferred', () => {
    const timeline = new Timeline(new Trace())
    const program = new ProgramRuntime(timeline, 'n')
    let runs = 0
    program.clock.after(1, () => runs++)
    program.clock.after(50, () => runs++)
    program.stall(10)
    timeline.schedule(5, () => program.end(), WHAT)
    runAll(timeline)
    expect(runs).toBe(0)
  })

  it('does not run a timer cancelled while it was deferred', () => {
    const timeline = new Timeline(new Trace())
    const program = new ProgramRuntime(timeline, 'n')
    let runs = 0
    const second = { cancel: () => {} }
    program.clock.after(1, () => second.cancel())
    second.cancel = program.clock.after(2, () => runs++).cancel
    program.stall(10)
    runAll(timeline)
    expect(runs).toBe(0)
    expect(timeline.size).toBe(0)
  })
})
