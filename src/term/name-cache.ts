/**
 * Strings that a reader meets again and again (atoms, node names, keys of maps), found by their
 * bytes without making a string first. One slot for each hash, so it can never grow.
 */
const SLOTS = 512
const LONGEST = 64

export class NameCache {
  /** Made at the first name, so that a reader of one term pays nothing. */
  #names: (string | undefined)[] | undefined

  /** The name in `size` bytes at `at`; undefined for one too long, or not of ASCII characters. */
  at(bytes: Buffer, at: number, size: number): string | undefined {
    if (size === 0 || size > LONGEST) return undefined
    const slot = slotOf(bytes, at, size)
    const name = this.#names?.[slot]
    if (name !== undefined && matches(name, bytes, at, size)) return name
    return this.#learn(slot, bytes, at, size)
  }

  #learn(slot: number, bytes: Buffer, at: number, size: number): string | undefined {
    for (let index = at; index < at + size; index++) if (bytes[index]! > 127) return undefined
    const name = bytes.toString('latin1', at, at + size)
    this.#names ??= new Array(SLOTS).fill(undefined)
    this.#names[slot] = name
    return name
  }
}

/** First, middle and last byte and the length tell names apart well, and cost little. */
function slotOf(bytes: Buffer, at: number, size: number): number {
  const ends = bytes[at]! * 31 + bytes[at + size - 1]! * 7
  return (ends + bytes[at + (size >> 1)]! * 131 + size * 17) % SLOTS
}

function matches(name: string, bytes: Buffer, at: number, size: number): boolean {
  if (name.length !== size) return false
  for (let index = 0; index < size; index++) {
    if (name.charCodeAt(index) !== bytes[at + index]) return false
  }
  return true
}
