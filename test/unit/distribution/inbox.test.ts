import { describe, expect, test } from 'vitest'
import type { Clock } from '../../../src/base/clock.js'
import type { Connection } from '../../../src/base/transport.js'
import { Inbox, ReadBudget } from '../../../src/distribution/inbox.js'

/** A loop of which the test makes each turn. */
function turns() {
  let queue: (() => void)[] = []
  const clock: Clock = {
    now: () => 0,
    wallTime: () => 0,
    after: () => ({ cancel() {} }),
    soon: (task) => void queue.push(task),
  }
  const turn = (): boolean => {
    const tasks = queue
    queue = []
    for (const task of tasks) task()
    return tasks.length > 0
  }
  return { clock, turn }
}

function inbox(clock: Clock, budget = new ReadBudget(clock)) {
  const frames: number[] = []
  const errors: unknown[] = []
  const calls: string[] = []
  const connection: Connection = {
    remote: { host: 'h', port: 1 },
    pendingBytes: 0,
    write: () => true,
    end() {},
    destroy() {},
    pause: () => void calls.push('pause'),
    resume: () => void calls.push('resume'),
  }
  const onFrame = (frame: Buffer): void => {
    if (frame[0] === 0xff) throw new Error('a bad one')
    frames.push(frame.readUInt32BE(0))
  }
  const made = new Inbox(connection, clock, budget, 1_000, onFrame, (error) => errors.push(error))
  return { inbox: made, frames, errors, calls }
}

/** Frames with the numbers from `first` on. */
function numbered(first: number, count: number): Buffer {
  const bytes = Buffer.alloc(8 * count)
  for (let index = 0; index < count; index++) {
    bytes.writeUInt32BE(4, 8 * index)
    bytes.writeUInt32BE(first + index, 8 * index + 4)
  }
  return bytes
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

describe('an inbox', () => {
  test('hands on what a turn can take and leaves the rest to later turns, in order', () => {
    const { clock, turn } = turns()
    const { inbox: one, frames, calls } = inbox(clock)
    one.received(numbered(0, 10_000))
    const first = frames.length
    expect(first).toBeGreaterThan(500)
    expect(first).toBeLessThan(5_000)
    expect(calls).toEqual(['pause'])
    one.received(numbered(10_000, 10))
    expect(frames.length).toBe(first)
    while (turn());
    expect(frames).toEqual(upTo(10_010))
    expect(calls).toEqual(['pause', 'resume'])
  })

  test('gets its share of a turn that others have used up', () => {
    const { clock, turn } = turns()
    const budget = new ReadBudget(clock)
    const greedy = inbox(clock, budget)
    const modest = inbox(clock, budget)
    greedy.inbox.received(numbered(0, 50_000))
    modest.inbox.received(numbered(0, 500))
    for (let round = 0; round < 10; round++) turn()
    expect(modest.frames).toEqual(upTo(500))
    expect(greedy.frames.length).toBeLessThan(50_000)
  })

  test('tells of the first bad frame once, and hands on nothing after it', () => {
    const { clock, turn } = turns()
    const { inbox: one, frames, errors } = inbox(clock)
    const bad = Buffer.of(0, 0, 0, 4, 0xff, 0, 0, 0)
    one.received(Buffer.concat([numbered(0, 2), bad, numbered(2, 2)]))
    one.received(numbered(4, 1))
    while (turn());
    expect(frames).toEqual([0, 1])
    expect(errors).toEqual([new Error('a bad one')])
  })

  test('hands on nothing when it was closed in the middle', () => {
    const { clock, turn } = turns()
    const { inbox: one, frames } = inbox(clock)
    one.received(numbered(0, 10_000))
    const served = frames.length
    one.close()
    while (turn());
    expect(frames.length).toBe(served)
  })
})
