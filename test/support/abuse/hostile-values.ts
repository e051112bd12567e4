/**
 * Values that nobody would pass on purpose, each with a name for people. They are made anew each
 * time, so that what one call does to a value is no other call's business.
 */
import { CitadelError } from '../../../src/base/errors.js'
import { GenServer } from '../../../src/process/gen-server.js'
import { Atom } from '../../../src/term/atom.js'
import { ImproperList } from '../../../src/term/improper-list.js'
import { OpaqueTerm } from '../../../src/term/opaque.js'
import { Pid } from '../../../src/term/pid.js'
import { Ref } from '../../../src/term/ref.js'
import { Tuple } from '../../../src/term/tuple.js'

export interface Named {
  readonly label: string
  readonly value: unknown
}

/** What hostile values throw: whoever lets it out of a call of ours has not guarded it. */
export class Hostile extends Error {
  constructor() {
    super('thrown by a hostile value')
  }
}

const hostile = (): never => {
  throw new Hostile()
}

const TRAPS = [
  'get',
  'set',
  'has',
  'deleteProperty',
  'ownKeys',
  'getPrototypeOf',
  'getOwnPropertyDescriptor',
  'defineProperty',
] as const

const throwingProxy = (target: object): unknown =>
  new Proxy(target, Object.fromEntries(TRAPS.map((trap) => [trap, hostile])))

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

/** Arrays in arrays, or objects in objects. */
function nested(depth: number, wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = 0
  for (let level = 0; level < depth; level++) value = wrap(value)
  return value
}

function cyclic(): unknown[] {
  const list: unknown[] = [1]
  list.push(list)
  return list
}

function cyclicObject(): object {
  const object: Record<string, unknown> = {}
  object.self = { object }
  return object
}

function cyclicMap(): ReadonlyMap<unknown, unknown> {
  const map = new Map<unknown, unknown>()
  return map.set(map, map)
}

function cyclicError(): Error {
  const error = new Error('its cause is itself')
  error.cause = error
  return error
}

function manyCauses(): unknown {
  const before = Error.stackTraceLimit
  // The stacks would take seconds.
  Error.stackTraceLimit = 0
  const error = nested(100_000, (cause) => new Error('caused', { cause }))
  Error.stackTraceLimit = before
  return error
}

function secretiveError(): Error {
  const error = new Error()
  // It is made when it is first read, by code that reads the rest.
  void error.stack
  for (const name of ['message', 'stack', 'name', 'cause', 'code']) {
    Object.defineProperty(error, name, { get: hostile, enumerable: true })
  }
  return error
}

/** As ids of databases are. */
class ObjectId {
  readonly bytes = new Uint8Array(12)
}

/** A class that is no GenServer. */
class NoServer {}

class FailsToConstruct extends GenServer {
  constructor() {
    super()
    hostile()
  }
}

class ThrowsCycle extends GenServer {
  override init(): void {
    throw cyclic()
  }
}

class RejectsLater extends GenServer {
  override async init(): Promise<void> {
    await Promise.resolve()
    throw Object.create(null)
  }
}

/** A promise that is rejected, and that this program itself has looked after. */
function rejected(): Promise<never> {
  const promise = Promise.reject(new Hostile())
  promise.catch(() => {})
  return promise
}

function detached(): Uint8Array {
  const bytes = new Uint8Array(16)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  return bytes
}

const getter = (name: string): object =>
  Object.defineProperty({}, name, { get: hostile, enumerable: true })

const PLAIN: readonly unknown[] = [
  undefined,
  null,
  true,
  false,
  0,
  -0,
  -1,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  2 ** 31,
  2 ** 53,
  -(2 ** 53),
  Number.MAX_VALUE,
  0n,
  -1n,
  2n ** 64n,
  2n ** 5_000n,
  '',
  ' ',
  'name',
  'no@such@node',
  'nobody@127.0.0.1',
  '__proto__',
  'constructor',
  'then',
  'citadel',
  'citadel_rows',
  'citadel_moves',
  'net_kernel',
  '\ud800',
  '\u0000\u001b[2J\r\n',
]

