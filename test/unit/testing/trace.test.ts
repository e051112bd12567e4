import { describe, expect, it } from 'vitest'
import { label, Trace } from '../../../src/testing/trace.js'

const hashAfter = (work: (trace: Trace) => void): string => {
  const trace = new Trace()
  work(trace)
  return trace.hash
}

describe('trace', () => {
  it('gives one hash for one story, and another for any small difference', () => {
    const timer = label('h1 timer')
    const story = (at: number, text: string, byte: number) =>
      hashAfter((trace) => {
        trace.event(1, timer)
        trace.event(at, label(text))
        trace.bytes(new Uint8Array([1, byte, 3]))
        trace.event(9, timer)
      })
    const hashes = [
      story(2, 'a', 2),
      story(2 + 1 / 1024, 'a', 2),
      story(2, 'b', 2),
      story(2, 'a', 0),
    ]
    expect(story(2, 'a', 2)).toBe(hashes[0])
    expect(new Set(hashes).size).toBe(hashes.length)
  })

  it('tells the order of events and where one chunk ends', () => {
    const [a, b] = [label('a'), label('b')]
    const bytes = (...chunks: number[][]) =>
      hashAfter((trace) => {
        for (const chunk of chunks) trace.bytes(new Uint8Array(chunk))
      })
    const events = (...labels: (typeof a)[]) =>
      hashAfter((trace) => {
        for (const one of labels) trace.event(1, one)
      })
    expect(events(a, b)).not.toBe(events(b, a))
    expect(bytes([1, 2], [3])).not.toBe(bytes([1], [2, 3]))
    expect(bytes([0])).not.toBe(bytes([0, 0]))
  })

  it('keeps every part of the hash alive over a long story', () => {
    const trace = new Trace()
    const seen = [new Set<string>(), new Set<string>()]
    for (let round = 0; round < 2000; round++) {
      trace.event(round, label('same'))
      trace.bytes(new Uint8Array(100))
      seen[0]!.add(trace.hash.slice(0, 8))
      seen[1]!.add(trace.hash.slice(8))
    }
    for (const part of seen) expect(part.size).toBeGreaterThan(1990)
  })

  it('tells its listener every event', () => {
    const trace = new Trace()
    const told: string[] = []
    trace.listen((at, text) => told.push(`${at} ${text}`))
    trace.event(3, label('tick'))
    expect(told).toEqual(['3 tick'])
    expect(trace.events).toBe(1)
  })
})
