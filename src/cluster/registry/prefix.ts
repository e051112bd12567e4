/**
 * Prefixes of keys: of strings by their characters, of arrays by their first elements. What begins
 * with which of many prefixes is found by one look-up for each distinct length of a prefix that is
 * not longer than the key, however many prefixes and keys there are.
 */
import { CitadelError } from '../../base/errors.js'
import { termKey } from '../../term/key.js'
import type { Claim } from '../tables/claim-table.js'

export interface Prefix {
  readonly of: 'string' | 'array'
  readonly text: string
}

/** @throws CitadelError `bad_argument`. */
export function prefixOf(prefix: unknown): Prefix {
  if (typeof prefix === 'string') return { of: 'string', text: prefix }
  if (Array.isArray(prefix)) return { of: 'array', text: elementsText(termKey(prefix)) }
  throw new CitadelError(
    'bad_argument',
    'A prefix is a string, for keys that are strings, or an array, for keys that are arrays.',
  )
}

/** What a key's prefixes are prefixes of; undefined: a key of this kind has none. */
function prefixedText({ id, key }: Pick<Claim, 'id' | 'key'>): Prefix | undefined {
  if (typeof key === 'string') return { of: 'string', text: key }
  return Array.isArray(key) ? { of: 'array', text: elementsText(id) } : undefined
}

/** The elements of an array in its canonical string: of these none is the beginning of another. */
const elementsText = (id: string): string => id.slice(id.indexOf(':') + 1)

export function beginsWith(key: Pick<Claim, 'id' | 'key'>, prefix: Prefix): boolean {
  const whole = prefixedText(key)
  return whole?.of === prefix.of && whole.text.startsWith(prefix.text)
}

export class PrefixIndex<T> {
  private readonly kinds = {
    string: new Map<number, Map<string, Set<T>>>(),
    array: new Map<number, Map<string, Set<T>>>(),
  }

  add({ of, text }: Prefix, item: T): void {
    const lengths = this.kinds[of]
    const sameLength = lengths.get(text.length) ?? new Map<string, Set<T>>()
    lengths.set(text.length, sameLength)
    const items = sameLength.get(text)
    if (items) items.add(item)
    else sameLength.set(text, new Set([item]))
  }

  delete({ of, text }: Prefix, item: T): void {
    const lengths = this.kinds[of]
    const sameLength = lengths.get(text.length)
    const items = sameLength?.get(text)
    items?.delete(item)
    if (items?.size === 0) sameLength?.delete(text)
    if (sameLength?.size === 0) lengths.delete(text.length)
  }

  /** The items of all prefixes with which the key begins. */
  *matching(key: Pick<Claim, 'id' | 'key'>): IterableIterator<T> {
    const whole = prefixedText(key)
    if (!whole) return
    for (const [length, sameLength] of this.kinds[whole.of]) {
      if (length > whole.text.length) continue
      yield* sameLength.get(whole.text.slice(0, length)) ?? []
    }
  }
}
