/** Numbers that were chosen to collide as keys: what arrives is decoded in linear time, or kept as it came. */
import { describe, expect, test } from 'vitest'
import { decodeTerm, encodeTerm } from '../../../src/term/codec.js'
import { OpaqueTerm } from '../../../src/term/opaque.js'
import { areSpread } from '../../../src/term/spread.js'
import { Tuple } from '../../../src/term/tuple.js'

const MASK = (1n << 64n) - 1n

function inverse(odd: bigint): bigint {
  let found = odd
  for (let round = 0; round < 6; round++) found = (found * (2n - odd * found)) & MASK
  return found
}

function undoShift(hash: bigint, bits: bigint): bigint {
  let found = hash
  for (let round = 0; round < 7; round++) found = (hash ^ (found >> bits)) & MASK
  return found
}

/** The 64 bits whose hash, as V8 computes it, is this. */
function unhash(hash: bigint): bigint {
  let bits = undoShift(hash, 22n)
  bits = (bits * inverse(65n)) & MASK
  bits = undoShift(bits, 11n)
  bits = (bits * inverse(21n)) & MASK
  bits = undoShift(bits, 31n)
  return ((bits + 1n) * inverse((1n << 18n) - 1n)) & MASK
}

function collidingFloats(count: number): number[] {
  const view = new DataView(new ArrayBuffer(8))
  const found: number[] = []
  for (let n = 0n; found.length < count; n++) {
    view.setBigUint64(0, unhash((n << 20n) | 77n))
    const value = view.getFloat64(0)
    if (Number.isFinite(value) && !Number.isInteger(value)) found.push(value)
  }
  return found
}

const collidingBigints = (count: number): bigint[] =>
  Array.from({ length: count }, (_, n) => (BigInt(n + 1) << 64n) | 5n)

/** By trial: 1 of 1,024 has the wanted ten bits. Of V8's function for small integers, as in spread.ts. */
function collidingIntegers(count: number): number[] {
  const found: number[] = []
  for (let n = 0; found.length < count; n++) {
    let hash = (~n + (n << 15)) | 0
    hash ^= hash >>> 12
    hash = (hash + (hash << 2)) | 0
    hash ^= hash >>> 4
    hash = Math.imul(hash, 2057)
    if (((hash ^ (hash >>> 16)) & 1_023) === 5) found.push(n)
  }
  return found
}

const cpuMs = (work: () => void): number => {
  const begun = process.cpuUsage()
  work()
  return process.cpuUsage(begun).user / 1_000
}

const mapOf = (keys: readonly unknown[]) => new Map(keys.map((key) => [key, true]))

/** A map with these keys as a peer would write it, without building one here. */
function mapTerm(keys: readonly unknown[]): Buffer {
  const head = Buffer.alloc(6)
  head.set([131, 116])
  head.writeUInt32BE(keys.length, 2)
  return Buffer.concat([
    head,
    ...keys.flatMap((key) => [encodeTerm(key).subarray(1), Buffer.of(97, 1)]),
  ])
}

