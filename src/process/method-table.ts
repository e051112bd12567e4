/**
 * Which names of a server class are messages: own prototype methods of the classes between the
 * instance and GenServer. Never getters, instance properties, lifecycle names or names starting
 * with `_`; `static callable` narrows it further. Worked out once per class.
 */
import { attempt } from '../base/arguments.js'
import { CitadelError } from '../base/errors.js'
import { nearest } from '../base/options.js'
import { nearMiss } from './near-misses.js'

export type Method = (...args: unknown[]) => unknown

/** Kept in step with `Lifecycle` in typed-call.ts. */
const NOT_MESSAGES: ReadonlySet<string> = new Set([
  'constructor',
  'then',
  'init',
  'terminate',
  'handleInfo',
  'handleCall',
  'handleCast',
  'handoff',
  'takeover',
  'handoffAborted',
  'mergeConflict',
])

const TERMINATE_TIMEOUT_MS = 5_000
/** How many messages an error names. */
const SHOWN_MAX = 20

/** What a server class may say about itself, as static fields. */
export interface ServerStatics {
  readonly name: string
  readonly prototype: object
  /** The only methods that are messages. */
  readonly callable?: readonly string[]
  /** How long `terminate` may take. 5,000 unless set. */
  readonly terminateTimeoutMs?: number
  /** Its messages never cross a wire, so `strictMessages` leaves them alone. */
  readonly passByReference?: boolean
}

export interface MethodTable {
  readonly className: string
  readonly methods: ReadonlyMap<string, Method>
  readonly handlesCall: boolean
  readonly handlesCast: boolean
  readonly terminateTimeoutMs: number
  readonly passByReference: boolean
}

export class MethodTables {
  readonly #base: object
  readonly #warn: (sentence: string) => void
  readonly #tables = new WeakMap<object, MethodTable>()

  /** `base` is the prototype where the walk up ends. */
  constructor(base: object, warn: (sentence: string) => void) {
    this.#base = base
    this.#warn = warn
  }

  of(server: ServerStatics): MethodTable {
    let table = this.#tables.get(server)
    if (table === undefined) {
      table = attempt(() => this.#build(server))
      this.#tables.set(server, table)
    }
    return table
  }

  #build(server: ServerStatics): MethodTable {
    const found = this.#walk(server.prototype)
    const methods = new Map<string, Method>()
    for (const [name, method] of found) {
      if (NOT_MESSAGES.has(name)) continue
      methods.set(name, method)
      this.#warnOfNearMiss(server, name, found)
    }
    return {
      className: server.name || 'anonymous class',
      methods: server.callable === undefined ? methods : narrowed(server, methods),
      handlesCall: found.has('handleCall'),
      handlesCast: found.has('handleCast'),
      terminateTimeoutMs: server.terminateTimeoutMs ?? TERMINATE_TIMEOUT_MS,
      passByReference: server.passByReference === true,
    }
  }

  /** Once per class. One that has the life-cycle method as well, or lists it as `callable`, means what it says. */
  #warnOfNearMiss(server: ServerStatics, name: string, found: ReadonlyMap<string, unknown>): void {
    const meant = nearMiss(name, NOT_MESSAGES)
    if (meant === undefined || found.has(meant) || server.callable?.includes(name)) return
    this.#warn(
      `${server.name || 'a class'} has a method '${name}', which nobody calls by itself: if you mean ` +
        `the life-cycle method, name it '${meant}'`,
    )
  }

  /** Every method by name; what a subclass defines hides what is above, also when it is no method. */
  #walk(prototype: object): Map<string, Method> {
    const found = new Map<string, Method>()
    const seen = new Set<string>()
    for (let at: object | null = prototype; at !== null && at !== this.#base; ) {
      for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
        if (seen.has(name) || name.startsWith('_')) continue
        seen.add(name)
        if (typeof property.value === 'function') found.set(name, property.value as Method)
      }
      at = Object.getPrototypeOf(at) as object | null
    }
    return found
  }
}

function narrowed(server: ServerStatics, methods: Map<string, Method>): Map<string, Method> {
  const chosen = new Map<string, Method>()
  for (const name of server.callable ?? []) {
    const method = methods.get(name)
    if (method === undefined) {
      const sentence = `${server.name} has no method '${name}': correct its static callable`
      throw new CitadelError('bad_argument', sentence)
    }
    chosen.set(name, method)
  }
  return chosen
}

/** The answer to who calls what is no message. */
export function noSuchMessage(table: MethodTable, method: string | undefined): CitadelError {
  const names = [...table.methods.keys()]
  const asked = method === undefined ? 'for such a request' : `'${method}'`
  const near = method === undefined ? undefined : nearest(method, names)
  const who = near === undefined ? 'it' : `did you mean '${near}'? It`
  const has = names.slice(0, SHOWN_MAX).join(', ') || 'none'
  const sentence = `${table.className} has no message ${asked}; ${who} has: ${has}`
  return new CitadelError('undefined_method', sentence)
}
