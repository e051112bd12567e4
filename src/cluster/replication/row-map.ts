/**
 * A `Map` by string that stays quick to add to however large it is: a `Map` of a million entries
 * that grows moves all of them at once, which takes a tenth of a second. From 4,096 entries on they
 * are spread over 64 maps, which grow one by one. Small ones, as most are, are a single `Map`; empty
 * ones, of which a node has one for each member and scope, share one.
 */
const WHOLE_MAX = 4_096
/** 2 ** 6. */
const PARTS = 64
const SHIFT = 26
/** Of a long key every second, third, ... character counts. */
const SAMPLE = 64
/** Of all that are empty: nothing is ever put into it. */
const EMPTY = new Map<string, never>()

export class RowMap<V> {
  private whole: Map<string, V> | undefined = EMPTY
  private parts: readonly Map<string, V>[] = []
  private count = 0

  get size(): number {
    return this.count
  }

  get(key: string): V | undefined {
    return this.mapOf(key).get(key)
  }

  has(key: string): boolean {
    return this.mapOf(key).has(key)
  }

  set(key: string, value: V): void {
    if (this.whole === EMPTY) this.whole = new Map()
    const map = this.mapOf(key)
    const before = map.size
    map.set(key, value)
    if (map.size === before) return
    this.count++
    if (this.whole && this.count > WHOLE_MAX) this.split(this.whole)
  }

  delete(key: string): boolean {
    if (!this.mapOf(key).delete(key)) return false
    this.count--
    if (this.count === 0 && !this.whole) this.clear()
    return true
  }

  clear(): void {
    this.whole = EMPTY
    this.parts = []
    this.count = 0
  }

  *keys(): IterableIterator<string> {
    for (const [key] of this.entries()) yield key
  }

  /**
   * Tolerates changes meanwhile: what is there from the beginning to the end comes once, what was
   * removed before its turn does not come, what is added may.
   */
  *values(): IterableIterator<V> {
    if (this.whole) for (const [, value] of this.entries()) yield value
    else for (const map of this.parts) for (const value of map.values()) yield value
  }

  /**
   * The same, and what is added meanwhile, or removed and added again, does not put off the end: it
   * goes to the end of its map, behind all that were there when this began.
   */
  *present(): IterableIterator<V> {
    const { whole } = this
    const maps = whole ? [whole] : this.parts
    const sizes = maps.map(({ size }) => size)
    for (const [at, map] of maps.entries()) {
      let left = sizes[at]!
      for (const [key, value] of map) {
        if (left-- === 0) break
        if (!whole || this.isCurrent(whole, key, value)) yield value
      }
    }
  }

  private *entries(): IterableIterator<[string, V]> {
    const { whole } = this
    for (const map of whole ? [whole] : this.parts) {
      for (const entry of map) {
        if (!whole || this.isCurrent(whole, entry[0], entry[1])) yield entry
      }
    }
  }

  /** A map that has been split since is as it was then. */
  private isCurrent(whole: Map<string, V>, key: string, value: V): boolean {
    return this.whole === whole || this.get(key) === value
  }

  private mapOf(key: string): Map<string, V> {
    return this.whole ?? this.parts[partOf(key)]!
  }

  private split(whole: Map<string, V>): void {
    this.parts = Array.from({ length: PARTS }, () => new Map<string, V>())
    this.whole = undefined
    for (const [key, value] of whole) this.mapOf(key).set(key, value)
  }
}

function partOf(key: string): number {
  const { length } = key
  const step = 1 + Math.floor(length / SAMPLE)
  let hash = length
  for (let at = 0; at < length; at += step) {
    hash = (Math.imul(hash, 31) + key.charCodeAt(at)) | 0
  }
  return Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) >>> SHIFT
}
