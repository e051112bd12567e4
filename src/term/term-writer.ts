/**
 * Writes values in Erlang's External Term Format, without the version byte. The mapping is the
 * table in `docs/erlang.md`. A value that cannot be written leaves no byte behind and throws
 * `unserializable` or `limit_exceeded`.
 */
import { isUtf8 } from 'node:buffer'
import { types } from 'node:util'
import { isA } from '../base/describe.js'
import { CitadelError } from '../base/errors.js'
import { Atom, fitsAtom } from './atom.js'
import { magnitudeOf, magnitudeSize, putMagnitude } from './bignum.js'
import { ByteWriter } from './byte-writer.js'
import type { ImproperList } from './improper-list.js'
import { isTermMap } from './key.js'
import { isWellFormed, known } from './kinds.js'
import {
  COST,
  costOf,
  defaultLimits,
  isStackOverflow,
  overLimit,
  type TermLimits,
} from './limits.js'
import { Pid } from './pid.js'
import { Ref } from './ref.js'
import { isKeptTerm } from './skip-term.js'
import { isKind, JS, type Tagged, tag } from './tagged.js'
import * as tags from './tags.js'
import { Tuple } from './tuple.js'
import { isCyclic, threwWhileRead, unserializable } from './unserializable.js'

type Plain = Readonly<Record<string, unknown>>

/** Up to here a loop beats the native call. */
const SHORT_TEXT = 32

/** Thrown while writing, and replaced by an error that names the place. */
const cannotCross = new Error('a part of the value cannot cross')
const tooDeep = new Error('the value nests too deep')

const isSafe = (value: bigint): boolean => Number.isSafeInteger(Number(value))

export class TermWriter extends ByteWriter {
  readonly limits: Readonly<TermLimits>
  /** What `length` may not pass while a term is written. */
  #ceiling = Number.POSITIVE_INFINITY
  #elements = 0
  #objects = 0
  #writing = false

  constructor(capacity?: number, limits: Readonly<TermLimits> = defaultLimits) {
    super(capacity)
    this.limits = limits
  }

  /** Writes any value. `name` is what an error calls it. */
  term(value: unknown, name = 'message'): void {
    const start = this.#begin(name)
    try {
      this.#value(value, 0)
      if (this.length > this.#ceiling) throw overLimit('bytes', this.limits)
    } catch (error) {
      this.rewind(start)
      throw this.#explain(error, value, name)
    } finally {
      this.#writing = false
      this.#ceiling = Number.POSITIVE_INFINITY
    }
  }

  /** An atom of any name, also `true`, `false` and `null`. */
  atom(name: string): void {
    const start = this.length
    if (name.length <= 255) {
      this.u16((tags.SMALL_ATOM_UTF8 << 8) | name.length)
      if (this.ascii(name)) return
      this.rewind(start)
    }
    this.#wideAtom(name)
  }

  pid(pid: Pid): void {
    this.u8(tags.NEW_PID)
    this.atom(pid.node)
    this.u32(pid.id)
    this.u32(pid.serial)
    this.u32(pid.creation)
  }

  ref(ref: Ref): void {
    const { words } = ref
    this.u8(tags.NEWER_REFERENCE)
    this.u16(words.length)
    this.atom(ref.node)
    this.u32(ref.creation)
    for (let index = 0; index < words.length; index++) this.u32(words[index]!)
  }

  /** The head of a tuple; its elements follow. */
  tupleHeader(arity: number): void {
    if (arity <= 255) {
      this.u16((tags.SMALL_TUPLE << 8) | arity)
    } else {
      this.u8(tags.LARGE_TUPLE)
      this.u32(arity)
    }
  }

  /** The head of a list of at least one element; its elements follow, then its tail: `nil()`. */
  listHeader(length: number): void {
    this.u8(tags.LIST)
    this.u32(length)
  }

  nil(): void {
    this.u8(tags.NIL)
  }

  /** The head of a binary; its bytes follow. */
  binaryHeader(size: number): void {
    this.u8(tags.BINARY)
    this.u32(size)
  }

  /** A safe integer, or any bigint. */
  integer(value: number | bigint): void {
    if (typeof value === 'bigint') {
      this.#bigint(value)
    } else if (value >= 0 && value <= 255) {
      this.u16((tags.SMALL_INTEGER << 8) | value)
    } else if (value === (value | 0)) {
      this.u8(tags.INTEGER)
      this.u32(value)
    } else {
      this.#wideInteger(value)
    }
  }

  protected override grow(needed: number): void {
    if (needed > this.#ceiling) throw overLimit('bytes', this.limits)
    super.grow(needed)
  }

  #begin(name: string): number {
    if (this.#writing) {
      throw new CitadelError('unserializable', `a getter in ${name} used the node: send plain data`)
    }
    this.#writing = true
    this.#elements = 0
    this.#objects = 0
    this.#ceiling = this.length + this.limits.bytes
    return this.length
  }

  #explain(error: unknown, value: unknown, name: string): unknown {
    const { depth } = this.limits
    if (error === cannotCross || (error === tooDeep && isCyclic(value, depth))) {
      return unserializable(value, name, depth)
    }
    if (error === tooDeep || isStackOverflow(error)) return overLimit('depth', this.limits)
    return isA(error, CitadelError) ? error : threwWhileRead(error, name)
  }

