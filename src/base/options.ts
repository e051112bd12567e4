/**
 * The options that users give, read once and checked by name and by value: a misspelt one that is
 * passed over in silence costs more than an error, and what hides behind an object, such as a
 * getter that throws, is met here and nowhere later.
 */
import { describeQuoted } from './describe.js'
import { CitadelError } from './errors.js'

/** What an option may be, and the words for it. Undefined is the same as an option not given. */
export type Rule = readonly [isValid: (value: unknown) => boolean, what: string]
/** Of all options there are: a compiler sees to it that none is missing. */
export type Rules<Options> = Readonly<Record<keyof Options, Rule>>

const isNumber = (value: unknown, least: number): boolean =>
  typeof value === 'number' && value >= least
const isPort = (value: unknown, least: number): boolean =>
  Number.isInteger(value) && isNumber(value, least) && (value as number) <= 65_535

export const rule = {
  anything: [() => true, 'anything'],
  flag: [(value) => typeof value === 'boolean', 'true or false'],
  name: [(value) => typeof value === 'string' && value !== '', 'a string, not empty'],
  text: [(value) => typeof value === 'string', 'a string'],
  callback: [(value) => typeof value === 'function', 'a function'],
  object: [(value) => typeof value === 'object' && value !== null, 'an object'],
  list: [Array.isArray, 'an array'],
  names: [
    (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
    'an array of strings',
  ],
  classes: [
    (value) => isPlain(value) && Object.values(value).every((one) => typeof one === 'function'),
    'an object of classes by name',
  ],
  milliseconds: [(value) => isNumber(value, 0), 'a number of milliseconds from 0, or Infinity'],
  count: [
    (value) =>
      isNumber(value, 1) && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY),
    'a whole number from 1',
  ],
  port: [(value) => isPort(value, 0), 'a port, 0 to 65535'],
  abortSignal: [(value) => value instanceof AbortSignal, 'an AbortSignal'],
} as const satisfies Readonly<Record<string, Rule>>

/** A number from `least` on, Infinity included. */
export const numberFrom = (least: number, what = `a number from ${least}`): Rule => [
  (value) => isNumber(value, least),
  what,
]

export const oneOf = (...words: readonly string[]): Rule => {
  const quoted = words.map((word) => `'${word}'`)
  const last = quoted.pop()
  return [(value) => words.includes(value as string), `${quoted.join(', ')} or ${last}`]
}

/**
 * A copy of `given` with what is set. `owner` is whose options they are: `startChild`.
 * @throws CitadelError `bad_argument` for what is no plain object, an unknown name, or a wrong value.
 */
export function readOptions<Options extends object>(
  owner: string,
  given: Options | undefined,
  rules: Rules<Options>,
  elsewhere: Readonly<Record<string, string>> = {},
): Options {
  if (given === undefined) return {} as Options
  const read: Record<string, unknown> = {}
  for (const [key, value] of entriesOf(owner, given)) {
    if (!Object.hasOwn(rules, key)) throw unknownOption(owner, key, Object.keys(rules), elsewhere)
    if (value === undefined) continue
    const [isValid, what] = rules[key as keyof Options]
    if (!satisfies(isValid, value)) throw bad(`${key} of ${owner} is ${what}, not ${shown(value)}.`)
    read[key] = value
  }
  return read as Options
}

/** What throws when it is looked at is nothing that an option may be. */
function satisfies(isValid: Rule[0], value: unknown): boolean {
  try {
    return isValid(value)
  } catch {
    return false
  }
}

function entriesOf(owner: string, given: unknown): [string, unknown][] {
  const problem = `${owner} takes its options as a plain object`
  let entries: [string, unknown][] | undefined
  try {
    if (isPlain(given)) entries = Object.entries(given)
  } catch (cause) {
    throw new CitadelError('bad_argument', `${problem}, and this one cannot be read.`, { cause })
  }
  if (entries === undefined) throw bad(`${problem}, not ${shown(given)}.`)
  return entries
}

/** Made by a literal, `Object.create(null)`, JSON or a spread, in whichever realm. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function unknownOption(
  owner: string,
  key: string,
  names: readonly string[],
  elsewhere: Readonly<Record<string, string>>,
): CitadelError {
  const near = nearest(key, names)
  const advice = Object.hasOwn(elsewhere, key)
    ? `: it is meant like ${elsewhere[key]}`
    : near === undefined
      ? `; there are ${names.join(', ')}`
      : `; did you mean '${near}'?`
  return bad(`${owner} has no option ${shown(key)}${advice}${advice.endsWith('?') ? '' : '.'}`)
}

const bad = (sentence: string): CitadelError => new CitadelError('bad_argument', sentence)

const TEXT_MAX = 100

const shown = (value: unknown): string => describeQuoted(value, TEXT_MAX)

/** The name that was meant, if one is near enough to be. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  const lower = word.slice(0, TEXT_MAX).toLowerCase()
  let best: string | undefined
  let least = Math.max(1, Math.min(3, Math.floor(word.length / 3))) + 1
  for (const name of names) {
    const other = name.toLowerCase()
    const begins = lower.length >= 3 && (other.startsWith(lower) || lower.startsWith(other))
    const far = begins ? 1 : distance(lower, other)
    if (far >= least) continue
    best = name
    least = far
  }
  return best
}

/** How many letters have to be put in, left out, changed or swapped with their neighbour. */
function distance(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let least = Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + (same ? 0 : 1))
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) least = Math.min(least, before[j - 2]! + 1)
      row.push(least)
    }
    before = above
    above = row
  }
  return above[b.length]!
}
