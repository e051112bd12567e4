/** What people throw, send and return that nobody has thought of, each made anew. */
import { Tuple } from '../../src/term/tuple.js'

const throwing = (): never => {
  throw new Error('asked')
}

const cycle = (): object => {
  const value: Record<string, unknown> = { name: 'cycle' }
  value.self = value
  return value
}

const errorWith = (field: string): Error => {
  const error = new Error('hidden')
  Object.defineProperty(error, field, { get: throwing })
  return error
}

const TRAPS = ['get', 'has', 'getPrototypeOf', 'ownKeys', 'getOwnPropertyDescriptor'] as const

const trapped = (): object =>
  new Proxy({}, Object.fromEntries(TRAPS.map((trap) => [trap, throwing])))

const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const deep = (): unknown => {
  let value: unknown = 1
  for (let i = 0; i < 100_000; i++) value = [value]
  return value
}

/** By name, for the names of tests. */
export const oddValues: Readonly<Record<string, () => unknown>> = {
  'a cyclic object': cycle,
  'an object without a prototype': () => Object.create(null),
  'an object whose toString is a number': () => ({ toString: 1, valueOf: 1 }),
  'an object whose toString throws': () => ({ toString: throwing, toJSON: throwing }),
  'an object with getters that throw': () =>
    Object.defineProperties(
      {},
      { error: { get: throwing, enumerable: true }, moved: { get: throwing } },
    ),
  'a Proxy whose traps throw': trapped,
  'a revoked Proxy': revoked,
  'an object that inherits from a Proxy': () => Object.create(trapped()),
  'an error whose message throws': () => errorWith('message'),
  'an error whose stack throws': () => errorWith('stack'),
  'an error whose name throws': () => errorWith('name'),
  'an error caused by itself': () => {
    const error = new Error('round')
    error.cause = error
    return error
  },
  'an error with a message of 20 MB': () => new Error('x'.repeat(20_000_000)),
  'a text of 20 MB': () => 'x'.repeat(20_000_000),
  'a text that a terminal obeys': () => '\u001b[2J\r\nowned\u2028',
  'a symbol': () => Symbol('odd'),
  'a function': () => throwing,
  'a very large bigint': () => 1n << 1_000_000n,
  'an invalid date': () => new Date(Number.NaN),
  nothing: () => undefined,
  null: () => null,
  'a list 100,000 levels deep': deep,
  'a tuple of odd things': () => new Tuple(Object.create(null), revoked(), cycle()),
  'a map with odd keys': () =>
    new Map<unknown, unknown>([
      [revoked(), cycle()],
      [{ toString: 1 }, 1],
    ]),
}
