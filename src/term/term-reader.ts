/**
 * Reads terms of Erlang's External Term Format that another node sent, trusting nothing: every
 * count is checked against limits and the bytes at hand before anything is made of it. What is
 * wrong throws `bad_format` or `limit_exceeded`, and nothing else. The mapping is the table in
 * `docs/erlang.md`.
 *
 * One reader serves a connection: `reset` it for each frame. `term()` reads any value; the typed
 * readers take apart control messages without making values of them.
 */
import { Atom, fitsAtom } from './atom.js'
import { integerAt } from './bignum.js'
import { ByteReader, malformed } from './byte-reader.js'
import { ImproperList } from './improper-list.js'
import {
  COST,
  costOf,
  defaultLimits,
  isStackOverflow,
  overLimit,
  type TermLimits,
} from './limits.js'
import { OpaqueTerm } from './opaque.js'
import { Pid } from './pid.js'
import { Ref } from './ref.js'
import { skipTerm, unknownTag } from './skip-term.js'
import { areSpread } from './spread.js'
import { isRawKind, JS, revive } from './tagged.js'
import * as tags from './tags.js'
import { tupleOver } from './tuple.js'

/** Atoms kept at hand. Beyond, all are forgotten and learnt again; nothing is refused. */
const KNOWN_ATOMS = 1024
/** Pids kept at hand, one for each of these remainders of their slots: many rows name the same ones. */
const KNOWN_PIDS = 1024

const OLD_FLOAT = /^ *[+-]?\d+\.\d+(e[+-]?\d+)?\0*$/
const OLD_FLOAT_SIZE = 31

export class TermReader extends ByteReader {
  readonly limits: Readonly<TermLimits>
  readonly #atoms = new Map<string, Atom>()
  /** Made at the first pid, so that a reader of one term pays little. */
  #pids: (Pid | undefined)[] | undefined
  #elements = 0
  #objects = 0
  #newAtoms = 0
  #copied = 0

  constructor(
    bytes: Uint8Array,
    start = 0,
    end = bytes.length,
    limits: Readonly<TermLimits> = defaultLimits,
  ) {
    super(bytes, start, end)
    this.limits = limits
  }

  /** The next term, whatever it is. */
  term(): unknown {
    this.#elements = 0
    this.#objects = 0
    this.#newAtoms = 0
    this.#copied = 0
    try {
      return this.#value(0)
    } catch (error) {
      throw isStackOverflow(error) ? overLimit('depth', this.limits) : error
    }
  }

  /** Elements of the term that was read last. */
  get elements(): number {
    return this.#elements
  }

  /** Moves over the next term. */
  skip(): void {
    skipTerm(this)
  }

  /** The tag of the next term, without moving. */
  peek(): number {
    this.need(1)
    return this.bytes[this.position]!
  }

  isAtom(): boolean {
    const tag = this.peek()
    return (
      tag === tags.SMALL_ATOM_UTF8 ||
      tag === tags.ATOM_UTF8 ||
      tag === tags.ATOM ||
      tag === tags.SMALL_ATOM
    )
  }

  isPid(): boolean {
    const tag = this.peek()
    return tag === tags.NEW_PID || tag === tags.PID
  }

  /** The arity of the tuple that begins here; its elements follow. */
  tupleArity(): number {
    const tag = this.u8()
    if (tag === tags.SMALL_TUPLE) return this.u8()
    if (tag !== tags.LARGE_TUPLE) throw malformed('is not the tuple expected there')
    return this.u32()
  }

  /** A safe integer. */
  integer(): number {
    const value = this.#integer()
    if (typeof value !== 'number') throw malformed('has too large an integer')
    return value
  }

