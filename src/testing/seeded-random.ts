/**
 * Chance from a seed: the generator sfc32 (32-bit words only, so every engine agrees). A fork is
 * decided by the seed and a label, never by how far the parent has run: a new consumer of chance
 * with a label of its own reshuffles nobody else's.
 */
import type { Random } from '../base/random.js'

const WARM_UP_ROUNDS = 15

/** FNV-1a over the characters: turns a label into a word. */
export function labelWord(label: string): number {
  let word = 0x811c9dc5
  for (let index = 0; index < label.length; index++) {
    word = Math.imul(word ^ label.charCodeAt(index), 0x01000193)
  }
  return word >>> 0
}

/** One round of a 32-bit finalizer (murmur3): neighbouring seeds give unrelated words. */
function mix(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

export class SeededRandom implements Random {
  readonly seed: number
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** `seed` is any integer from 0 to 2^53 - 1. */
  constructor(seed: number) {
    this.seed = seed
    this.#a = mix(seed >>> 0)
    this.#b = mix(Math.floor(seed / 2 ** 32) ^ 0x9e3779b9)
    this.#c = mix(this.#a ^ 0x243f6a88)
    for (let round = 0; round < WARM_UP_ROUNDS; round++) this.uint32()
  }

  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    return sum >>> 0
  }

  float(): number {
    return this.uint32() / 2 ** 32
  }

  /** An integer from 0 (included) to `limit` (excluded). */
  below(limit: number): number {
    return Math.floor(this.float() * limit)
  }

  /** A number from `range[0]` (included) to `range[1]` (excluded). */
  between(range: readonly [number, number]): number {
    return range[0] + this.float() * (range[1] - range[0])
  }

  chance(probability: number): boolean {
    return this.float() < probability
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new Error('there is nothing to pick from')
    return items[this.below(items.length)]!
  }

  /** The items in a new order; the array given stays as it is. */
  shuffled<T>(items: readonly T[]): T[] {
    const result = [...items]
    for (let last = result.length - 1; last > 0; last--) {
      const other = this.below(last + 1)
      const item = result[last]!
      result[last] = result[other]!
      result[other] = item
    }
    return result
  }

  /** An independent generator: the same seed and label give the same one, whatever ran before. */
  fork(label: string): SeededRandom {
    const word = mix((this.seed >>> 0) ^ labelWord(label))
    const high = mix(Math.floor(this.seed / 2 ** 32) ^ word ^ 0x5bd1e995) & 0x1fffff
    return new SeededRandom(high * 2 ** 32 + word)
  }
}
