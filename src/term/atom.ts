/**
 * An Erlang atom. Interned, so atoms compare with `===`; interned weakly, so names that come from
 * the network and are forgotten again cost nothing. `true`, `false` and `null` have values of their
 * own in JavaScript and are never Atoms.
 */
import { shown } from '../base/describe.js'
import { CitadelError } from '../base/errors.js'

const MAX_CHARACTERS = 255
const LONE_SURROGATE = /\p{Surrogate}/u

/** Why `name` cannot be an atom's name, or undefined when it can. */
function fault(name: string): string | undefined {
  if (typeof name !== 'string') return `an atom's name is a string, not ${typeof name}`
  if (name === 'true' || name === 'false' || name === 'null') {
    return `the atom ${name} is the value ${name}: use true, false or null`
  }
  if (!fitsAtom(name)) return `an atom's name has at most ${MAX_CHARACTERS} characters`
  if (LONE_SURROGATE.test(name)) return "an atom's name is well-formed Unicode"
  return undefined
}

/** At most 255 characters, where a character may take two UTF-16 units. */
export function fitsAtom(name: string): boolean {
  if (name.length <= MAX_CHARACTERS) return true
  return name.length <= 2 * MAX_CHARACTERS && [...name].length <= MAX_CHARACTERS
}

export class Atom {
  /** Not state anyone can observe: it only makes equal atoms the same object. */
  static readonly #interned = new Map<string, WeakRef<Atom>>()
  static readonly #collected = new FinalizationRegistry<string>((name) => {
    if (Atom.#interned.get(name)?.deref() === undefined) Atom.#interned.delete(name)
  })

  readonly name!: string

  constructor(name: string) {
    const known = Atom.#interned.get(name)?.deref()
    // biome-ignore lint/correctness/noConstructorReturn: this is how `new Atom('x') === new Atom('x')`
    if (known !== undefined) return known
    const problem = fault(name)
    if (problem !== undefined) throw new CitadelError('bad_argument', problem)
    this.name = name
    Atom.#interned.set(name, new WeakRef(this))
    Atom.#collected.register(this, name)
  }

  /** Whether somebody holds an atom of that name. */
  static isKnown(name: string): boolean {
    return Atom.#interned.get(name)?.deref() !== undefined
  }

  toString(): string {
    return this.name
  }

  [shown](): string {
    return this.name
  }
}
