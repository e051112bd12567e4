/**
 * Cuts a connection's bytes into frames with a 4-byte length, whatever the chunks they arrive in.
 * A frame inside one chunk is a view of it, never a copy; one that spans chunks is gathered once,
 * in memory that grows with what has arrived, never with what was announced. A frame over the
 * limit throws `limit_exceeded` as soon as its length is read. Pure; pulled by its owner:
 *
 *     splitter.push(chunk)
 *     for (let frame = splitter.next(); frame !== undefined; frame = splitter.next()) handle(frame)
 */
import { CitadelError } from '../base/errors.js'

export const FRAME_LIMIT_BYTES = 64 * 1024 * 1024

const HEADER_BYTES = 4
/** What is set aside at first for a frame that spans chunks; doubled as its bytes arrive. */
const FIRST_RESERVE_BYTES = 64 * 1024
const NOTHING = Buffer.alloc(0)

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

export class FrameSplitter {
  /** Frames of length 0 seen so far: the peer was alive and had nothing to say. */
  ticks = 0

  readonly #limitBytes: number
  #chunk: Buffer = NOTHING
  #at = 0
  /** The length being read, and how many of its 4 bytes are known. */
  #length = 0
  #headerBytes = 0
  /** The frame being gathered over several chunks. */
  #partial: Buffer = NOTHING
  #partialBytes = 0

  constructor(limitBytes: number = FRAME_LIMIT_BYTES) {
    this.#limitBytes = limitBytes
  }

  /** Takes the next bytes of the connection. The caller gives the array away. */
  push(chunk: Uint8Array): void {
    const bytes = asBuffer(chunk)
    this.#chunk = this.pendingBytes === 0 ? bytes : Buffer.concat([this.#rest(), bytes])
    this.#at = 0
  }

  /** Bytes pushed and not yet looked at: `next` has not answered undefined since. */
  get pendingBytes(): number {
    return this.#chunk.length - this.#at
  }

  /** What is set aside for a frame that has arrived in part. */
  get reservedBytes(): number {
    return this.#partial.length
  }

  /** The next whole frame without its length, or undefined when more bytes are needed. */
  next(): Buffer | undefined {
    const frame = this.#cut()
    if (frame === undefined) this.#forgetChunk()
    return frame
  }

  #cut(): Buffer | undefined {
    while (this.#readHeader()) {
      this.#checkLimit()
      if (this.#length > 0) return this.#readBody()
      this.ticks++
      this.#headerBytes = 0
    }
    return undefined
  }

  /** All of it is used: an idle connection must not hold on to the last 64 KiB it received. */
  #forgetChunk(): void {
    this.#chunk = NOTHING
    this.#at = 0
  }

  #rest(): Buffer {
    return this.#chunk.subarray(this.#at)
  }

  /** True when the length of the next frame is known. */
  #readHeader(): boolean {
    if (this.#headerBytes === HEADER_BYTES) return true
    if (this.#headerBytes === 0 && this.pendingBytes >= HEADER_BYTES) {
      this.#length = this.#chunk.readUInt32BE(this.#at)
      this.#at += HEADER_BYTES
      this.#headerBytes = HEADER_BYTES
    } else {
      this.#readHeaderByByte()
    }
    return this.#headerBytes === HEADER_BYTES
  }

  #readHeaderByByte(): void {
    if (this.#headerBytes === 0) this.#length = 0
    while (this.#headerBytes < HEADER_BYTES && this.pendingBytes > 0) {
      this.#length = this.#length * 256 + this.#chunk[this.#at++]!
      this.#headerBytes++
    }
  }

  #checkLimit(): void {
    if (this.#length <= this.#limitBytes) return
    throw new CitadelError(
      'limit_exceeded',
      `a frame of ${this.#length} bytes was announced and the limit is ${this.#limitBytes}: ` +
        'send smaller messages or raise frameLimitBytes on every node',
    )
  }

  #readBody(): Buffer | undefined {
    if (this.#partialBytes > 0 || this.pendingBytes < this.#length) return this.#gather()
    const frame = this.#chunk.subarray(this.#at, this.#at + this.#length)
    this.#at += this.#length
    this.#headerBytes = 0
    return frame
  }

  #gather(): Buffer | undefined {
    const wanted = Math.min(this.#length - this.#partialBytes, this.pendingBytes)
    this.#reserve(this.#partialBytes + wanted)
    this.#chunk.copy(this.#partial, this.#partialBytes, this.#at, this.#at + wanted)
    this.#partialBytes += wanted
    this.#at += wanted
    return this.#partialBytes === this.#length ? this.#finishGathering() : undefined
  }

  #reserve(neededBytes: number): void {
    if (neededBytes <= this.#partial.length) return
    const doubled = Math.max(FIRST_RESERVE_BYTES, this.#partial.length * 2, neededBytes)
    const grown = Buffer.allocUnsafeSlow(Math.min(this.#length, doubled))
    this.#partial.copy(grown, 0, 0, this.#partialBytes)
    this.#partial = grown
  }

  #finishGathering(): Buffer {
    const frame = this.#partial.subarray(0, this.#length)
    this.#partial = NOTHING
    this.#partialBytes = 0
    this.#headerBytes = 0
    return frame
  }
}
