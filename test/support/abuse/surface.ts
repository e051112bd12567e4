/**
 * What users can reach, found by looking: the functions, getters and setters of an object, with the
 * names of their parameters, and which objects are worth looking at in turn. Nothing is listed here
 * but what is left out, with its reason.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../root.js'

export interface Member {
  /** `Registry.register`, `Citadel.prototype.trapExit =`: for people, and to count by. */
  readonly label: string
  readonly name: string
  readonly kind: 'call' | 'new' | 'get' | 'set'
  readonly parameters: readonly string[]
  invoke(target: object, args: readonly unknown[]): unknown
}

/** Functions that only other files of Citadel call: the types that users see do not have them. */
const INTERNAL: Readonly<Record<string, readonly string[]>> = {
  Citadel: ['new'],
  KeyRegistry: [
    'giveUp',
    'replaceHere',
    'keysOf',
    'keepComing',
    'bring',
    'close',
    'replicated',
    'keep',
  ],
  ProcessGroups: ['memberships', 'membershipsOf', 'bring', 'replicated', 'close', 'callHere'],
  JoinedSupervisor: ['join', 'abandon', 'extend'],
  EventQueue: ['push', 'close'],
  ArmedTimer: ['arm', 'new'],
  // Ends what it is given, by the program's own status: it is called by signals only.
  GenServer: ['attach'],
}

/** Opaque to users, who have it to give it back. */
const OPAQUE: ReadonlySet<string> = new Set(['PendingCall', 'RemoteCall'])

/** Members of classes that their source calls private: the language hides them from users. */
const PRIVATE = privateNames()

function privateNames(): ReadonlyMap<string, ReadonlySet<string>> {
  const source = join(ROOT, 'src')
  const names = new Map<string, Set<string>>()
  for (const file of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue
    let current = new Set<string>()
    for (const line of readFileSync(join(source, file), 'utf8').split('\n')) {
      const begun = /^(?:export )?(?:abstract )?class (\w+)/.exec(line)
      if (begun) {
        current = new Set(names.get(begun[1]!))
        names.set(begun[1]!, current)
      }
      const hidden =
        /^\s+(?:private|protected) (?:(?:static|async|readonly|get|set|abstract|override) )*\*?(\w+)/
      const found = hidden.exec(line)
      if (found) current.add(found[1]!)
    }
  }
  return names
}

const NATIVE = /\{\s*\[native code\]\s*\}\s*$/

/** Of the language or of Node.js, whatever it is written in. */
const isNative = (fn: unknown): boolean =>
  typeof fn === 'function' &&
  (Reflect.get(globalThis, fn.name) === fn || NATIVE.test(Function.prototype.toString.call(fn)))

export const isClass = (fn: unknown): fn is abstract new () => object =>
  typeof fn === 'function' && /^class\b/.test(Function.prototype.toString.call(fn))

const nameOfKey = (key: string | symbol): string =>
  typeof key === 'string'
    ? key
    : (key.description ?? 'symbol').replace(/^(citadel|nodejs|Symbol)\./, '')

const classOf = (proto: object): { readonly name: string } =>
  (proto as { constructor: { readonly name: string } }).constructor

/** The class of an object, or what else it is: `Registry`, `leastChildren`. */
export function kindOfSubject(subject: object, fallback: string): string {
  if (isClass(subject)) return `class ${fallback}`
  if (typeof subject === 'function') return fallback
  const proto: unknown = Object.getPrototypeOf(subject)
  if (proto === null || proto === Object.prototype) return fallback
  return classOf(proto as object).name || fallback
}

/** Whether an answer is an object of ours, whose functions users can call in turn. */
export function isSubject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || value instanceof Error) return false
  if (Array.isArray(value)) return false
  const proto: unknown = Object.getPrototypeOf(value)
  if (proto === null || proto === Object.prototype) {
    return Object.values(Object.getOwnPropertyDescriptors(value)).some(
      ({ value }) => typeof value === 'function' && !isNative(value),
    )
  }
  const made = classOf(proto as object)
  return isClass(made) && !isNative(made) && !OPAQUE.has(made.name)
}

