import { describe, expect, it } from 'vitest'
import { EventQueue } from '../../../src/base/event-queue.js'

describe('EventQueue', () => {
  function queue(max = 3): { queue: EventQueue<number>; ended: number[] } {
    const ended: number[] = []
    return { queue: new EventQueue<number>(max, () => ended.push(1)), ended }
  }

  it('gives events in order, those that wait and those still to come', async () => {
    const { queue: events } = queue()
    events.push(1)
    events.push(2)
    const later = [events.next(), events.next(), events.next(), events.next()]
    events.push(3)
    events.push(4)
    const values = (await Promise.all(later)).map(({ value }) => value)
    expect(values).toEqual([1, 2, 3, 4])
  })

  it('ends a reader that is too slow with overloaded, after what was queued', async () => {
    const { queue: events, ended } = queue(2)
    for (let i = 0; i < 5; i++) events.push(i)
    expect((await events.next()).value).toBe(0)
    expect((await events.next()).value).toBe(1)
    await expect(events.next()).rejects.toMatchObject({ code: 'overloaded' })
    expect(ended).toEqual([1])
  })

  it('ends with the loop that reads it', async () => {
    const { queue: events, ended } = queue()
    events.push(1)
    events.push(2)
    for await (const event of events) {
      expect(event).toBe(1)
      break
    }
    expect(ended).toEqual([1])
    events.push(3)
    expect(await events.next()).toEqual({ value: undefined, done: true })
  })

  it('ends those who wait when it is closed', async () => {
    const { queue: events, ended } = queue()
    const next = events.next()
    events.close()
    events.close()
    expect((await next).done).toBe(true)
    expect(ended).toEqual([1])
  })
})
