/** References: names of monitors, calls and aliases. */
import { shown } from '../base/describe.js'

/** Not by a `join` of its own: users may have made a reference of anything. */
export const joinWords = ({ words }: Ref): string => Array.prototype.join.call(words, '.')

/** A reference: unique in the life of a node's start. Names a monitor, a call, an alias. */
export class Ref {
  constructor(
    readonly node: string,
    readonly creation: number,
    /** One to five unsigned 32-bit words, as the wire has them. */
    readonly words: readonly number[],
  ) {}

  /** Whatever is no reference is not equal to one. */
  equals(other: Ref): boolean {
    try {
      return this === other || this.toString() === Ref.prototype.toString.call(other)
    } catch {
      return false
    }
  }

  toString(): string {
    try {
      return `#Ref<${this.node}.${this.creation}.${joinWords(this)}>`
    } catch {
      return '#Ref<of nonsense>'
    }
  }

  [shown](): string {
    return this.toString()
  }
}
