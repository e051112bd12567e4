import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CallDeadlines } from '../../../src/kernel/call-deadlines.js'
import { PendingCall } from '../../../src/process/request.js'
import { Pid } from '../../../src/term/pid.js'
import { ManualClock } from '../../support/manual-clock.js'

const owner = { pid: new Pid('n1@127.0.0.1', 80, 0, 1), ended: false }
const newCall = (timeoutMs: number) =>
  new PendingCall(
    'x',
    [],
    undefined,
    owner,
    timeoutMs,
    () => {},
    () => {},
  )

describe('deadlines of calls', () => {
  it('expire exactly those calls whose time has come and that are not over', async () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ add: fc.constantFrom(5, 50, 500) }),
        fc.record({ remove: fc.nat(20) }),
        fc.record({ advance: fc.nat(120) }),
      ),
      { maxLength: 60 },
    )
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        const clock = new ManualClock()
        const expired = new Set<PendingCall>()
        const deadlines = new CallDeadlines(clock, (call) => expired.add(call))
        const calls: { call: PendingCall; due: number; removed: boolean }[] = []
        for (const step of script) {
          if ('add' in step) {
            const call = newCall(step.add)
            deadlines.add(call)
            calls.push({ call, due: clock.now() + step.add, removed: false })
          } else if ('remove' in step) {
            const chosen = calls[step.remove]
            if (chosen !== undefined && !expired.has(chosen.call)) {
              deadlines.remove(chosen.call)
              chosen.removed = true
            }
          } else await clock.advance(step.advance)
          for (const { call, due, removed } of calls) {
            expect(expired.has(call)).toBe(!removed && due <= clock.now())
          }
        }
      }),
      { numRuns: 40 },
    )
  })

  it('need one timer, and none when stopped', async () => {
    const clock = new ManualClock()
    const deadlines = new CallDeadlines(clock, () => {})
    for (let i = 1; i <= 1_000; i++) deadlines.add(newCall(i))
    expect(clock.pending).toBe(1)
    deadlines.stop()
    expect(clock.pending).toBe(0)
  })
})
