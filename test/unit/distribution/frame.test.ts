import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FrameSplitter } from '../../../src/distribution/frame.js'

const frame = (body: Uint8Array): Buffer => {
  const bytes = Buffer.alloc(4 + body.length)
  bytes.writeUInt32BE(body.length, 0)
  bytes.set(body, 4)
  return bytes
}

function drain(splitter: FrameSplitter): Buffer[] {
  const frames: Buffer[] = []
  for (let next = splitter.next(); next !== undefined; next = splitter.next()) frames.push(next)
  return frames
}

describe('the frame splitter', () => {
  test('gives the same frames and ticks however the bytes are cut', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 })
    fc.assert(
      fc.property(
        bodies,
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
        (all, cuts) => {
          const stream = Buffer.concat(all.map(frame))
          const splitter = new FrameSplitter(64)
          const got: Buffer[] = []
          for (let at = 0, i = 0; at < stream.length; i++) {
            const size = cuts[i % cuts.length]!
            splitter.push(Buffer.from(stream.subarray(at, at + size)))
            got.push(...drain(splitter))
            at += size
          }
          const filled = all.filter((body) => body.length > 0)
          expect(got.map((body) => body.toString('hex'))).toEqual(
            filled.map((body) => Buffer.from(body).toString('hex')),
          )
          expect(splitter.ticks).toBe(all.length - filled.length)
          expect(splitter.pendingBytes).toBe(0)
        },
      ),
    )
  })

  test('a frame inside one chunk is a view of the chunk', () => {
    const chunk = Buffer.concat([frame(Buffer.from('one')), frame(Buffer.from('two'))])
    const splitter = new FrameSplitter()
    splitter.push(chunk)
    const [one, two] = drain(splitter)
    expect(one!.buffer).toBe(chunk.buffer)
    expect(one!.byteOffset).toBe(chunk.byteOffset + 4)
    expect(two!.byteOffset).toBe(chunk.byteOffset + 11)
  })

  test('a large frame over many chunks is put together', () => {
    const body = Buffer.alloc(1_000_000, 'abcdefg')
    const stream = frame(body)
    const splitter = new FrameSplitter()
    const got: Buffer[] = []
    for (let at = 0; at < stream.length; at += 65_536) {
      splitter.push(stream.subarray(at, at + 65_536))
      got.push(...drain(splitter))
    }
    expect(got).toHaveLength(1)
    expect(got[0]!.equals(body)).toBe(true)
  })

  test('an announced length sets no memory aside before the bytes are there', () => {
    const splitter = new FrameSplitter()
    const before = process.memoryUsage().arrayBuffers
    const many = Array.from({ length: 64 }, () => new FrameSplitter())
    for (const one of [splitter, ...many]) {
      one.push(Buffer.from([0x03, 0xff, 0xff, 0xff, 1]))
      expect(one.next()).toBeUndefined()
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024)
  })

  test('a frame over the limit is refused when its length is read, and ever after', () => {
    const splitter = new FrameSplitter(100)
    splitter.push(Buffer.concat([frame(Buffer.alloc(100)), Buffer.from([0x80, 0, 0, 0])]))
    expect(splitter.next()).toHaveLength(100)
    const refusal = expect.objectContaining({ code: 'limit_exceeded' })
    expect(() => splitter.next()).toThrow(refusal)
    expect(() => splitter.next()).toThrow(refusal)
    const dribbled = new FrameSplitter(100)
    for (const byte of [0, 0, 0]) {
      dribbled.push(Buffer.of(byte))
      expect(dribbled.next()).toBeUndefined()
    }
    dribbled.push(Buffer.of(101))
    expect(() => dribbled.next()).toThrow(/raise frameLimitBytes/)
  })

  test('its owner may stop in the middle of a chunk, push more and go on', () => {
    const splitter = new FrameSplitter()
    splitter.push(Buffer.concat([frame(Buffer.from('a')), frame(Buffer.from('b'))]))
    expect(splitter.next()?.toString()).toBe('a')
    splitter.push(frame(Buffer.from('c')))
    expect(drain(splitter).map(String)).toEqual(['b', 'c'])
  })

  test('a plain Uint8Array will do as a chunk', () => {
    const splitter = new FrameSplitter()
    splitter.push(new Uint8Array(frame(Buffer.from('plain'))))
    expect(splitter.next()?.toString()).toBe('plain')
  })
})
