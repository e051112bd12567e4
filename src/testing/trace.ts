/**
 * A running hash of all that happened in a simulation: every event with its time and label, and
 * every delivered chunk with its bytes. Two runs with one seed must give one hash; if they do not,
 * something in them did not come from the seed.
 */
import { labelWord } from './seeded-random.js'

/** Names a kind of event; made once and shared, so that recording costs a few multiplications. */
export interface Label {
  readonly text: string
  readonly word: number
}

export const label = (text: string): Label => ({ text, word: labelWord(text) })

/** Times are multiples of this (about a microsecond), exact in binary: no rounding, ever. */
export const TICKS_PER_MS = 1024

const PRIME = 0x01000193

export class Trace {
  #low = 0x811c9dc5
  #high = 0x2545f491
  #events = 0
  #listener: ((at: number, text: string) => void) | undefined

  get events(): number {
    return this.#events
  }

  /** 16 hexadecimal digits. */
  get hash(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0')
    return hex(this.#high) + hex(this.#low)
  }

  /** Told every event: to print the story of a failing seed, or to find where two runs part. */
  listen(listener: ((at: number, text: string) => void) | undefined): void {
    this.#listener = listener
  }

  event(at: number, what: Label): void {
    this.#events++
    const ticks = at * TICKS_PER_MS
    this.#word(ticks >>> 0)
    this.#word(Math.floor(ticks / 2 ** 32))
    this.#word(what.word)
    this.#listener?.(at, what.text)
  }

  bytes(chunk: Uint8Array): void {
    let word = 0x811c9dc5 ^ chunk.length
    for (let index = 0; index < chunk.length; index++) {
      word = Math.imul(word ^ chunk[index]!, PRIME)
    }
    this.#word(word)
  }

  /** Anything else that must repeat exactly, such as the outcome of a step of a scenario. */
  note(text: string): void {
    this.#word(labelWord(text))
  }

  #word(word: number): void {
    this.#low = Math.imul(this.#low ^ word, PRIME)
    this.#high = Math.imul((this.#high ^ word) + ((this.#low >>> 15) | 0), 0x85ebca6b)
  }
}
