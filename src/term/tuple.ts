/** Tuples of Erlang. */
import { types } from 'node:util'
import { describe, type Shown, shown } from '../base/describe.js'
import { CitadelError } from '../base/errors.js'

const TEXT_MAX = 10_000

/** An Erlang tuple: `new Tuple('a', 1)` is `{<<"a">>, 1}`. */
export class Tuple<E extends readonly unknown[] = readonly unknown[]> {
  readonly elements: E

  constructor(...elements: E) {
    this.elements = elements
  }

  /** A tuple over an array the caller gives up; any length, where spreading has its limits. */
  static over(elements: readonly unknown[]): Tuple {
    if (types.isProxy(elements) || !Array.isArray(elements)) {
      throw new CitadelError('bad_argument', 'a tuple is made of an array of its elements')
    }
    return tupleOver(elements)
  }

  get length(): number {
    return this.elements.length
  }

  at(index: number): unknown {
    return typeof index === 'number' ? this.elements[index] : undefined
  }

  [Symbol.iterator](): IterableIterator<unknown> {
    return this.elements[Symbol.iterator]()
  }

  /** For people; what it is made of may be anything, so a long one is cut. */
  toString(): string {
    return describe(this, TEXT_MAX)
  }

  [shown](): Shown {
    return { open: '{', items: this.elements, close: '}' }
  }
}

/** The same as `Tuple.over` for arrays that are known to be some. */
export function tupleOver(elements: readonly unknown[]): Tuple {
  const tuple = new Tuple() as { elements: readonly unknown[] } & Tuple
  tuple.elements = elements
  return tuple
}
