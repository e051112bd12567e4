/**
 * Integers beyond 32 bits: sign and little-endian magnitude on the wire. Safe integers never
 * become a bigint on the way; larger ones convert in linear time, through hexadecimal.
 */
const TWO_32 = 2 ** 32

/** Bytes that the magnitude of a safe integer takes. */
export function magnitudeSize(magnitude: number): number {
  let size = 4
  for (let high = Math.floor(magnitude / TWO_32); high > 0; high = high >>> 8) size++
  return size
}

/** Puts `size` bytes of a safe magnitude at `at`. */
export function putMagnitude(bytes: Uint8Array, at: number, magnitude: number, size: number): void {
  let low = magnitude % TWO_32
  for (let index = 0; index < 4; index++) {
    bytes[at + index] = low
    low = Math.floor(low / 256)
  }
  let high = Math.floor(magnitude / TWO_32)
  for (let index = 4; index < size; index++) {
    bytes[at + index] = high
    high = high >>> 8
  }
}

/** The magnitude of a bigint, little-endian, without leading zeros. */
export function magnitudeOf(value: bigint): Buffer {
  const hex = (value < 0n ? -value : value).toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').reverse()
}

/** The integer with the `size` bytes of magnitude at `at`: a number if it is safe. */
export function integerAt(
  bytes: Buffer,
  at: number,
  size: number,
  negative: boolean,
): number | bigint {
  let used = size
  while (used > 0 && bytes[at + used - 1] === 0) used--
  return used <= 7
    ? shortInteger(bytes, at, used, negative)
    : longInteger(bytes, at, used, negative)
}

function shortInteger(bytes: Buffer, at: number, size: number, negative: boolean): number | bigint {
  let magnitude = 0
  for (let index = size - 1; index >= 0; index--) magnitude = magnitude * 256 + bytes[at + index]!
  if (magnitude > Number.MAX_SAFE_INTEGER) return longInteger(bytes, at, size, negative)
  return negative && magnitude !== 0 ? -magnitude : magnitude
}

function longInteger(bytes: Buffer, at: number, size: number, negative: boolean): bigint {
  if (size === 8) {
    const value = bytes.readBigUInt64LE(at)
    return negative ? -value : value
  }
  const magnitude = Buffer.from(bytes.subarray(at, at + size)).reverse()
  const value = BigInt(`0x${magnitude.toString('hex')}`)
  return negative ? -value : value
}
