/**
 * A cursor over bytes somebody else sent. Nothing is read beyond `end`, and no length is believed
 * before the bytes for it are seen to be there; what is missing is `bad_format`.
 */
import { isUtf8 } from 'node:buffer'
import { CitadelError } from '../base/errors.js'
import { NameCache } from './name-cache.js'

/** Up to here building a string from its units beats the native call. */
const SHORT_TEXT = 12
const REPLACEMENT = '\ufffd'

/** The error for bytes that are not what the format allows. */
export function malformed(what: string): CitadelError {
  return new CitadelError('bad_format', `the peer sent a term that ${what}`)
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)

export class ByteReader {
  bytes: Buffer
  position: number
  end: number
  readonly #names = new NameCache()
  /** One array for each length of short text, to build it from. */
  readonly #units: number[][] = []

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = asBuffer(bytes)
    this.position = start
    this.end = end
  }

  /** Starts over on other bytes, keeping what was learnt about names. */
  reset(bytes: Uint8Array, start = 0, end = bytes.length): void {
    this.bytes = asBuffer(bytes)
    this.position = start
    this.end = end
  }

  get atEnd(): boolean {
    return this.position === this.end
  }

  /** Fails unless `size` more bytes are there. */
  need(size: number): void {
    if (size > this.end - this.position) throw malformed('ends early')
  }

  u8(): number {
    this.need(1)
    return this.bytes[this.position++]!
  }

  u16(): number {
    this.need(2)
    const { bytes, position } = this
    this.position = position + 2
    return (bytes[position]! << 8) | bytes[position + 1]!
  }

  u32(): number {
    this.need(4)
    const { bytes, position } = this
    this.position = position + 4
    return (
      ((bytes[position]! << 24) |
        (bytes[position + 1]! << 16) |
        (bytes[position + 2]! << 8) |
        bytes[position + 3]!) >>>
      0
    )
  }

  f64(): number {
    this.need(8)
    this.position += 8
    return this.bytes.readDoubleBE(this.position - 8)
  }

  /** Moves over `size` bytes. */
  advance(size: number): void {
    this.need(size)
    this.position += size
  }

  /** A copy of the next `size` bytes, which keeps no frame alive. */
  copy(size: number): Uint8Array {
    this.advance(size)
    return new Uint8Array(this.bytes.subarray(this.position - size, this.position))
  }

  latin1(size: number): string {
    this.advance(size)
    return this.bytes.toString('latin1', this.position - size, this.position)
  }

  /** The next `size` bytes as text, or undefined, without moving, when they are not UTF-8. */
  text(size: number): string | undefined {
    this.need(size)
    const text = (size <= SHORT_TEXT ? this.#shortText(size) : undefined) ?? this.#longText(size)
    if (text !== undefined) this.position += size
    return text
  }

  /** Like `text`, for what comes again and again: atoms and keys of maps. */
  name(size: number): string | undefined {
    this.need(size)
    const name = this.#names.at(this.bytes, this.position, size)
    if (name === undefined) return this.text(size)
    this.position += size
    return name
  }

  #shortText(size: number): string | undefined {
    this.#units[size] ??= new Array<number>(size).fill(0)
    const units = this.#units[size]!
    const { bytes, position } = this
    for (let index = 0; index < size; index++) {
      const byte = bytes[position + index]!
      if (byte > 127) return undefined
      units[index] = byte
    }
    return String.fromCharCode.apply(undefined, units)
  }

  #longText(size: number): string | undefined {
    const { bytes, position } = this
    const text = bytes.toString('utf8', position, position + size)
    // Bytes that are not UTF-8 come out as this character, which may also have been sent.
    if (!text.includes(REPLACEMENT)) return text
    return isUtf8(bytes.subarray(position, position + size)) ? text : undefined
  }
}
