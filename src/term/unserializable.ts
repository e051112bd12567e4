/**
 * Names what keeps a value from crossing to another node: `args[0].user.socket`. Writing keeps no
 * paths, for speed; only after a failure the value is walked again, in the same order, by this.
 */
import { describe, fieldOf } from '../base/describe.js'
import { CitadelError } from '../base/errors.js'
import { Atom } from './atom.js'
import { ImproperList } from './improper-list.js'
import { known } from './kinds.js'
import { OpaqueTerm } from './opaque.js'
import { isKeptTerm } from './skip-term.js'
import { Tuple } from './tuple.js'

export interface Fault {
  path: string
  problem: string
}

/** Objects on the way to the current one, and those already found clean. */
interface Walk {
  ancestors: Set<object>
  clean: Set<object>
  depth: number
}

const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u

const member = (path: string, key: string): string =>
  IDENTIFIER.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`

const className = (value: object): string => {
  const name: unknown = Object.getPrototypeOf(value)?.constructor?.name
  return typeof name === 'string' && name !== '' ? name : 'an unnamed class'
}

function leafProblem(value: unknown): string | undefined {
  if (typeof value === 'function') return 'is a function'
  if (typeof value === 'symbol') return 'is a symbol'
  if (typeof value !== 'object' || value === null) return undefined
  if (value instanceof OpaqueTerm && !isKeptTerm(value.bytes)) {
    return 'is an OpaqueTerm of bytes that are no such term'
  }
  if (known(value) !== undefined) return undefined
  if (value instanceof Promise) return 'is a promise (await it first)'
  return `is an instance of ${className(value)}`
}

function* indexed(values: Iterable<unknown>, path: string): Generator<[string, unknown]> {
  let index = 0
  for (const value of values) yield [`${path}[${index++}]`, value]
}

function* entries(map: ReadonlyMap<unknown, unknown>, path: string): Generator<[string, unknown]> {
  let index = 0
  for (const [key, value] of map) {
    yield [`${path}.keys()[${index}]`, key]
    yield [
      typeof key === 'object' ? `${path}.values()[${index}]` : `${path}.get(${String(key)})`,
      value,
    ]
    index++
  }
}

/** What an error carries besides name, message and stack. */
export function errorFields(error: Error): [string, unknown][] {
  const names = new Set(Object.keys(error))
  for (const hidden of ['cause', 'errors']) if (Object.hasOwn(error, hidden)) names.add(hidden)
  for (const told of ['name', 'message', 'stack']) names.delete(told)
  return Array.from(names, (name) => [name, fieldOf(error, name)])
}

/** The parts of `value` with their paths, in the order in which they are written. */
function* parts(value: object, path: string): Generator<[string, unknown]> {
  const it = known(value)
  if (it === undefined) return
  if (it.kind === 'array' || it.kind === 'set') yield* indexed(it.value, path)
  else if (it.kind === 'tuple') yield* indexed(it.value.elements, path)
  else if (it.kind === 'map') yield* entries(it.value, path)
  else if (it.kind === 'object') {
    for (const key of Object.keys(it.value)) yield [member(path, key), it.value[key]]
  } else if (it.kind === 'improperList') {
    yield* indexed(it.value.elements, path)
    yield [`${path}.tail`, it.value.tail]
  } else if (it.kind === 'error') {
    for (const [name, field] of errorFields(it.value)) yield [member(path, name), field]
  }
}

const CYCLE = 'leads back to itself'
const DEEP = 'nests too deep'

/** Fields of an error that cannot cross stay behind, so only endless ones are its fault. */
const isForgiven = (value: object, fault: Fault): boolean =>
  fault.problem !== CYCLE && fault.problem !== DEEP && known(value)?.kind === 'error'

function walk(value: unknown, path: string, state: Walk): Fault | undefined {
  const problem = leafProblem(value)
  if (problem !== undefined) return { path, problem }
  if (typeof value !== 'object' || value === null || state.clean.has(value)) return undefined
  if (state.ancestors.has(value)) return { path, problem: CYCLE }
  if (state.ancestors.size >= state.depth) return { path, problem: DEEP }
  state.ancestors.add(value)
  for (const [at, part] of parts(value, path)) {
    const fault = walk(part, at, state)
    if (fault !== undefined && !isForgiven(value, fault)) return fault
  }
  state.ancestors.delete(value)
  state.clean.add(value)
  return undefined
}

/** The first part of `value` that cannot cross, looking at most `depth` levels down. */
export function findFault(value: unknown, path: string, depth: number): Fault | undefined {
  return walk(value, path, { ancestors: new Set(), clean: new Set(), depth })
}

/** The arguments inside a call or cast request, which is what its sender knows by name. */
function requestArguments(value: unknown): readonly unknown[] | undefined {
  if (!(value instanceof Tuple) || !(value.at(0) instanceof Atom)) return undefined
  const { name } = value.at(0) as Atom
  if (name !== '$gen_call' && name !== '$gen_cast') return undefined
  const request = value.at(value.length - 1)
  return request instanceof Tuple && request.at(0) instanceof Atom
    ? request.elements.slice(1)
    : undefined
}

/** The answer inside a reply to another node. */
function answerOf(value: unknown): readonly [unknown] | undefined {
  if (!(value instanceof Tuple) || value.length !== 2) return undefined
  return value.at(0) instanceof ImproperList ? [value.at(1)] : undefined
}

/** The error for a value with a getter, or a Proxy, that threw. */
export function threwWhileRead(error: unknown, name: string): CitadelError {
  const sentence = `${name} threw while it was read: ${describe(error)}; send plain data`
  return new CitadelError('unserializable', sentence, { cause: error })
}

/** The error for a value that could not be written. */
export function unserializable(value: unknown, name: string, depth: number): CitadelError {
  let fault: Fault
  try {
    const args = requestArguments(value)
    const answer = answerOf(value)
    fault = (args && findFault(args, 'args', depth)) ??
      (answer && findFault(answer[0], 'answer', depth)) ??
      findFault(value, name, depth) ?? { path: name, problem: 'changed while it was written' }
  } catch (error) {
    return threwWhileRead(error, name)
  }
  return new CitadelError(
    'unserializable',
    `${fault.path} ${fault.problem}, and cannot cross to another node: send plain objects, ` +
      'arrays, Map, Set, Date, Error, Uint8Array, pids, refs, atoms, tuples and primitives',
  )
}

/** Whether a value that nests too deep does so because it contains itself. */
export function isCyclic(value: unknown, depth: number): boolean {
  try {
    return findFault(value, '', depth)?.problem === CYCLE
  } catch {
    return false
  }
}
