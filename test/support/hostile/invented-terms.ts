/** Terms that a peer can send and no honest one does, by chance. */

import { Atom } from '../../../src/term/atom.js'
import { ImproperList } from '../../../src/term/improper-list.js'
import { Pid } from '../../../src/term/pid.js'
import { Ref } from '../../../src/term/ref.js'
import { Tuple } from '../../../src/term/tuple.js'
import type { SeededRandom } from '../../../src/testing/seeded-random.js'

/** Whose pids, names and creations the terms are full of. */
export interface Parties {
  readonly self: { readonly name: string; readonly creation: number }
  readonly target: { readonly name: string; readonly creation: number }
  readonly friend: { readonly name: string; readonly creation: number }
}

const NUMBERS: readonly unknown[] = [
  ...[0, -0, -1, 1, 5, 80, 255, 256, 2 ** 28, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 52],
  ...[2 ** 53 - 1, 2 ** 53, -(2 ** 53), 1.5, 1e308, Number.NaN, Number.POSITIVE_INFINITY],
  ...[2n ** 64n, -(2n ** 80n), 2n ** 4_000n],
]
const TEXTS = [
  ...['', 'x', 'evil', '__proto__', 'constructor', 'toString', 'then', '\u001b[2J\r\n', '\ud800'],
  ...[
    'citadel',
    'citadel_rows',
    'citadel_scopes',
    'c:registry',
    'g:groups',
    's:supervisor/workers',
  ],
  ...['c:supervisor/workers', 'x'.repeat(300), 'y'.repeat(20_000)],
]
const ATOMS = [
  ...['ok', 'undefined', '$gen_call', '$gen_cast', '$js', 'alias', 'register', 'kill', 'normal'],
  ...['toString', 'valueOf', 'badarg', 'noconnection', ''],
]

let atoms = 0

/** An odd value without parts. */
export function oddLeaf(chance: SeededRandom, parties: Parties): unknown {
  switch (chance.below(9)) {
    case 0:
    case 1:
      return chance.pick(NUMBERS)
    case 2:
      return chance.pick(TEXTS)
    case 3:
      return chance.chance(0.5) ? new Atom(chance.pick(ATOMS)) : new Atom(`a${++atoms}`)
    case 4:
      return chance.pick([null, true, false, undefined])
    case 5:
    case 6:
      return anyPid(chance, parties)
    case 7:
      return anyRef(chance, parties)
    default:
      return Buffer.from([chance.below(256), 255, 0])
  }
}

/** Of its own, of the target, of the friend, of nobody; of system processes mostly. */
export function anyPid(chance: SeededRandom, parties: Parties): Pid {
  const { name, creation } = chance.pick([parties.self, parties.target, parties.friend])
  const id = chance.chance(0.8) ? 75 + chance.below(40) : chance.below(2 ** 32)
  const serial = chance.chance(0.8) ? 0 : chance.below(2 ** 32)
  return new Pid(name, id, serial, chance.chance(0.9) ? creation : chance.below(2 ** 32))
}

export function anyRef(chance: SeededRandom, parties: Parties): Ref {
  const { name, creation } = chance.pick([parties.self, parties.target, parties.friend])
  const words = Array.from({ length: 1 + chance.below(5) }, () =>
    chance.chance(0.5) ? chance.below(20) : chance.uint32(),
  )
  return new Ref(name, creation, words)
}

/** Any term, at most so many levels deep. */
export function oddTerm(chance: SeededRandom, parties: Parties, depth = 3): unknown {
  if (depth === 0 || chance.chance(0.4)) return oddLeaf(chance, parties)
  const parts = (): unknown[] =>
    Array.from({ length: chance.below(6) }, () => oddTerm(chance, parties, depth - 1))
  switch (chance.below(6)) {
    case 0:
      return parts()
    case 1:
      return new Tuple(...parts())
    case 2:
      return new Map(parts().map((part) => [oddLeaf(chance, parties), part]))
    case 3:
      return { type: oddLeaf(chance, parties), [chance.pick(TEXTS)]: oddTerm(chance, parties, 0) }
    case 4:
      return new ImproperList([oddLeaf(chance, parties)], oddLeaf(chance, parties))
    default:
      return new Map<unknown, unknown>([
        [new Atom('toString'), 1],
        [new Atom('valueOf'), 1],
      ])
  }
}

/** The term with one part, wherever, replaced by an odd one. */
export function mutated(term: unknown, chance: SeededRandom, parties: Parties): unknown {
  const parts = partsOf(term)
  if (parts === undefined || parts.length === 0 || chance.chance(0.2)) {
    return oddTerm(chance, parties, 2)
  }
  const at = chance.below(parts.length)
  const changed = parts.map((part, index) => (index === at ? mutated(part, chance, parties) : part))
  if (chance.chance(0.05)) changed.splice(at, 1)
  if (chance.chance(0.05)) changed.push(oddLeaf(chance, parties))
  if (term instanceof Tuple) return new Tuple(...changed)
  if (Array.isArray(term)) return changed
  const names = Object.keys(term as object)
  return Object.fromEntries(changed.map((part, index) => [names[index] ?? 'more', part]))
}

function partsOf(term: unknown): unknown[] | undefined {
  if (Array.isArray(term)) return term
  if (term instanceof Tuple) return [...term.elements]
  const isPlain = term instanceof Object && Object.getPrototypeOf(term) === Object.prototype
  return isPlain ? Object.values(term) : undefined
}

const WORD = 2n ** 64n - 1n

/**
 * Numbers whose hashes in V8, which nobody salts, are equal: the hash taken backwards, step by step.
 */
export function collidingFloats(count: number): number[] {
  const found: number[] = []
  const view = new DataView(new ArrayBuffer(8))
  for (let high = 1n; found.length < count; high++) {
    view.setBigUint64(0, unhashed((high << 30n) | 12_345n))
    const value = view.getFloat64(0)
    if (Number.isFinite(value) && !Number.isInteger(value)) found.push(value)
  }
  return found
}

/** What `ComputeLongHash` makes this of. */
function unhashed(hash: bigint): bigint {
  let word = unshifted(hash, 22n)
  word = (word * inverse(65n)) & WORD
  word = unshifted(word, 11n)
  word = (word * inverse(21n)) & WORD
  word = unshifted(word, 31n)
  // ~x + (x << 18) is x * (2^18 - 1) - 1.
  return ((word + 1n) * inverse(2n ** 18n - 1n)) & WORD
}

/** The x of `x ^ (x >> by)`. */
function unshifted(word: bigint, by: bigint): bigint {
  let found = word
  for (let done = by; done < 64n; done += by) found = word ^ (found >> by)
  return found & WORD
}

/** By which a product of 64 bits with an odd number is undone. */
function inverse(odd: bigint): bigint {
  let found = odd
  for (let bits = 3; bits < 64; bits *= 2) found = (found * (2n - odd * found)) & WORD
  return found & WORD
}
