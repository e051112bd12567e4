/**
 * What one term may cost. Writer and reader count alike, so a term that was written within the
 * limits is read within the same ones: a sender finds out, not the connection of the receiver.
 */
import { CitadelError } from '../base/errors.js'

export interface TermLimits {
  /** How deep containers may nest. At most 700, which leaves the stack a third. */
  depth: number
  /** Elements of all containers together; a map entry counts twice. */
  elements: number
  /** Values that take memory of their own, by `COST`: more of them would hold the event loop. */
  objects: number
  /** Names of atoms that the reader did not know. */
  atoms: number
  /** Bytes of the encoded term. */
  bytes: number
  /** Bytes of the magnitude of one integer. */
  integerBytes: number
}

/** What a value counts among the `objects`, by the time that it takes to make one. */
export const COST = { container: 1, bigint: 2, tagged: 2, bytes: 4, error: 64 } as const

/** Of a value that travels as `{'$js', kind, Data}`. */
export const costOf = (kind: string): number => (kind === 'error' ? COST.error : COST.tagged)

export const defaultLimits: Readonly<TermLimits> = {
  depth: 512,
  elements: 4_000_000,
  objects: 500_000,
  atoms: 20_000,
  bytes: 64 * 1024 * 1024,
  integerBytes: 64 * 1024,
}

const largest: Readonly<TermLimits> = {
  depth: 700,
  elements: 2 ** 32,
  objects: 2 ** 32,
  atoms: 2 ** 20,
  bytes: 2 ** 30,
  integerBytes: 2 ** 24,
}

/** The defaults with the user's changes, or `bad_argument`. */
export function termLimits(changes?: Partial<TermLimits>): Readonly<TermLimits> {
  if (changes === undefined) return defaultLimits
  const limits = changed(changes)
  for (const name of Object.keys(largest) as (keyof TermLimits)[]) {
    const limit = limits[name]
    if (!Number.isInteger(limit) || limit < 1 || limit > largest[name]) {
      throw new CitadelError(
        'bad_argument',
        `the term limit ${name} must be an integer from 1 to ${largest[name]}, not ${typeof limit === 'number' ? limit : typeof limit}`,
      )
    }
  }
  return limits
}

function changed(changes: Partial<TermLimits>): TermLimits {
  try {
    return { ...defaultLimits, ...changes }
  } catch (cause) {
    throw new CitadelError('bad_argument', 'the term limits cannot be read', { cause })
  }
}

/** The error for a term over its limit. */
export function overLimit(name: keyof TermLimits, limits: Readonly<TermLimits>): CitadelError {
  const meaning = {
    depth: `nests deeper than ${limits.depth} levels`,
    elements: `has more than ${limits.elements} elements`,
    objects: `has more than ${limits.objects} lists, maps and other objects`,
    atoms: `has more than ${limits.atoms} atoms that are new here`,
    bytes: `is larger than ${limits.bytes} bytes`,
    integerBytes: `has an integer of more than ${limits.integerBytes} bytes`,
  }
  return new CitadelError('limit_exceeded', `the term ${meaning[name]}: send it in parts`)
}

/** Whether a caller that was deep in its own stack left too little of it. That is no crash either. */
export const isStackOverflow = (error: unknown): boolean =>
  error instanceof RangeError && error.message.includes('call stack')
