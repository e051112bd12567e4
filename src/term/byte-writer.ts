/**
 * A buffer that grows as bytes are appended. `bytes` and `length` are open, so that a frame's
 * length can be patched in afterwards; `bytes` is another object after anything that reserved.
 */
export class ByteWriter {
  bytes: Buffer
  length = 0
  readonly #capacity: number

  constructor(capacity = 256) {
    this.#capacity = capacity
    this.bytes = Buffer.allocUnsafe(capacity)
  }

  /** Makes room for `size` more bytes. */
  reserve(size: number): void {
    const needed = this.length + size
    if (needed > this.bytes.length) this.grow(needed)
  }

  protected grow(needed: number): void {
    const grown = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2))
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
  }

  /** Forgets what was written after the first `length` bytes. */
  rewind(length: number): void {
    this.length = length
  }

  /** What was written, as bytes nobody will change; the writer starts anew. */
  take(): Buffer {
    const { bytes, length } = this
    const sparse = length * 2 < bytes.length
    if (!sparse || bytes.length > this.#capacity) this.bytes = Buffer.allocUnsafe(this.#capacity)
    this.length = 0
    return sparse ? Buffer.from(bytes.subarray(0, length)) : bytes.subarray(0, length)
  }

  u8(value: number): void {
    this.reserve(1)
    this.bytes[this.length++] = value
  }

  u16(value: number): void {
    this.reserve(2)
    const { bytes, length } = this
    bytes[length] = value >>> 8
    bytes[length + 1] = value
    this.length = length + 2
  }

  u32(value: number): void {
    this.reserve(4)
    this.patchU32(this.length, value)
    this.length += 4
  }

  u64(value: bigint): void {
    this.reserve(8)
    this.length = this.bytes.writeBigUInt64BE(value, this.length)
  }

  f64(value: number): void {
    this.reserve(8)
    this.length = this.bytes.writeDoubleBE(value, this.length)
  }

  /** Overwrites four bytes written before: a length known only now. */
  patchU32(at: number, value: number): void {
    const { bytes } = this
    bytes[at] = value >>> 24
    bytes[at + 1] = value >>> 16
    bytes[at + 2] = value >>> 8
    bytes[at + 3] = value
  }

  raw(from: Uint8Array): void {
    this.reserve(from.length)
    this.bytes.set(from, this.length)
    this.length += from.length
  }

  /** Appends `text` if it is ASCII, faster than a native call while it is short. False: nothing done. */
  ascii(text: string): boolean {
    const size = text.length
    this.reserve(size)
    const { bytes, length } = this
    for (let index = 0; index < size; index++) {
      const unit = text.charCodeAt(index)
      if (unit > 127) return false
      bytes[length + index] = unit
    }
    this.length = length + size
    return true
  }

  /** Appends `text`, whose UTF-8 form has `size` bytes. */
  utf8(text: string, size: number): void {
    this.reserve(size)
    this.length += this.bytes.write(text, this.length, size, 'utf8')
  }
}
