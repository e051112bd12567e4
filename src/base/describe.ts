/**
 * Values of users and of other nodes in words, for messages and log lines. Nothing here ever throws:
 * what is described may be anything that somebody threw or sent, such as a cycle, a revoked Proxy,
 * an error whose message is a getter that throws, or a map with a million keys.
 */
import { types } from 'node:util'

/** How much of a value that comes from outside is shown in a message. */
export const SHOWN_MAX = 200
const DEPTH_MAX = 3
const ITEMS_MAX = 10
const TEXT_MAX = 100
const CUT = '...'

/** How an object of a class of ours shows itself: as a text, or as a list between two brackets. */
export const shown: unique symbol = Symbol('citadel.shown')
export type Shown = string | { open: string; items: readonly unknown[]; close: string }

/** Control characters, line breaks of Unicode, and what turns the direction of writing around. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu
const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

const escapeOne = (unit: string): string =>
  NAMED[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

/** The text on one line, without anything that a terminal obeys, of at most `max` characters. */
export function oneLine(text: string, max = SHOWN_MAX): string {
  const escaped = text.slice(0, max + 1).replace(UNPRINTABLE, escapeOne)
  return escaped.length <= max ? escaped : escaped.slice(0, max - CUT.length) + CUT
}

/** Any value in words, on one line. A string is shown as it is, an error by its name and message. */
export const describe = (value: unknown, max = SHOWN_MAX): string =>
  typeof value === 'string' ? oneLine(value, max) : describeQuoted(value, max)

/** The same with quotes around a string, as it is written in code. */
export function describeQuoted(value: unknown, max = SHOWN_MAX): string {
  try {
    return oneLine(show(value, DEPTH_MAX, { left: max }), max)
  } catch {
    return 'a value that cannot be shown'
  }
}

/** The message of an error, or what else was thrown, on one line. */
export const messageOf = (error: unknown): string =>
  oneLine(textField(error, 'message')) || describe(error)

/** Whether it is an error whose fields may be read. Asking a Proxy would run code of its own. */
export function isError(value: unknown): value is Error {
  if (value === null || typeof value !== 'object' || types.isProxy(value)) return false
  try {
    return types.isNativeError(value) || value instanceof Error
  } catch {
    return false
  }
}

/** `instanceof` of any value: a Proxy may throw there. */
export function isA<T>(value: unknown, type: abstract new (...args: never[]) => T): value is T {
  try {
    return value instanceof type
  } catch {
    return false
  }
}

/** A field of any value; undefined where there is none, or where reading it throws. */
export function fieldOf(value: unknown, name: string): unknown {
  if (value === null || typeof value !== 'object' || types.isProxy(value)) return undefined
  try {
    return Reflect.get(value, name)
  } catch {
    return undefined
  }
}

/** Whether there is such a field that may be read. */
export const hasField = (value: unknown, name: string): boolean =>
  value !== null && typeof value === 'object' && !types.isProxy(value) && name in value

/** A field that is a text; empty where it is none, or where reading it throws. */
export function textField(value: unknown, name: string): string {
  const field = fieldOf(value, name)
  return typeof field === 'string' ? field : ''
}

/** Characters that may still be shown. */
interface Budget {
  left: number
}

/** All text that is shown goes through here. */
function spend(budget: Budget, text: string): string {
  const part = text.length > budget.left ? text.slice(0, budget.left) + CUT : text
  budget.left -= part.length
  return part
}

function show(value: unknown, depth: number, budget: Budget): string {
  if (typeof value === 'string') return spend(budget, quoted(value))
  if (typeof value === 'bigint') return spend(budget, bigintText(value))
  if (typeof value === 'function') return spend(budget, functionText(value))
  if (value === null || typeof value !== 'object') return spend(budget, String(value))
  return showObject(value, depth, budget)
}

function quoted(text: string): string {
  const part = text.length > TEXT_MAX ? text.slice(0, TEXT_MAX) + CUT : text
  return `'${part.replaceAll("'", "\\'")}'`
}

/** The digits of a number with a million of them take seconds. */
const bigintText = (value: bigint): string =>
  BigInt.asIntN(1_024, value) === value ? `${value}n` : 'a very large bigint'

function functionText(value: object): string {
  if (types.isProxy(value)) return '[Proxy]'
  const name = Object.getOwnPropertyDescriptor(value, 'name')?.value as unknown
  return typeof name === 'string' && name !== '' ? `[function ${name}]` : '[function]'
}

