/**
 * Whole terms with their version byte, and copies of values as another node would get them. Links
 * keep a writer and a reader of their own.
 */
import { types } from 'node:util'
import { CitadelError } from '../base/errors.js'
import { malformed } from './byte-reader.js'
import { defaultLimits, type TermLimits, termLimits } from './limits.js'
import { VERSION } from './tags.js'
import { TermReader } from './term-reader.js'
import { TermWriter } from './term-writer.js'

const nothing = Buffer.alloc(0)

/** A writer and a reader for many terms, one after the other. */
export class TermCodec {
  readonly #writer: TermWriter
  readonly #reader: TermReader

  constructor(limits: Readonly<TermLimits> = defaultLimits) {
    this.#writer = new TermWriter(undefined, limits)
    this.#reader = new TermReader(nothing, 0, 0, limits)
  }

  /** What `term_to_binary` gives. `name` is what an error calls it. Throws `unserializable` or `limit_exceeded`. */
  encode(value: unknown, name?: string): Buffer {
    const writer = this.#writer
    writer.rewind(0)
    writer.u8(VERSION)
    writer.term(value, name)
    return writer.take()
  }

  /** What `binary_to_term` gives. Throws `bad_format` or `limit_exceeded`. */
  decode(bytes: Uint8Array): unknown {
    if (!types.isUint8Array(bytes)) throw new CitadelError('bad_argument', 'a term is a Uint8Array')
    if (bytes.length === 0) throw malformed('ends early')
    const reader = this.#reader
    reader.reset(bytes)
    if (reader.u8() !== VERSION) throw malformed('has another version than 131')
    const value = reader.term()
    if (!reader.atEnd) throw malformed('goes on after its end')
    return value
  }

  /** The value as another node would get it: what was shared is not, what cannot cross throws. */
  copy(value: unknown): unknown {
    const writer = this.#writer
    writer.rewind(0)
    writer.term(value)
    this.#reader.reset(writer.take())
    return this.#reader.term()
  }
}

export const encodeTerm = (value: unknown, limits?: Readonly<TermLimits>): Buffer =>
  new TermCodec(termLimits(limits)).encode(value)

export const decodeTerm = (bytes: Uint8Array, limits?: Readonly<TermLimits>): unknown =>
  new TermCodec(termLimits(limits)).decode(bytes)

export const copyTerm = (value: unknown, limits?: Readonly<TermLimits>): unknown =>
  new TermCodec(termLimits(limits)).copy(value)