describe('one reader: number keys chosen to collide', () => {
  const sets: [string, readonly (number | bigint)[]][] = [
    ['30,000 floats', collidingFloats(30_000)],
    ['20,000 big integers', collidingBigints(20_000)],
    ['4,000 small integers', collidingIntegers(4_000)],
  ]
  test.each(sets)('%s: the map is kept as it came, at once', (_what, keys) => {
    const bytes = mapTerm(keys)
    let value: unknown
    const taken = cpuMs(() => {
      value = decodeTerm(bytes)
    })
    expect(value).toBeInstanceOf(OpaqueTerm)
    // 120,000 floats took 19 s: no test of speed, but of kind.
    expect(taken).toBeLessThan(3_000)
  })

  test('they do collide in this V8: what the reader computes is what it guards against', () => {
    const chance = cpuMs(() => mapOf(Array.from({ length: 20_000 }, () => Math.random())))
    const chosen = cpuMs(() => mapOf(collidingBigints(20_000)))
    expect(chosen).toBeGreaterThan(10 * chance)
  })

  test('a set, or a map in the form of JavaScript, stays the tuple that it travels as', () => {
    const keys = collidingFloats(1_000)
    const set = decodeTerm(encodeTerm(new Set(keys)))
    expect(set).toBeInstanceOf(Tuple)
  })

  const fine: [string, readonly (number | bigint)[]][] = [
    ['the first integers', Array.from({ length: 100_000 }, (_, n) => n)],
    ['multiples of 4,096', Array.from({ length: 100_000 }, (_, n) => n * 4_096)],
    ['powers of two', Array.from({ length: 900 }, (_, n) => 2 ** (n - 450))],
    ['times in ms', Array.from({ length: 100_000 }, (_, n) => 1_764_540_000_000 + n)],
    ['ids with a shift', Array.from({ length: 100_000 }, (_, n) => n * 2 ** 22 + 2 ** 50)],
    ['tenths', Array.from({ length: 100_000 }, (_, n) => n / 10)],
    ['negative halves', Array.from({ length: 100_000 }, (_, n) => -n - 0.5)],
    ['big integers', Array.from({ length: 50_000 }, (_, n) => 2n ** 70n + BigInt(n))],
  ]
  test.each(fine)('%s make a map as ever', (_what, keys) => {
    expect(areSpread(keys)).toBe(true)
    expect(decodeTerm(encodeTerm(mapOf(keys.slice(0, 1_000))))).toEqual(mapOf(keys.slice(0, 1_000)))
  })
})

describe('one reader: what a term may make it do', () => {
  const listOf = (count: number, unit: Uint8Array): Buffer => {
    const head = Buffer.of(131, 108, 0, 0, 0, 0)
    head.writeUInt32BE(count, 2)
    return Buffer.concat([head, Buffer.alloc(count * unit.length, unit), Buffer.of(106)])
  }
  const many: [string, number, Uint8Array][] = [
    ['empty tuples', 500_001, Buffer.of(104, 0)],
    ['empty lists', 500_001, Buffer.of(106)],
    ['empty maps', 500_001, Buffer.of(116, 0, 0, 0, 0)],
    ['bytes', 130_000, Buffer.of(109, 0, 0, 0, 1, 255)],
    ['big integers', 250_001, Buffer.of(110, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8)],
  ]
  test.each(many)(
    '%s are refused beyond what takes about a tenth of a second',
    (_what, count, unit) => {
      expect(() => decodeTerm(listOf(count, unit))).toThrow(
        expect.objectContaining({ code: 'limit_exceeded' }),
      )
      expect(decodeTerm(listOf(1_000, unit))).toHaveLength(1_000)
    },
  )

  test('so is what a sender writes, so that the link stays', () => {
    const lists = Array.from({ length: 500_001 }, () => [])
    expect(() => encodeTerm(lists)).toThrow(expect.objectContaining({ code: 'limit_exceeded' }))
    const bytes = Array.from({ length: 125_001 }, () => Uint8Array.of(255))
    expect(() => encodeTerm(bytes)).toThrow(expect.objectContaining({ code: 'limit_exceeded' }))
  })

  test('20,001 atoms that are new', () => {
    const atoms = (count: number) => {
      const units = Buffer.alloc(count * 10)
      for (let n = 0; n < count; n++) {
        units.set([119, 8], n * 10)
        units.write(`new${String(n).padStart(5, '0')}`, n * 10 + 2, 'latin1')
      }
      const head = Buffer.of(131, 108, 0, 0, 0, 0)
      head.writeUInt32BE(count, 2)
      return Buffer.concat([head, units, Buffer.of(106)])
    }
    expect(() => decodeTerm(atoms(20_001))).toThrow(
      expect.objectContaining({ code: 'limit_exceeded' }),
    )
    expect(decodeTerm(atoms(5_000))).toHaveLength(5_000)
  })
})