const MADE: Readonly<Record<string, () => unknown>> = {
  'a symbol': () => Symbol('hostile'),
  'Symbol.iterator': () => Symbol.iterator,
  'a text of 1 MiB': () => 'x'.repeat(2 ** 20),
  'a function': () => () => 1,
  'a function that throws': () => hostile,
  'an async function that rejects': () => async () => hostile(),
  'a function that answers a cycle': () => cyclic,
  'a generator function': () =>
    function* odd() {
      yield hostile()
    },
  'a class': () => NoServer,
  'a server that fails to construct': () => FailsToConstruct,
  'a server whose init throws a cycle': () => ThrowsCycle,
  'a server whose init rejects with no prototype': () => RejectsLater,
  'the class GenServer': () => GenServer,
  'a class instance': () => new ObjectId(),
  'a cyclic array': cyclic,
  'a cyclic object': cyclicObject,
  'a cyclic Map': cyclicMap,
  'an object without prototype': () => Object.create(null),
  '{ toString: 1 }': () => ({ toString: 1, valueOf: 1 }),
  '{ toString throws }': () => ({ toString: hostile, [Symbol.toPrimitive]: hostile }),
  '{ toJSON throws }': () => ({ toJSON: hostile }),
  'an inspect that throws': () => ({ [Symbol.for('nodejs.util.inspect.custom')]: hostile }),
  'a Proxy that throws': () => throwingProxy({}),
  'a Proxy of an array that throws': () => throwingProxy([]),
  'a Proxy of a function that throws': () => throwingProxy(hostile),
  'a Proxy of a class': () => new Proxy(NoServer, {}),
  'a revoked Proxy': () => revoked({}),
  'a revoked Proxy of an array': () => revoked([]),
  'a revoked Proxy of a function': () => revoked(hostile),
  'a getter that throws': () => getter('value'),
  'a then that throws when read': () => getter('then'),
  'a constructor that throws when read': () => getter('constructor'),
  // biome-ignore lint/suspicious/noThenProperty: that is what makes it hostile
  'a thenable that throws': () => ({ then: hostile }),
  // biome-ignore lint/suspicious/noThenProperty: that is what makes it hostile
  'a thenable that never ends': () => ({ then: () => {} }),
  'a thenable that rejects twice': () => ({
    // biome-ignore lint/suspicious/noThenProperty: that is what makes it hostile
    then: (_: unknown, reject: (error: unknown) => void) => {
      reject(cyclic())
      reject(new Hostile())
    },
  }),
  'a promise that is rejected': rejected,
  'a promise that never ends': () => new Promise(() => {}),
  'an array of 600 levels': () => nested(600, (inner) => [inner]),
  'an object of 600 levels': () => nested(600, (inner) => ({ inner })),
  'an array of 100,000 levels': () => nested(100_000, (inner) => [inner]),
  'an object of 100,000 levels': () => nested(100_000, (inner) => ({ inner })),
  'an error of 100,000 causes': manyCauses,
  'an array of 200,000 elements': () => new Array(200_000).fill(0),
  'an array of 4 billion holes': () => new Array(2 ** 32 - 1),
  'a frozen object': () => Object.freeze({ a: Object.freeze([1]) }),
  'a frozen array': () => Object.freeze([Object.freeze({})]),
  'an array with more than elements': () => Object.assign([1], { timeoutMs: 1 }),
  'an array of its own class': () => new (class List extends Array {})(3),
  'an iterator that throws': () => ({ [Symbol.iterator]: hostile, length: 1, 0: 1 }),
  'a length that lies': () => ({ length: 2 ** 53, 0: 1 }),
  'a Date of nothing': () => new Date(Number.NaN),
  'a RegExp': () => /x/g,
  'a WeakMap': () => new WeakMap(),
  'a Map with hostile keys': () => new Map<unknown, unknown>([[getter('x'), Symbol('x')]]),
  'a Set of functions': () => new Set([hostile]),
  'an error that tells nothing': secretiveError,
  'an error that causes itself': cyclicError,
  'a CitadelError of no code': () => new CitadelError('no such code' as never, 'x'),
  'a boxed number': () => Object(7),
  'a boxed bigint': () => Object(7n),
  globalThis: () => globalThis,
  'bytes of 1 MiB': () => Buffer.alloc(2 ** 20),
  'detached bytes': detached,
  'shared bytes': () => new Uint8Array(new SharedArrayBuffer(8)),
  'a DataView': () => new DataView(new ArrayBuffer(8)),
  BigInt64Array: () => new BigInt64Array(4),
  'an AbortSignal that is aborted': () => AbortSignal.abort(cyclic()),
  'what looks like an AbortSignal': () => ({ aborted: false }),
  '{ __proto__ } of its own': () => JSON.parse('{"__proto__": {"admin": true}}'),
  'an atom': () => new Atom('undefined'),
  'an atom by its prototype only': () => Object.create(Atom.prototype),
  'a tuple of hostile things': () => new Tuple(cyclic(), hostile),
  'a tuple that holds itself': () => {
    const elements: unknown[] = []
    const tuple = Tuple.over(elements)
    elements.push(tuple)
    return tuple
  },
  'a tuple by its prototype only': () => Object.create(Tuple.prototype),
  'a pid of numbers': () => new Pid('n@127.0.0.1', -1, Number.NaN, 2 ** 53),
  'a pid of a symbol': () => new Pid(Symbol('node') as never, 1, 1, 1),
  'a pid of an object': () => new Pid({ toString: hostile } as never, {} as never, [] as never, 1),
  'a pid by its prototype only': () => Object.create(Pid.prototype),
  'a Proxy of a pid': () => throwingProxy(new Pid('n@127.0.0.1', 1, 1, 1)),
  'a reference of nonsense': () => new Ref('n@127.0.0.1', -1, ['x' as never, Number.NaN]),
  'a reference by its prototype only': () => Object.create(Ref.prototype),
  'an improper list': () => new ImproperList([], cyclic()),
  'an opaque term of nonsense': () => new OpaqueTerm('fun', Buffer.of(1, 2, 3)),
  'an opaque term of nothing': () => new OpaqueTerm(7 as never, undefined as never),
  '{ name, node } of nonsense': () => ({ name: cyclic(), node: hostile }),
  '{ name } of nobody': () => ({ name: 'nobody', node: 'nobody@127.0.0.1' }),
  '{ key } of a cycle': () => ({ key: cyclic() }),
  '{ pid } that is no caller': () => ({ pid: new Pid('n@127.0.0.1', 1, 1, 1) }),
}

const QUOTED_MAX = 24

const quoted = (value: unknown): string => {
  if (typeof value === 'bigint') return value > 2n ** 64n ? 'a bigint of 5,000 bits' : `${value}n`
  if (Object.is(value, -0)) return '-0'
  return typeof value === 'string' ? JSON.stringify(value).slice(0, QUOTED_MAX) : String(value)
}

/** Made once: they take long, and nobody changes them. */
const BIG = /100,000|200,000|1 MiB|600/

function once(make: () => unknown): () => unknown {
  let made: { value: unknown } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

/** How to make each of them. */
export const HOSTILE: readonly { label: string; make: () => unknown }[] = [
  ...PLAIN.map((value) => ({ label: quoted(value), make: () => value })),
  ...Object.entries(MADE).map(([label, make]) => ({
    label,
    make: BIG.test(label) ? once(make) : make,
  })),
]