  /** Accounts for a container of `count` elements, `depth` levels down. */
  #open(count: number, depth: number): void {
    if (depth >= this.limits.depth) throw tooDeep
    this.#elements += count
    if (this.#elements > this.limits.elements) throw overLimit('elements', this.limits)
    this.#count(COST.container)
  }

  #count(cost: number): void {
    this.#objects += cost
    if (this.#objects > this.limits.objects) throw overLimit('objects', this.limits)
  }

  #value(value: unknown, depth: number): void {
    if (typeof value === 'string') this.#string(value, depth)
    else if (typeof value === 'number') this.#number(value, depth)
    else if (typeof value === 'boolean') this.atom(value ? 'true' : 'false')
    else if (value === null) this.atom('null')
    else if (typeof value === 'object') this.#object(value, depth)
    else if (typeof value === 'bigint' && !isSafe(value)) this.#bigint(value)
    else this.#tagged(tag(value), depth)
  }

  #object(value: object, depth: number): void {
    if (Array.isArray(value)) this.#list(value, depth)
    else if (Object.getPrototypeOf(value) === Object.prototype) this.#map(value as Plain, depth)
    else if (value instanceof Tuple) this.#tuple(value, depth)
    else if (value instanceof Atom) this.atom(value.name)
    else if (value instanceof Pid) this.pid(value)
    else if (value instanceof Ref) this.ref(value)
    else this.#rareObject(value, depth)
  }

  #rareObject(value: object, depth: number): void {
    const it = known(value)
    if (it?.kind === 'object') this.#map(it.value, depth)
    else if (it?.kind === 'improperList') this.#improperList(it.value, depth)
    else if (it?.kind === 'opaque' && isKeptTerm(it.value.bytes)) this.raw(it.value.bytes)
    else if (it?.kind === 'bytes' && !isUtf8(it.value)) this.#binary(it.value)
    else if (it?.kind === 'map' && isTermMap(it.value)) this.#entries(it.value, depth)
    else this.#tagged(tag(value), depth)
  }

  #tagged(tagged: Tagged | undefined, depth: number): void {
    if (tagged === undefined) throw cannotCross
    this.#open(3, depth)
    this.#count(costOf(tagged.kind))
    this.tupleHeader(3)
    this.atom(JS.name)
    this.atom(tagged.kind)
    if (types.isUint8Array(tagged.data)) this.#binary(tagged.data)
    else this.#value(tagged.data, depth + 1)
  }

  #string(text: string, depth: number): void {
    const start = this.length
    if (text.length <= SHORT_TEXT) {
      this.binaryHeader(text.length)
      if (this.ascii(text)) return
      this.rewind(start)
    }
    const size = Buffer.byteLength(text)
    if (size === text.length || isWellFormed(text)) {
      this.binaryHeader(size)
      this.utf8(text, size)
    } else {
      this.#tagged(tag(text), depth)
    }
  }

  #number(value: number, depth: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      this.integer(value)
    } else if (Number.isFinite(value)) {
      this.u8(tags.NEW_FLOAT)
      this.f64(value)
    } else {
      this.#tagged(tag(value), depth)
    }
  }

  #wideInteger(value: number): void {
    const magnitude = Math.abs(value)
    const size = magnitudeSize(magnitude)
    this.#bigHeader(size, value < 0)
    this.reserve(size)
    putMagnitude(this.bytes, this.length, magnitude, size)
    this.length += size
  }

  #bigint(value: bigint): void {
    if (isSafe(value)) {
      this.integer(Number(value))
      return
    }
    this.#count(COST.bigint)
    const magnitude = magnitudeOf(value)
    if (magnitude.length > this.limits.integerBytes) throw overLimit('integerBytes', this.limits)
    this.#bigHeader(magnitude.length, value < 0n)
    this.raw(magnitude)
  }

  #bigHeader(size: number, negative: boolean): void {
    if (size <= 255) {
      this.u16((tags.SMALL_BIG << 8) | size)
    } else {
      this.u8(tags.LARGE_BIG)
      this.u32(size)
    }
    this.u8(negative ? 1 : 0)
  }

  #binary(bytes: Uint8Array): void {
    this.#count(COST.bytes)
    this.binaryHeader(bytes.length)
    this.raw(bytes)
  }

  #list(list: readonly unknown[], depth: number): void {
    const { length } = list
    if (length > 0) {
      this.#open(length, depth)
      this.listHeader(length)
      for (let index = 0; index < length; index++) this.#value(list[index], depth + 1)
    } else this.#count(COST.container)
    this.nil()
  }

  #improperList({ elements, tail }: ImproperList, depth: number): void {
    this.#open(elements.length, depth)
    if (elements.length > 0) this.listHeader(elements.length)
    for (const element of elements) this.#value(element, depth + 1)
    this.#value(tail, depth + 1)
  }

  #tuple(tuple: Tuple, depth: number): void {
    const { elements } = tuple
    if (elements.length === 3 && elements[0] === JS && isKind(elements[1])) {
      this.#tagged(tag(tuple), depth)
      return
    }
    this.#open(elements.length, depth)
    this.tupleHeader(elements.length)
    for (let index = 0; index < elements.length; index++) this.#value(elements[index], depth + 1)
  }

  #map(object: Plain, depth: number): void {
    const keys = Object.keys(object)
    this.#mapHeader(keys.length, depth)
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index]!
      this.#string(key, depth + 1)
      this.#value(object[key], depth + 1)
    }
  }

  #mapHeader(size: number, depth: number): void {
    this.#open(2 * size, depth)
    this.u8(tags.MAP)
    this.u32(size)
  }

  #entries(map: ReadonlyMap<unknown, unknown>, depth: number): void {
    this.#mapHeader(map.size, depth)
    for (const [key, value] of map) {
      this.#value(key, depth + 1)
      this.#value(value, depth + 1)
    }
  }

  #wideAtom(name: string): void {
    const size = Buffer.byteLength(name)
    if (!fitsAtom(name) || !isWellFormed(name)) {
      throw new CitadelError('bad_argument', 'an atom has at most 255 well-formed characters')
    }
    if (size <= 255) {
      this.u16((tags.SMALL_ATOM_UTF8 << 8) | size)
    } else {
      this.u8(tags.ATOM_UTF8)
      this.u16(size)
    }
    this.utf8(name, size)
  }
}