  /** An integer of any size. */
  bigint(): bigint {
    return BigInt(this.#integer())
  }

  atomName(): string {
    return this.#atomName(this.u8())
  }

  pid(): Pid {
    const tag = this.u8()
    if (tag !== tags.NEW_PID && tag !== tags.PID) throw malformed('is not the pid expected there')
    return this.#pid(tag)
  }

  ref(): Ref {
    const tag = this.u8()
    if (tag === tags.NEWER_REFERENCE || tag === tags.NEW_REFERENCE) return this.#ref(tag)
    if (tag !== tags.REFERENCE) throw malformed('is not the reference expected there')
    return this.#oldRef()
  }

  #value(depth: number): unknown {
    const tag = this.u8()
    switch (tag) {
      case tags.SMALL_INTEGER:
        return this.u8()
      case tags.INTEGER:
        return this.u32() | 0
      case tags.BINARY:
        return this.#binary()
      case tags.SMALL_ATOM_UTF8:
        return this.#atom(tag)
      case tags.MAP:
        return this.#map(depth)
      case tags.SMALL_TUPLE:
        return this.#tuple(this.u8(), depth)
      case tags.NIL:
        this.#count(COST.container)
        return []
      case tags.LIST:
        return this.#list(depth)
      case tags.NEW_FLOAT:
        return this.#float()
      case tags.NEW_PID:
        return this.#pid(tag)
      default:
        return this.#rareValue(tag, depth)
    }
  }

