import { describe, expect, test } from 'vitest'
import { defaultLinkTimes, Link } from '../../../src/distribution/link.js'
import { SelfDoubt } from '../../../src/mesh/self-doubt.js'

function citadelLink(): Link {
  const link = new Link(defaultLinkTimes, 0)
  link.kind = 'citadel'
  return link
}

describe('a link to a Citadel node', () => {
  test('gets a tick each second, counted from the last one', () => {
    const link = citadelLink()
    expect(link.check(999, false)).toBe('nothing')
    expect(link.check(1_000, false)).toBe('tick')
    link.sent(1_000)
    expect(link.check(1_500, false)).toBe('nothing')
    expect(link.check(2_000, false)).toBe('tick')
  })

  test('is silent 4.5 s after the last byte, not before, whatever the byte was', () => {
    const link = citadelLink()
    link.heard(700)
    link.sent(5_000)
    expect(link.check(5_199, false)).toBe('nothing')
    expect(link.check(5_200, false)).toBe('silent')
  })

  test('is not given up while this node doubts itself, and still gets its ticks', () => {
    const link = citadelLink()
    expect(link.check(60_000, true)).toBe('tick')
    expect(link.check(60_000, false)).toBe('silent')
  })
})

test('a BEAM gets a tick every 15 s and has 60 s of patience', () => {
  const link = new Link(defaultLinkTimes, 0)
  link.kind = 'beam'
  expect(link.check(14_999, false)).toBe('nothing')
  expect(link.check(15_000, false)).toBe('tick')
  link.sent(59_999)
  expect(link.check(59_999, false)).toBe('nothing')
  expect(link.check(60_000, false)).toBe('silent')
})

test('a link that goes down asks for nothing more, and ends once', () => {
  const link = citadelLink()
  expect(link.goDown()).toBe(true)
  expect(link.goDown()).toBe(false)
  expect(link.check(60_000, false)).toBe('nothing')
  expect(link.close()).toBe(true)
  expect(link.close()).toBe(false)
})

describe('self-doubt', () => {
  test('does not arise while the node runs in time', () => {
    const doubt = new SelfDoubt(4_500, 1_000, 0)
    for (let now = 250; now < 5_000; now += 250) expect(doubt.notice(now)).toBe(false)
    expect(doubt.doubting(5_000)).toBe(false)
  })

  test('lasts one quiet round after the node was late by a third of the limit', () => {
    const doubt = new SelfDoubt(4_500, 1_000, 0)
    expect(doubt.notice(1_501)).toBe(false)
    expect(doubt.doubting(2_500)).toBe(true)
    expect(doubt.doubting(2_501)).toBe(false)
  })

  test('starts anew when the node is late again', () => {
    const doubt = new SelfDoubt(4_500, 1_000, 0)
    doubt.notice(1_600)
    doubt.notice(3_200)
    expect(doubt.doubting(4_100)).toBe(true)
  })

  test('a gap over the limit means that the others may have given this node up', () => {
    const doubt = new SelfDoubt(4_500, 1_000, 0)
    expect(doubt.notice(4_500)).toBe(false)
    expect(doubt.notice(9_001)).toBe(true)
  })
})
