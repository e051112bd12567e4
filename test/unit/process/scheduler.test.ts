import { describe, expect, it } from 'vitest'
import type { Clock } from '../../../src/base/clock.js'
import { systemClock } from '../../../src/base/system-clock.js'
import { Contexts } from '../../../src/process/contexts.js'
import { type Runnable, Scheduler } from '../../../src/process/scheduler.js'
import { ManualClock } from '../../support/manual-clock.js'

/** Always has more to do. */
class Hog implements Runnable {
  queued = false
  runnable = true
  turns = 0

  turn(): number {
    this.turns++
    return 64
  }
}

const schedulerOf = (clock: Clock, beforeRun?: (now: number) => void): Scheduler =>
  new Scheduler({
    clock,
    contexts: new Contexts(),
    beforeRun,
    failed: (_process, error) => {
      throw error
    },
  })

describe('scheduler', () => {
  it('takes turns in the order of the queue', async () => {
    const clock = new ManualClock()
    const scheduler = schedulerOf(clock)
    const order: string[] = []
    const make = (name: string, times: number): Runnable => ({
      queued: false,
      get runnable() {
        return times > 0
      },
      turn() {
        order.push(name)
        times--
        return 1
      },
    })
    scheduler.enqueue(make('a', 2))
    scheduler.enqueue(make('b', 3))
    await clock.settle()
    expect(order).toEqual(['a', 'b', 'a', 'b', 'b'])
    expect(scheduler.messages).toBe(5)
  })

  it('lets timers fire while processes have work without end', async () => {
    const scheduler = schedulerOf(systemClock)
    const hog = new Hog()
    scheduler.enqueue(hog)
    let fired = 0
    for (let i = 0; i < 5; i++) {
      await new Promise((resolve) => setTimeout(resolve, 1))
      fired++
    }
    hog.runnable = false
    expect(fired).toBe(5)
    expect(hog.turns).toBeGreaterThan(0)
  })

  it('lets timers fire although each run arms the next by a microtask', async () => {
    const scheduler = schedulerOf(systemClock)
    let stop = false
    const again: Runnable = {
      queued: false,
      runnable: false,
      turn: () => {
        void Promise.resolve().then(() => !stop && scheduler.enqueue(again))
        return 1
      },
    }
    scheduler.enqueue(again)
    while (scheduler.messages < 100) await new Promise((resolve) => setTimeout(resolve, 1))
    stop = true
  })

  it('gives up the turn under a clock that stands still', async () => {
    const clock = new ManualClock()
    const scheduler = schedulerOf(clock)
    const hog = new Hog()
    scheduler.enqueue(hog)
    await new Promise((resolve) => setImmediate(resolve))
    expect(hog.turns).toBe(1_024)
    hog.runnable = false
    await clock.settle()
  })

  it('tells the time before each run', async () => {
    const clock = new ManualClock()
    const seen: number[] = []
    const scheduler = schedulerOf(clock, (now) => seen.push(now))
    scheduler.enqueue({ queued: false, runnable: false, turn: () => 1 })
    await clock.settle()
    clock.jump(9_000)
    scheduler.enqueue({ queued: false, runnable: false, turn: () => 1 })
    await clock.settle()
    expect(seen).toEqual([1_000, 10_000])
  })

  it('goes on with the queue after a turn has thrown, and after what is called before a run', async () => {
    const clock = new ManualClock()
    const failures: [Runnable | undefined, unknown][] = []
    let isFirst = true
    const scheduler = new Scheduler({
      clock,
      contexts: new Contexts(),
      beforeRun: () => {
        if (isFirst) {
          isFirst = false
          throw new Error('before')
        }
      },
      failed: (process, error) => failures.push([process, error]),
    })
    const bad: Runnable = {
      queued: false,
      runnable: true,
      turn: () => {
        throw 'turn'
      },
    }
    const served: string[] = []
    const good = (name: string): Runnable => ({
      queued: false,
      runnable: false,
      turn: () => served.push(name),
    })
    scheduler.enqueue(good('a'))
    scheduler.enqueue(bad)
    scheduler.enqueue(good('b'))
    await clock.settle()
    expect(served).toEqual(['a', 'b'])
    expect(failures).toEqual([
      [undefined, new Error('before')],
      [bad, 'turn'],
    ])
    scheduler.enqueue(good('c'))
    await clock.settle()
    expect(served).toEqual(['a', 'b', 'c'])
  })
})
