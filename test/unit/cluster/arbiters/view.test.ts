import { describe, expect, it } from 'vitest'
import { makeView, ViewTracker } from '../../../../src/cluster/arbiters/view.js'

const id = (members: Record<string, number>): number =>
  makeView(new Map(Object.entries(members))).id
const names = (tracker: ViewTracker): string[][] =>
  tracker.history.map(({ members }) => members.map(({ node }) => node))

describe('ViewTracker', () => {
  it('1 node: is settled by itself', () => {
    const tracker = new ViewTracker('a', 1)
    expect(tracker.settled).toBe(true)
    expect(names(tracker)).toEqual([['a']])
  })

  it('has the same view id on all nodes, whatever they heard first', () => {
    const a = new ViewTracker('a', 1)
    const c = new ViewTracker('c', 3)
    a.add('b', 2)
    a.add('c', 3)
    c.add('a', 1)
    c.add('b', 2)
    expect(a.current.id).toBe(c.current.id)
    expect(a.current.id).not.toBe(id({ a: 1, b: 2, c: 4 }))
  })

  it('2 nodes: keeps the settled view until the other has reported the new one', () => {
    const tracker = new ViewTracker('a', 1)
    tracker.add('b', 2)
    expect(names(tracker)).toEqual([['a'], ['a', 'b']])
    tracker.report('b', id({ b: 2 }))
    expect(tracker.settled).toBe(false)
    tracker.report('b', id({ a: 1, b: 2 }))
    expect(names(tracker)).toEqual([['a', 'b']])
  })

  it('3 nodes: counts a report that was made before this node saw the change', () => {
    const tracker = new ViewTracker('a', 1)
    tracker.add('b', 2)
    tracker.report('b', id({ a: 1, b: 2, c: 3 }))
    tracker.add('c', 3)
    expect(tracker.settled).toBe(false)
    tracker.report('c', id({ a: 1, b: 2, c: 3 }))
    expect(tracker.settled).toBe(true)
  })

  it('3 nodes: a view that comes back needs new reports', () => {
    const tracker = new ViewTracker('a', 1)
    const all = id({ a: 1, b: 2, c: 3 })
    tracker.add('b', 2)
    tracker.add('c', 3)
    tracker.report('b', all)
    tracker.report('c', all)
    expect(tracker.settled).toBe(true)
    tracker.remove('c', 3)
    tracker.add('c', 3)
    tracker.report('c', all)
    expect(tracker.current.id).toBe(all)
    expect(tracker.settled).toBe(false)
    expect(names(tracker)).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b'],
      ['a', 'b', 'c'],
    ])
    tracker.report('b', all)
    expect(tracker.settled).toBe(true)
  })

  it('2 nodes: the death of the last other one settles', () => {
    const tracker = new ViewTracker('a', 1)
    tracker.add('b', 2)
    expect(tracker.remove('b', 2)).toBe(true)
    expect(names(tracker)).toEqual([['a']])
  })

  it('ignores the death of a creation that is not the member any more', () => {
    const tracker = new ViewTracker('a', 1)
    tracker.add('b', 3)
    expect(tracker.remove('b', 2)).toBe(false)
    expect(tracker.add('b', 3)).toBe(false)
    expect(tracker.current.creationOf('b')).toBe(3)
  })

  it('forgets the report of a member whose connection is gone', () => {
    const tracker = new ViewTracker('a', 1)
    tracker.add('b', 2)
    tracker.report('b', id({ a: 1, b: 2, c: 3 }))
    tracker.forget('b')
    tracker.add('c', 3)
    tracker.report('c', id({ a: 1, b: 2, c: 3 }))
    expect(tracker.settled).toBe(false)
  })

  it('is overrun by more than sixteen views without agreement', () => {
    const tracker = new ViewTracker('a', 1)
    for (let i = 0; i < 15; i++) tracker.add('b', i)
    expect(tracker.overrun).toBe(false)
    tracker.add('b', 99)
    expect(tracker.overrun).toBe(true)
  })
})