function showObject(value: object, depth: number, budget: Budget): string {
  if (types.isProxy(value)) return spend(budget, '[Proxy]')
  if (isError(value)) return spend(budget, errorText(value))
  const own = Reflect.get(value, shown) as (() => Shown) | undefined
  if (typeof own === 'function') return showOwn(own.call(value), depth, budget)
  if (Array.isArray(value)) return list('[', first(value), value.length, ']', depth, budget)
  if (types.isMap(value)) return showMap(value, depth, budget)
  if (types.isSet(value)) {
    const items = Set.prototype.values.call(value)
    return list(`Set(${value.size}) { `, items, value.size, ' }', depth, budget)
  }
  if (types.isDate(value)) return spend(budget, dateText(value))
  if (ArrayBuffer.isView(value)) return spend(budget, `${className(value)}(${value.byteLength})`)
  return showFields(value, depth, budget)
}

function showOwn(own: Shown, depth: number, budget: Budget): string {
  if (typeof own === 'string') return spend(budget, own)
  return list(own.open, first(own.items), own.items.length, own.close, depth, budget)
}

/** An array may have an iterator of its own. */
const first = (items: readonly unknown[]): unknown[] =>
  Array.prototype.slice.call(items, 0, ITEMS_MAX)

function errorText(error: Error): string {
  const name = textField(error, 'name') || 'Error'
  const message = textField(error, 'message')
  return message === '' ? name : `${name}: ${message}`
}

function dateText(value: Date): string {
  const time = Date.prototype.getTime.call(value)
  return Number.isNaN(time) ? 'Invalid Date' : new Date(time).toISOString()
}

function className(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === null || typeof prototype !== 'object' || types.isProxy(prototype)) return ''
  const maker: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value
  if (typeof maker !== 'function' || types.isProxy(maker)) return ''
  const name: unknown = Object.getOwnPropertyDescriptor(maker, 'name')?.value
  return typeof name === 'string' ? name : ''
}

function list(
  open: string,
  items: Iterable<unknown>,
  length: number,
  close: string,
  depth: number,
  budget: Budget,
): string {
  if (depth === 0 && length > 0) return spend(budget, closed(open, CUT, close))
  const parts: string[] = []
  for (const item of items) {
    if (parts.length >= ITEMS_MAX || budget.left <= 0) break
    parts.push(show(item, depth - 1, budget))
  }
  return joined(open, parts, length, close)
}

function showMap(map: ReadonlyMap<unknown, unknown>, depth: number, budget: Budget): string {
  const open = `Map(${map.size}) { `
  if (depth === 0 && map.size > 0) return spend(budget, closed(open, CUT, '}'))
  const parts: string[] = []
  for (const [key, value] of Map.prototype.entries.call(map)) {
    if (parts.length >= ITEMS_MAX || budget.left <= 0) break
    parts.push(`${show(key, depth - 1, budget)} => ${show(value, depth - 1, budget)}`)
  }
  return joined(open, parts, map.size, ' }')
}

/** Getters are named and not asked. */
function showFields(value: object, depth: number, budget: Budget): string {
  const name = className(value)
  const open = name === '' || name === 'Object' ? '{ ' : `${name} { `
  if (depth === 0) return spend(budget, closed(open, CUT, '}'))
  const parts: string[] = []
  let count = 0
  for (const key in value) {
    if (!Object.hasOwn(value, key)) continue
    count++
    if (parts.length >= ITEMS_MAX || budget.left <= 0) break
    parts.push(`${spend(budget, key)}: ${showField(value, key, depth, budget)}`)
  }
  return joined(open, parts, count, ' }')
}

function showField(value: object, key: string, depth: number, budget: Budget): string {
  const property = Object.getOwnPropertyDescriptor(value, key)
  if (property === undefined || !('value' in property)) return '[getter]'
  return show(property.value, depth - 1, budget)
}

function joined(open: string, parts: readonly string[], length: number, close: string): string {
  const rest = length > parts.length ? [...parts, CUT] : parts
  return rest.length === 0 ? closed(open, '', close) : `${open}${rest.join(', ')}${close}`
}

/** Brackets with nothing to space out between them. */
const closed = (open: string, content: string, close: string): string =>
  `${open.trimEnd()}${content}${close.trimStart()}`