  #rareValue(tag: number, depth: number): unknown {
    switch (tag) {
      case tags.SMALL_BIG:
        return this.#big(this.u8())
      case tags.LARGE_BIG:
        return this.#big(this.u32())
      case tags.STRING:
        return this.#appendBytes([], depth)
      case tags.LARGE_TUPLE:
        return this.#tuple(this.u32(), depth)
      case tags.ATOM:
      case tags.SMALL_ATOM:
      case tags.ATOM_UTF8:
        return this.#atom(tag)
      case tags.NEWER_REFERENCE:
      case tags.NEW_REFERENCE:
        return this.#ref(tag)
      case tags.REFERENCE:
        return this.#oldRef()
      case tags.PID:
        return this.#pid(tag)
      case tags.FLOAT:
        return this.#oldFloat()
      default:
        return this.#foreign(tag)
    }
  }

  #foreign(tag: number): OpaqueTerm {
    switch (tag) {
      case tags.PORT:
      case tags.NEW_PORT:
      case tags.V4_PORT:
        return this.#opaque('port')
      case tags.FUN:
      case tags.NEW_FUN:
      case tags.EXPORT:
        return this.#opaque('fun')
      case tags.BIT_BINARY:
        return this.#opaque('bitstring')
      default:
        throw unknownTag(tag)
    }
  }

  /** The term whose tag was just read, as it came. */
  #opaque(kind: string): OpaqueTerm {
    const start = this.position - 1
    this.position = start
    skipTerm(this)
    return this.#opaqueFrom(kind, start)
  }

  /** Copies are accounted for: maps kept as they came can nest, and would be copied at each level. */
  #opaqueFrom(kind: string, start: number): OpaqueTerm {
    this.#count(COST.bytes)
    this.#copied += this.position - start
    if (this.#copied > this.limits.bytes) throw overLimit('bytes', this.limits)
    return new OpaqueTerm(kind, new Uint8Array(this.bytes.subarray(start, this.position)))
  }

  /** Accounts for a container of `count` elements, `depth` levels down. */
  #open(count: number, depth: number): void {
    if (depth >= this.limits.depth) throw overLimit('depth', this.limits)
    this.need(count)
    this.#elements += count
    if (this.#elements > this.limits.elements) throw overLimit('elements', this.limits)
    this.#count(COST.container)
  }

  /** Accounts for what takes memory of its own. */
  #count(cost: number): void {
    this.#objects += cost
    if (this.#objects > this.limits.objects) throw overLimit('objects', this.limits)
  }

  #bytes(size: number): Uint8Array {
    this.#count(COST.bytes)
    return this.copy(size)
  }

  #integer(): number | bigint {
    const tag = this.u8()
    if (tag === tags.SMALL_INTEGER) return this.u8()
    if (tag === tags.INTEGER) return this.u32() | 0
    if (tag === tags.SMALL_BIG) return this.#big(this.u8())
    if (tag !== tags.LARGE_BIG) throw malformed('is not the integer expected there')
    return this.#big(this.u32())
  }

  #big(size: number): number | bigint {
    if (size > this.limits.integerBytes) throw overLimit('integerBytes', this.limits)
    const sign = this.u8()
    if (sign > 1) throw malformed('has an integer with a sign that is none')
    this.advance(size)
    const value = integerAt(this.bytes, this.position - size, size, sign === 1)
    if (typeof value === 'bigint') this.#count(COST.bigint)
    return value
  }

  #float(): number {
    const value = this.f64()
    if (!Number.isFinite(value)) throw malformed('has a float that is not a number')
    return value
  }

  #oldFloat(): number {
    const text = this.latin1(OLD_FLOAT_SIZE)
    const value = OLD_FLOAT.test(text) ? Number.parseFloat(text) : Number.NaN
    if (!Number.isFinite(value)) throw malformed('has a float that is not a number')
    return value
  }

  #binary(): string | Uint8Array {
    const size = this.u32()
    return this.text(size) ?? this.#bytes(size)
  }

  #atom(tag: number): Atom | boolean | null {
    const name = this.#atomName(tag)
    if (name === 'true') return true
    if (name === 'false') return false
    return name === 'null' ? null : (this.#atoms.get(name) ?? this.#learn(name))
  }

  #learn(name: string): Atom {
    if (!Atom.isKnown(name) && ++this.#newAtoms > this.limits.atoms) {
      throw overLimit('atoms', this.limits)
    }
    const atom = new Atom(name)
    if (this.#atoms.size >= KNOWN_ATOMS) this.#atoms.clear()
    this.#atoms.set(name, atom)
    return atom
  }

  #atomName(tag: number): string {
    switch (tag) {
      case tags.SMALL_ATOM_UTF8:
        return this.#utf8Name(this.u8())
      case tags.ATOM_UTF8:
        return this.#utf8Name(this.u16())
      case tags.SMALL_ATOM:
        return this.latin1(this.u8())
      case tags.ATOM:
        return this.#oldName(this.u16())
      default:
        throw malformed('is not the atom expected there')
    }
  }

  #utf8Name(size: number): string {
    const name = this.name(size)
    if (name === undefined) throw malformed('has an atom that is not UTF-8')
    if (!fitsAtom(name)) throw malformed('has an atom of more than 255 characters')
    return name
  }

  #oldName(size: number): string {
    if (size > 255) throw malformed('has an atom of more than 255 characters')
    return this.latin1(size)
  }

  #pid(tag: number): Pid {
    const node = this.atomName()
    const id = this.u32()
    const serial = this.u32()
    const creation = tag === tags.NEW_PID ? this.u32() : this.u8()
    const known = this.#pids?.[id % KNOWN_PIDS]
    const isIt =
      known?.id === id &&
      known.serial === serial &&
      known.creation === creation &&
      known.node === node
    return isIt ? known : this.#learnPid(new Pid(node, id, serial, creation))
  }

  #learnPid(pid: Pid): Pid {
    this.#pids ??= new Array(KNOWN_PIDS).fill(undefined)
    this.#pids[pid.id % KNOWN_PIDS] = pid
    return pid
  }

  #ref(tag: number): Ref {
    const count = this.u16()
    if (count < 1 || count > 5) throw malformed(`has a reference of ${count} words`)
    const node = this.atomName()
    const creation = tag === tags.NEWER_REFERENCE ? this.u32() : this.u8()
    const words: number[] = []
    for (let index = 0; index < count; index++) words.push(this.u32())
    return new Ref(node, creation, words)
  }

  #oldRef(): Ref {
    const node = this.atomName()
    const word = this.u32()
    return new Ref(node, this.u8(), [word])
  }

  #tuple(arity: number, depth: number): unknown {
    this.#open(arity, depth)
    const elements: unknown[] = []
    for (let index = 0; index < arity; index++) {
      const element = this.#value(depth + 1)
      if (element === JS && index === 0 && arity === 3) return this.#tagged(depth)
      elements.push(element)
    }
    return tupleOver(elements)
  }

  #tagged(depth: number): unknown {
    const kind = this.#value(depth + 1)
    if (kind instanceof Atom) this.#count(costOf(kind.name))
    if (!isRawKind(kind) || this.peek() !== tags.BINARY) return revive(kind, this.#value(depth + 1))
    this.advance(1)
    return revive(kind, this.#bytes(this.u32()))
  }

  /** A list may go on in its tail, as often as the sender likes. */
  #list(depth: number): unknown {
    const elements: unknown[] = []
    this.#appendElements(elements, depth)
    for (;;) {
      const tag = this.peek()
      if (tag === tags.LIST) {
        this.advance(1)
        this.#appendElements(elements, depth)
      } else if (tag === tags.NIL) {
        this.advance(1)
        return elements
      } else {
        return this.#endList(elements, depth)
      }
    }
  }

  #endList(elements: unknown[], depth: number): unknown {
    if (this.peek() === tags.STRING) {
      this.advance(1)
      return this.#appendBytes(elements, depth)
    }
    const tail = this.#value(depth + 1)
    return elements.length === 0 ? tail : new ImproperList(elements, tail)
  }

  #appendElements(elements: unknown[], depth: number): void {
    const count = this.u32()
    this.#open(count, depth)
    for (let index = 0; index < count; index++) elements.push(this.#value(depth + 1))
  }

  /** Erlang's short form for a list of bytes. */
  #appendBytes(elements: unknown[], depth: number): unknown[] {
    const count = this.u16()
    this.#open(count, depth)
    for (let index = 0; index < count; index++) elements.push(this.u8())
    return elements
  }

  /** A plain object while all keys are strings, else a Map. */
  #map(depth: number): unknown {
    const start = this.position - 1
    const count = this.u32()
    this.#open(2 * count, depth)
    const object: Record<string, unknown> = {}
    for (let index = 0; index < count; index++) {
      const key = this.#mapKey(depth + 1)
      if (typeof key !== 'string') return this.#mixedMap(object, key, count - index, start, depth)
      const value = this.#value(depth + 1)
      if (key === '__proto__') define(object, key, value)
      else object[key] = value
    }
    return object
  }

  #mapKey(depth: number): unknown {
    if (this.peek() !== tags.BINARY) return this.#value(depth)
    this.advance(1)
    const size = this.u32()
    return this.name(size) ?? this.#bytes(size)
  }

  /** Goes on from a plain object with the first `key` that is no string. */
  #mixedMap(
    object: Record<string, unknown>,
    key: unknown,
    left: number,
    start: number,
    depth: number,
  ): unknown {
    const keys: unknown[] = Object.keys(object)
    const values: unknown[] = Object.values(object)
    const size = keys.length + left
    keys.push(key)
    values.push(this.#value(depth + 1))
    while (keys.length < size) {
      keys.push(this.#mapKey(depth + 1))
      values.push(this.#value(depth + 1))
    }
    return mapOf(keys, values) ?? this.#opaqueFrom('map', start)
  }
}

/**
 * Undefined: such a map is kept as it came. 1 and 1.0 are two keys in Erlang and one here; and numbers
 * can be chosen so that a table of them takes for ever.
 */
function mapOf(
  keys: readonly unknown[],
  values: readonly unknown[],
): Map<unknown, unknown> | undefined {
  if (!areSpread(keys)) return undefined
  const map = new Map<unknown, unknown>()
  for (let index = 0; index < keys.length; index++) map.set(keys[index], values[index])
  return map.size === keys.length ? map : undefined
}

/** A key of this name would set the prototype if it were assigned. */
function define(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  })
}
