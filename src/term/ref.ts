/** References: names of monitors, calls and aliases. */
import { shown } from '../base/describe.js'

/** A reference: unique in the life of a node's start. Names a monitor, a call, an alias. */
export class Ref {
  constructor(
    readonly node: string,
    readonly creation: number,
    /** One to five unsigned 32-bit words, as the wire has them. */
    readonly words: readonly number[],
  ) {}

  equals(other: Ref): boolean {
    return this === other || this.toString() === other.toString()
  }

  toString(): string {
    return `#Ref<${this.node}.${this.creation}.${this.words.join('.')}>`
  }

  [shown](): string {
    return this.toString()
  }
}