/** `(key, { a, b } = {}, ...rest)`: the names, and `options` for what is taken apart. */
function parametersOf(text: string): readonly string[] {
  const list: string[] = []
  let depth = 0
  let current = ''
  for (const character of text.slice(text.indexOf('(') + 1)) {
    if (depth === 0 && character === ')') break
    if ('([{'.includes(character)) depth++
    if (')]}'.includes(character)) depth--
    if (depth > 0 || character !== ',') {
      current += character
      continue
    }
    list.push(current.trim())
    current = ''
  }
  if (current.trim() !== '') list.push(current.trim())
  return list.map((one) => (one.startsWith('{') ? 'options' : bare(one)))
}

const bare = (parameter: string): string => parameter.replace(/^(\.\.\.)?_*|\s*=.*$/gs, '')

/** All that can be called on the object itself or by its class. `kind`: its class, for labels. */
export function membersOf(subject: object, kind: string): Member[] {
  const members = new Map<string, Member>()
  const found = [...(typeof subject === 'function' ? ofFunction(subject, kind) : [])]
  // The fields of an instance are what users have put there, functions included.
  const proto: unknown = Object.getPrototypeOf(subject)
  const isPlain = typeof subject === 'function' || proto === Object.prototype || proto === null
  for (
    let at = isPlain ? subject : (proto as object | null);
    at && !isBuiltIn(at);
    at = Object.getPrototypeOf(at)
  ) {
    if (typeof at === 'function' && at !== subject) break
    const isOwn = typeof at === 'function' || !Object.hasOwn(at, 'constructor')
    const owner = isOwn ? kind.replace(/^class /, '') : at.constructor.name || kind
    for (const key of Reflect.ownKeys(at)) {
      if (isHidden(owner, kind, key)) continue
      found.push(...ofProperty(kind, key, Object.getOwnPropertyDescriptor(at, key)!))
    }
  }
  // What a class redefines stands before what it inherits.
  for (const member of found) if (!members.has(member.label)) members.set(member.label, member)
  return [...members.values()]
}

const isBuiltIn = (at: object): boolean =>
  typeof at !== 'function' && Object.hasOwn(at, 'constructor') && isNative(at.constructor)

function isHidden(owner: string, kind: string, key: string | symbol): boolean {
  if (key === 'constructor' || key === 'prototype') return true
  const name = nameOfKey(key)
  return [owner, kind].some(
    (one) => PRIVATE.get(one)?.has(name) === true || INTERNAL[one]?.includes(name) === true,
  )
}

function ofFunction(subject: object, kind: string): Member[] {
  const text = Function.prototype.toString.call(subject)
  if (!isClass(subject)) {
    const call = subject as (...args: readonly unknown[]) => unknown
    const invoke = (_: object, args: readonly unknown[]): unknown => call(...args)
    return [{ label: kind, name: kind, kind: 'call', parameters: parametersOf(text), invoke }]
  }
  const name = kind.replace(/^class /, '')
  if (INTERNAL[name]?.includes('new')) return []
  const build = subject as unknown as new (...args: readonly unknown[]) => object
  const at = text.search(/\bconstructor\s*\(/)
  const parameters = at < 0 ? [] : parametersOf(text.slice(at))
  const invoke = (_: object, args: readonly unknown[]): unknown => new build(...args)
  return [{ label: `new ${name}`, name, kind: 'new', parameters, invoke }]
}

function ofProperty(kind: string, key: string | symbol, property: PropertyDescriptor): Member[] {
  const name = nameOfKey(key)
  const label = `${kind}.${name}`
  const { value, get, set } = property
  const members: Member[] = []
  if (typeof value === 'function' && !isClass(value) && !isNative(value)) {
    const parameters = parametersOf(Function.prototype.toString.call(value))
    const invoke = (target: object, args: readonly unknown[]): unknown =>
      Reflect.apply(Reflect.get(target, key) as () => unknown, target, args)
    members.push({ label, name, kind: 'call', parameters, invoke })
  }
  if (get) {
    const invoke = (target: object): unknown => Reflect.get(target, key)
    members.push({ label, name, kind: 'get', parameters: [], invoke })
  }
  if (set) {
    const invoke = (target: object, [to]: readonly unknown[]): unknown =>
      Reflect.set(target, key, to)
    members.push({ label: `${label} =`, name, kind: 'set', parameters: ['value'], invoke })
  }
  return members
}
