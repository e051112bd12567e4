/**
 * A value with some of its parts replaced, wherever they are in it: how callers that wait for an
 * answer travel in the state of a process. What has no such part is given back as it is, uncopied.
 */
import { Tuple } from '../term/tuple.js'

/** Answers the replacement, or undefined: not a part to replace. */
export type Replace = (part: object) => unknown

/** Deeper than any term may be: a cycle ends here, and is refused when the value is written. */
const DEPTH_MAX = 600

export function replaceParts(value: unknown, replace: Replace, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || depth > DEPTH_MAX) return value
  const replaced = replace(value)
  if (replaced !== undefined) return replaced
  const inside = (part: unknown): unknown => replaceParts(part, replace, depth + 1)
  if (Array.isArray(value)) return ifChanged(value, value.map(inside))
  if (value instanceof Tuple) {
    const elements = ifChanged(value.elements, value.elements.map(inside))
    return elements === value.elements ? value : new Tuple(...elements)
  }
  if (value instanceof Map) return replaceInMap(value, inside)
  if (value instanceof Set) {
    const items = [...value]
    const others = ifChanged(items, items.map(inside))
    return others === items ? value : new Set(others)
  }
  return isPlain(value) ? replaceInObject(value, inside) : value
}

function replaceInMap(map: Map<unknown, unknown>, inside: (part: unknown) => unknown): unknown {
  const entries = [...map].flat()
  const others = ifChanged(entries, entries.map(inside))
  if (others === entries) return map
  const changed = new Map<unknown, unknown>()
  for (let i = 0; i < others.length; i += 2) changed.set(others[i], others[i + 1])
  return changed
}

function replaceInObject(
  object: Readonly<Record<string, unknown>>,
  inside: (part: unknown) => unknown,
): unknown {
  let changed: Record<string, unknown> | undefined
  for (const [key, part] of Object.entries(object)) {
    const other = inside(part)
    if (other === part) continue
    changed ??= { ...object }
    changed[key] = other
  }
  return changed ?? object
}

const ifChanged = <T>(before: readonly T[], after: readonly T[]): readonly T[] =>
  after.some((part, index) => part !== before[index]) ? after : before

function isPlain(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
