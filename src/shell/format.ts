/**
 * How the shell shows values: pids and references as iex does, with 0 for this node and another
 * first number for each remote one, the same all through a session; errors on one line. Everything
 * else looks as in any Node.js console.
 */
import { type InspectOptions, inspect } from 'node:util'
import { CitadelError } from '../base/errors.js'
import { Citadel } from '../citadel.js'
import { FollowingHandle } from '../cluster/children/following-handle.js'
import { KeyRegistry } from '../cluster/registry/key-registry.js'
import { ProcessGroups } from '../cluster/registry/process-groups.js'
import { JoinedSupervisor } from '../cluster/supervisor/joined-supervisor.js'
import { Atom } from '../term/atom.js'
import { ImproperList } from '../term/improper-list.js'
import { OpaqueTerm } from '../term/opaque.js'
import { Pid } from '../term/pid.js'
import { Ref } from '../term/ref.js'
import { Tuple } from '../term/tuple.js'

/** The option by which a formatter reaches the values inside of others. */
const FORMATTER = 'citadelFormatter'

type Inner = (value: unknown) => string
type Show<T> = (value: T, formatter: Formatter | undefined, inner: Inner) => string

export interface FormatterOptions {
  node: string
  creation: number
  colors?: boolean
}

export class Formatter {
  /** By node name and creation: a node that was started again is another one. */
  private readonly numbers = new Map<string, number>()
  private readonly options: InspectOptions

  constructor({ node, creation, colors = false }: FormatterOptions) {
    this.numbers.set(`${node} ${creation}`, 0)
    this.options = { colors, depth: 6, maxArrayLength: 100, [FORMATTER]: this } as InspectOptions
  }

  value(value: unknown): string {
    const text = inspect(value, this.options)
    return text.includes('\n') ? text.split('\n').filter(isTelling).join('\n') : text
  }

  /** `** (already_registered) the sentence`; the line of the user's own file, if it has one. */
  error(error: unknown): string {
    if (!isError(error)) return `** (throw) ${this.value(error)}`
    const kind = error instanceof CitadelError ? error.code : error.name
    const place = error instanceof CitadelError ? undefined : placeOf(error)
    return `** (${kind}) ${this.sentence(error)}${place ? ` (${place})` : ''}`
  }

  /** On one line, with pids as the shell shows them. */
  private sentence(error: Error): string {
    const line = error.message.replaceAll('\n', ' ')
    const { pid } = error as { pid?: unknown }
    return pid instanceof Pid ? line.replaceAll(String(pid), this.value(pid)) : line
  }

  nodeNumber(node: string, creation: number): number {
    const key = `${node} ${creation}`
    const known = this.numbers.get(key)
    if (known !== undefined) return known
    const number = this.numbers.size
    this.numbers.set(key, number)
    return number
  }
}

/** Teaches the console of this program to show our values. For programs, not for libraries. */
export function installInspection(): void {
  show(Pid, ({ node, creation, id, serial }, formatter) => {
    const first = formatter?.nodeNumber(node, creation) ?? node
    return `#PID<${first}.${id}.${serial}>`
  })
  show(Ref, ({ node, creation, words }, formatter) => {
    const first = formatter?.nodeNumber(node, creation) ?? node
    return `#Ref<${[first, ...[...words].reverse()].join('.')}>`
  })
  show(Atom, ({ name }, _formatter, inner) => `Atom(${inner(name)})`)
  show(Tuple, ({ elements }, _formatter, inner) => `Tuple(${elements.map(inner).join(', ')})`)
  show(ImproperList, ({ elements, tail }, _formatter, inner) => {
    return `ImproperList([${elements.map(inner).join(', ')}] | ${inner(tail)})`
  })
  show(OpaqueTerm, ({ kind, bytes }) => `#Opaque<${kind}, ${bytes.length} bytes>`)
  show(Citadel, ({ name }) => `#Citadel<${name}>`)
  show(KeyRegistry, ({ size }) => `#Registry<${size} keys>`)
  show(ProcessGroups, () => '#Groups')
  show(JoinedSupervisor, ({ name }) => `#Supervisor<${name}>`)
  show(FollowingHandle, ({ id }, _formatter, inner) => `#Child<${inner(id)}>`)
}

function show<T extends object>(type: abstract new (...args: never[]) => T, as: Show<T>): void {
  Object.defineProperty(type.prototype, inspect.custom, {
    configurable: true,
    value(this: T, depth: number, options: InspectOptions & { [FORMATTER]?: Formatter }) {
      if (depth < 0) return `[${type.name}]`
      return as(this, options[FORMATTER], (value) =>
        inspect(value, { ...options, depth: depth - 1 }),
      )
    },
  })
}

function isError(value: unknown): value is Error {
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]'
}

/** Where in a file of the user's an error arose: not in Citadel, Node.js or the typed line. */
function placeOf({ stack = '' }: Error): string | undefined {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line))
  const own = frames.find((line) => /file:\/\//.test(line) && !isInside(line))
  return own && /([^/\\()]+:\d+):\d+\)?$/.exec(own)?.[1]
}

/** Stack frames inside Citadel and Node.js tell a user nothing. */
function isTelling(line: string): boolean {
  return !/^\s+at /.test(line) || !(isInside(line) || line.includes('node:'))
}

const HERE = new URL('..', import.meta.url).href
const isInside = (line: string): boolean => line.includes(HERE) || line.includes('/node_modules/')
