/**
 * What users give to be kept on every node, and are shown again: keys, ids, metadata, arguments. Nobody may
 * change such a value where it is, neither who gave it nor who was shown it: the nodes would differ
 * about it, and what has become a cycle could not be sent to the next node that comes.
 */
import { copyTerm } from './codec.js'
import { known } from './kinds.js'

/** A copy, as it would come out on another node; what is no object is its own. */
export const copied = <T>(value: T): T => (isObject(value) ? (copyTerm(value) as T) : value)

/** The same value, which throws a TypeError from now on when anybody changes it, to the last part. */
export function frozen<T>(value: T): T {
  const it = isObject(value) ? known(value) : undefined
  if (it?.kind === 'map') freezeMap(it.value)
  else if (it?.kind === 'set') freezeSet(it.value)
  else if (it?.kind === 'tuple') freezeAll(it.value.elements)
  else if (it?.kind === 'array') freezeAll(it.value)
  else if (it?.kind === 'object') {
    freezeAll(Object.values(it.value))
    Object.freeze(value)
  }
  return value
}

/** The list itself as well. */
function freezeAll(parts: readonly unknown[]): void {
  for (const part of parts) frozen(part)
  Object.freeze(parts)
}

function freezeMap(map: ReadonlyMap<unknown, unknown>): void {
  for (const [key, value] of map) {
    frozen(key)
    frozen(value)
  }
  refuse(map, ['set', 'delete', 'clear'])
}

function freezeSet(set: ReadonlySet<unknown>): void {
  for (const element of set) frozen(element)
  refuse(set, ['add', 'delete', 'clear'])
}

/** To freeze a Map or a Set does nothing to its entries. */
function refuse(collection: object, methods: readonly string[]): void {
  const value = (): never => {
    throw new TypeError('Cannot change what is kept on every node: change a copy of it')
  }
  for (const method of methods) Object.defineProperty(collection, method, { value })
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
