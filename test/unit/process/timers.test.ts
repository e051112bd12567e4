import { describe, expect, it } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import { ManualClock } from '../../support/manual-clock.js'
import { testKernel } from '../../support/test-kernel.js'

const setUp = () => {
  const clock = new ManualClock()
  const { node, kernel } = testKernel({ clock })
  const got: string[] = []
  const listen = async () => {
    for (;;) got.push(`${await node.receive()} ${clock.now()}`)
  }
  void listen()
  return { clock, node, kernel, got }
}

describe('timers', () => {
  it('send a message after a while', async () => {
    const { clock, node, got } = setUp()
    node.sendAfter(node.self, 'late', 500)
    const soon = node.sendAfter(node.self, 'soon', 100)
    const cancelled = node.sendAfter(node.self, 'never', 200)
    expect(node.cancelTimer(cancelled)).toBe(true)
    expect(node.cancelTimer(cancelled)).toBe(false)
    await clock.advance(1_000)
    expect(got).toEqual(['soon 1100', 'late 1500'])
    expect(node.cancelTimer(soon)).toBe(false)
  })

  it('send at intervals, without drift, leaving out what was missed', async () => {
    const { clock, node, got } = setUp()
    const timer = node.sendInterval(node.self, 'tick', 100)
    await clock.advance(250)
    clock.jump(200)
    await clock.advance(110)
    node.cancelTimer(timer)
    await clock.advance(500)
    expect(got).toEqual(['tick 1100', 'tick 1200', 'tick 1450', 'tick 1500'])
    expect(clock.pending).toBe(0)
  })

  it('end with their process', async () => {
    const { clock, node, got } = setUp()
    const spawned = node.spawn(async (self) => {
      self.sendAfter(node.self, 'late', 100)
      self.sendInterval(node.self, 'tick', 60)
      await self.sleep(1_000)
      self.send(node.self, 'slept')
    })
    await clock.advance(70)
    expect(got).toEqual(['tick 1060'])
    node.exit(await spawned, 'kill')
    await clock.advance(5_000)
    expect(got).toEqual(['tick 1060'])
    expect(clock.pending).toBe(0)
  })

  it('sleep, and end a process later', async () => {
    const { clock, node, got } = setUp()
    const spawned = node.spawn(async (self) => {
      await self.sleep(100)
      self.send(node.self, 'slept')
      await self.receive()
    })
    await clock.settle()
    const pid = await spawned
    node.exitAfter(pid, 'late', 500)
    await clock.advance(499)
    expect(got).toEqual(['slept 1100'])
    expect(node.isAlive(pid)).toBe(true)
    await clock.advance(1)
    expect(node.isAlive(pid)).toBe(false)
  })

  it('wait longer than the timers of the system can', async () => {
    const { clock, node, got } = setUp()
    const monthMs = 31 * 24 * 3_600_000
    node.sendAfter(node.self, 'a month later', monthMs)
    await clock.advance(monthMs - 1)
    expect(got).toEqual([])
    await clock.advance(1)
    expect(got).toEqual([`a month later ${1_000 + monthMs}`])
  })

  it('log a message that cannot be sent, and harm nobody', async () => {
    const clock = new ManualClock()
    const { node, log } = testKernel({ clock, strictMessages: true })
    node.sendAfter(node.self, () => {}, 10)
    await clock.advance(10)
    expect(log.of('error')[0]).toMatch(/a timed message of .* failed/)
  })

  it('refuse what is no time', () => {
    const { node } = setUp()
    for (const delayMs of [-1, Number.NaN, Number.POSITIVE_INFINITY, '5' as unknown as number]) {
      expect(() => node.sendAfter(node.self, 1, delayMs)).toThrow(CitadelError)
    }
    expect(() => node.sendInterval(node.self, 1, 0)).toThrow(CitadelError)
  })
})
