import { describe, expect, it } from 'vitest'
import {
  deletedId,
  deletionOf,
  isDeletion,
  removalReason,
} from '../../../../src/cluster/replication/deletion.js'
import { InStream } from '../../../../src/cluster/replication/in-stream.js'
import { Origin } from '../../../../src/cluster/replication/origin.js'
import { OutStream } from '../../../../src/cluster/replication/out-stream.js'

describe('OutStream', () => {
  it('numbers updates from 1 and hands out each once', () => {
    const out = new OutStream(10)
    out.append('a')
    out.append('b')
    expect(out.takeUnsent()).toEqual({ first: 1, ops: ['a', 'b'] })
    expect(out.takeUnsent()).toBeUndefined()
    out.append('c')
    expect(out.takeUnsent()).toEqual({ first: 3, ops: ['c'] })
    expect(out.seq).toBe(3)
  })

  it('answers what came since, as far as its log reaches, which is at most twice its size', () => {
    const out = new OutStream(5)
    for (let i = 1; i <= 1_000; i++) {
      out.append(`u${i}`)
      out.takeUnsent()
      let kept = 0
      while (out.since(i - kept)) kept++
      expect(kept).toBeGreaterThanOrEqual(Math.min(5, i))
      expect(kept).toBeLessThanOrEqual(10)
    }
    expect(out.since(998)).toEqual(['u998', 'u999', 'u1000'])
    expect(out.since(1_001)).toEqual([])
    expect(out.since(1)).toBeUndefined()
  })

  it('keeps a deletion with its reason between two puts of one row, and numbers all three', () => {
    const out = new OutStream(5)
    const ops = [['a', 1, 0, 0], deletionOf('a', 'process_down'), ['a', 2, 0, 0]] as const
    for (const op of ops) out.append(op)
    expect(out.takeUnsent()).toEqual({ first: 1, ops })
  })

  it('never drops what was not broadcast yet', () => {
    const out = new OutStream(2)
    for (let i = 1; i <= 50; i++) out.append(`u${i}`)
    expect(out.takeUnsent()?.ops.length).toBe(50)
  })
})

describe('A deletion', () => {
  it('says why, in two fields at most, and an unknown reason is an ordinary one', () => {
    for (const reason of ['normal', 'process_down', 'conflict', 'forced', 'moved'] as const) {
      const op = deletionOf('x', reason)
      expect([isDeletion(op), deletedId(op), removalReason(op)]).toEqual([true, 'x', reason])
    }
    expect(deletionOf('x', 'normal')).toBe('x')
    expect(removalReason(['x', 99])).toBe('normal')
    expect(isDeletion(['x', null, null])).toBe(false)
  })
})

describe('InStream', () => {
  function exact(applied: number): InStream {
    const stream = new InStream(new Origin('a', 1))
    stream.exact = true
    stream.applied = applied
    stream.head = applied
    return stream
  }

  it('knows how much of a batch is old, and sees a gap', () => {
    const stream = exact(5)
    expect(stream.known(6)).toBe(0)
    expect(stream.known(4)).toBe(2)
    expect(stream.known(7)).toBeUndefined()
  })

  it('takes no updates before a snapshot has begun', () => {
    const stream = new InStream(new Origin('a', 1))
    expect(stream.known(1)).toBeUndefined()
    stream.askedAt = 0
    expect(stream.admitChunk(3, 0, 10)).toBe(true)
    expect(stream.known(11)).toBe(0)
  })

  it('takes a snapshot only if it asked for one, in order, and whole', () => {
    const stream = new InStream(new Origin('a', 1))
    expect(stream.admitChunk(3, 0, 10)).toBe(false)
    stream.askedAt = 0
    expect(stream.admitChunk(3, 1, 10)).toBe(false)
    expect(stream.admitChunk(3, 0, 10)).toBe(true)
    expect(stream.admitChunk(3, 2, 10)).toBe(false)
    expect(stream.admitChunk(3, 1, 10)).toBe(true)
    expect(stream.admitCommit(2, 10)).toBe(false)
    expect(stream.admitCommit(3, 11)).toBe(false)
    stream.advance(1)
    expect(stream.admitCommit(3, 11)).toBe(true)
    stream.committed()
    expect([stream.exact, stream.behind, stream.applied]).toEqual([true, false, 11])
    expect(stream.admitChunk(4, 0, 11)).toBe(false)
  })

  it('takes a snapshot although it was exact, when it asked for more than the log held', () => {
    const stream = exact(5)
    stream.head = 90
    stream.askedAt = 0
    expect(stream.admitChunk(1, 0, 90)).toBe(true)
    expect(stream.exact).toBe(false)
  })

  it('goes on where it was after a lost connection, unless amid a snapshot', () => {
    const stream = exact(5)
    stream.interrupted()
    expect([stream.exact, stream.applied]).toEqual([true, 5])
    stream.head = 90
    stream.askedAt = 0
    stream.admitChunk(1, 0, 90)
    stream.interrupted()
    expect([stream.exact, stream.snapshot, stream.askedAt]).toEqual([false, 0, undefined])
    expect(stream.admitChunk(1, 1, 90)).toBe(false)
  })
})
