import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import { Atom } from '../../../src/term/atom.js'
import { copyTerm, decodeTerm, encodeTerm, TermCodec } from '../../../src/term/codec.js'
import { ImproperList } from '../../../src/term/improper-list.js'
import { termLimits } from '../../../src/term/limits.js'
import { OpaqueTerm } from '../../../src/term/opaque.js'
import { Pid } from '../../../src/term/pid.js'
import { Ref } from '../../../src/term/ref.js'
import { Tuple } from '../../../src/term/tuple.js'

const failure = (run: () => unknown): CitadelError => {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(CitadelError)
    return error as CitadelError
  }
  throw new Error('it did not fail')
}

const nested = (depth: number): unknown => {
  let value: unknown = 1
  for (let level = 0; level < depth; level++) value = [value]
  return value
}

/** Bytes of a term, after the version byte. */
const term = (...bytes: number[]): Buffer => Buffer.from([131, ...bytes])

describe('values cross unchanged', () => {
  test.each<[string, unknown]>([
    ['-0', -0],
    ['NaN', Number.NaN],
    ['infinities', [Infinity, -Infinity]],
    ['undefined', undefined],
    ['undefined members', { a: undefined, b: [undefined] }],
    ['safe and unsafe integers', [2 ** 53 - 1, -(2 ** 53) + 1, 2 ** 53, -(2 ** 53), 2 ** 70]],
    [
      'bigints',
      [
        0n,
        1n,
        -1n,
        2n ** 53n,
        -(2n ** 53n),
        2n ** 53n - 1n,
        2n ** 64n,
        -(2n ** 2040n),
        2n ** 2041n,
      ],
    ],
    ['lone surrogates, as text and as names', { '\udc00': '\ud800x', ok: 1 }],
    [
      'strings about the length of a short one',
      ['x'.repeat(31), 'x'.repeat(32), 'x'.repeat(33), 'é'.repeat(32)],
    ],
    ['a replacement character that was sent', '\ufffd and a much longer text \ufffd'],
    [
      'bytes that are text and bytes that are not',
      [new Uint8Array([65]), new Uint8Array([255]), new Uint8Array()],
    ],
    ['dates', [new Date(0), new Date(-1), new Date(Number.NaN)]],
    ['maps with only string keys', [new Map(), new Map([['a', 1]]), new Map([['\ud800', 1]])]],
    [
      'maps with other keys',
      new Map<unknown, unknown>([
        [1, 'a'],
        ['b', 2],
        [null, 3],
        [new Atom('x'), 4],
      ]),
    ],
    [
      'maps with keys without identity',
      new Map([
        [{}, 1],
        [{}, 2],
      ]),
    ],
    [
      'maps with tuples for keys',
      new Map([
        [new Tuple('a'), 1],
        [new Tuple('b'), 2],
      ]),
    ],
    [
      'maps with NaN and undefined for keys',
      new Map([
        [Number.NaN, 1],
        [undefined, 2],
      ]),
    ],
    ['sets', new Set<unknown>([1, 'a', new Set()])],
    ['tuples that look tagged', new Tuple(new Atom('$js'), new Atom('undefined'), null)],
    ['tuples that nearly look tagged', [new Tuple(new Atom('$js'), 1), new Tuple('$js', 1, 2)]],
    ['improper lists', new ImproperList([new Atom('alias')], new Ref('n@h', 1, [1, 2, 3]))],
    ['pids', new Pid('n@h', 2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1)],
    [
      'dangerous names',
      JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1, "hasOwnProperty": 2}'),
    ],
    ['opaque terms', new OpaqueTerm('bitstring', new Uint8Array([77, 0, 0, 0, 1, 3, 160]))],
  ])('%s', (_, value) => {
    expect(copyTerm(value)).toStrictEqual(value)
    expect(decodeTerm(encodeTerm(value))).toStrictEqual(value)
  })

  test('an error keeps its class, message, stack, cause and fields', () => {
    const cause = Object.assign(new TypeError('inner'), { code: 'E1' })
    const copy = copyTerm(new RangeError('outer', { cause })) as RangeError
    expect(copy).toBeInstanceOf(RangeError)
    expect(copy.message).toBe('outer')
    expect(copy.stack).toContain('codec.test.ts')
    expect(copy.cause).toBeInstanceOf(TypeError)
    expect(copy.cause).toMatchObject({ message: 'inner', code: 'E1' })
  })

  test('an error of Citadel keeps its code, pid and reason', () => {
    const pid = new Pid('n@h', 1, 0, 1)
    const copy = copyTerm(new CitadelError('already_registered', 'taken', { pid })) as CitadelError
    expect(copy).toBeInstanceOf(CitadelError)
    expect(copy).toMatchObject({ code: 'already_registered', message: 'taken', pid })
  })

  test('an error arrives without those of its fields that cannot cross', () => {
    const error: Error & { self?: unknown } = Object.assign(new Error('no'), {
      socket: () => 1,
      status: 5,
    })
    error.self = error
    error.cause = Object.assign(new Error('inner'), { socket: () => 1 })
    const copy = copyTerm(error) as typeof error
    expect(copy).toMatchObject({ message: 'no', status: 5, cause: { message: 'inner' } })
    expect(copy).not.toHaveProperty('socket')
    expect(copy).not.toHaveProperty('self')
  })

  test('a name of __proto__ reaches no prototype', () => {
    const copy = copyTerm(JSON.parse('{"__proto__": {"polluted": true}}')) as Record<
      string,
      unknown
    >
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
    expect(copy.polluted).toBeUndefined()
  })

  test('values of another realm, as a REPL has them, are plain values', () => {
    const value = runInNewContext(
      '({ a: [1], m: new Map([["k", 1]]), d: new Date(5), b: new Uint8Array([65]) })',
    )
    expect(copyTerm(value)).toEqual({
      a: [1],
      m: new Map([['k', 1]]),
      d: new Date(5),
      b: new Uint8Array([65]),
    })
  })

  test('what was decoded shares no memory with the frame', () => {
    const frame = encodeTerm([
      new Uint8Array([255, 1]),
      new OpaqueTerm('port', new Uint8Array([77, 0, 0, 0, 1, 3, 160])),
    ])
    const [bytes, opaque] = decodeTerm(frame) as [Uint8Array, OpaqueTerm]
    frame.fill(0)
    expect(bytes).toEqual(new Uint8Array([255, 1]))
    expect(opaque.bytes[0]).toBe(77)
  })
})

describe('what cannot cross is refused at the sender, by its path', () => {
  class Socket {}
  const cycle: Record<string, unknown> = {}
  cycle.me = { again: cycle }
  const call = new Tuple(
    new Atom('$gen_call'),
    null,
    new Tuple(new Atom('join'), { user: { socket: new Socket() } }),
  )

  test.each<[string, unknown, string]>([
    ['a function', { run: () => 1 }, 'message.run is a function'],
    ['a symbol', [Symbol('x')], 'message[0] is a symbol'],
    [
      'a promise',
      { 'odd name': Promise.resolve() },
      'message["odd name"] is a promise (await it first)',
    ],
    ['a class instance', new Tuple(1, new Socket()), 'message[1] is an instance of Socket'],
    ['a cycle', cycle, 'message.me.again leads back to itself'],
    [
      'an opaque term of a tag that is none',
      { fun: new OpaqueTerm('fun', Buffer.of(1, 2, 3)) },
      'message.fun is an OpaqueTerm of bytes that are no such term',
    ],
    [
      'an opaque term that goes on after its end',
      [new OpaqueTerm('bitstring', Buffer.of(77, 0, 0, 0, 1, 3, 160, 106))],
      'message[0] is an OpaqueTerm of bytes that are no such term',
    ],
    [
      'an opaque term of an atom',
      new OpaqueTerm('fun', Buffer.of(119, 1, 255)),
      'message is an OpaqueTerm of bytes that are no such term',
    ],
    [
      'an opaque term of nothing',
      new OpaqueTerm(7 as never, undefined as never),
      'message is an OpaqueTerm of bytes that are no such term',
    ],
    ['a value in a Map', new Map([['k', () => 1]]), 'message.get(k) is a function'],
    [
      'a class derived from Map',
      new (class Rooms extends Map {})(),
      'message is an instance of Rooms',
    ],
    [
      'a typed array other than bytes',
      new Float64Array(1),
      'message is an instance of Float64Array',
    ],
    ['an argument of a call', call, 'args[0].user.socket is an instance of Socket'],
  ])('%s', (_, value, start) => {
    const error = failure(() => encodeTerm(value))
    expect(error.code).toBe('unserializable')
    expect(error.message).toContain(`${start}, and cannot cross`)
  })

  test('the codec goes on after a refusal', () => {
    const codec = new TermCodec()
    failure(() => codec.encode(['x'.repeat(10_000), () => 1]))
    expect(codec.decode(codec.encode('next'))).toBe('next')
    expect(codec.copy({ a: 1 })).toEqual({ a: 1 })
    expect(codec.decode(codec.encode('again'))).toBe('again')
  })

  test('a getter that uses the codec meanwhile is refused and harms nothing', () => {
    const codec = new TermCodec()
    const value = {
      get sneaky() {
        return codec.encode(1)
      },
    }
    expect(failure(() => codec.encode(value)).code).toBe('unserializable')
    expect(codec.decode(codec.encode([1]))).toEqual([1])
  })
})

describe('limits', () => {
  test.each<[string, unknown, Parameters<typeof termLimits>[0]]>([
    ['depth', nested(11), { depth: 10 }],
    ['elements', new Array(101).fill(0), { elements: 100 }],
    ['elements, of a map', { a: 1, b: 2 }, { elements: 3 }],
    ['bytes', 'x'.repeat(1000), { bytes: 1000 }],
    ['integerBytes', 2n ** 800n, { integerBytes: 100 }],
  ])('%s holds for writing and for reading', (_, value, changes) => {
    const bytes = encodeTerm(value)
    expect(failure(() => encodeTerm(value, termLimits(changes))).code).toBe('limit_exceeded')
    if (changes?.bytes === undefined) {
      expect(failure(() => decodeTerm(bytes, termLimits(changes))).code).toBe('limit_exceeded')
    }
  })

  test('what is just within the limits passes', () => {
    expect(decodeTerm(encodeTerm(nested(512)))).toEqual(nested(512))
    expect(failure(() => encodeTerm(nested(513))).code).toBe('limit_exceeded')
    expect(encodeTerm('x'.repeat(995), termLimits({ bytes: 1000 }))).toHaveLength(1001)
  })

  test('the deepest limit that can be set does not exhaust the stack', () => {
    const limits = termLimits({ depth: 700 })
    let value: unknown = 1
    for (let level = 0; level < 700; level++) value = new Map([[1, value]])
    const bytes = encodeTerm(value, limits)
    expect(encodeTerm(decodeTerm(bytes, limits), limits).equals(bytes)).toBe(true)
    expect(() => termLimits({ depth: 701 })).toThrowError(/1 to 700/)
  })

  test('a caller that has used up the stack is told so by a CitadelError', () => {
    const value = nested(500)
    const bytes = encodeTerm(value)
    /** Uses up the stack, and tries on the way back until there is enough of it again. */
    const deepest = (attempt: () => unknown, seen: Set<unknown>): void => {
      try {
        deepest(attempt, seen)
      } catch {
        // The end of the stack: from here on, upwards.
      }
      if (seen.has('enough')) return
      try {
        attempt()
        seen.add('enough')
      } catch (error) {
        seen.add((error as CitadelError).code ?? 'stack')
      }
    }
    for (const attempt of [() => encodeTerm(value), () => decodeTerm(bytes)]) {
      const seen = new Set<unknown>()
      deepest(attempt, seen)
      expect(seen).toContain('limit_exceeded')
      expect(seen).toContain('enough')
    }
  })

  test('a value that holds itself many times over ends at a limit, soon', () => {
    let value: unknown = []
    for (let level = 0; level < 60; level++) value = [value, value]
    expect(failure(() => encodeTerm(value, termLimits({ elements: 10_000 }))).code).toBe(
      'limit_exceeded',
    )
  })
})

describe('malformed terms', () => {
  test.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['another version', Buffer.from([130, 106])],
    ['only a version', term()],
    ['more than one term', term(106, 106)],
    ['an unknown tag', term(1)],
    ['a compressed term', term(80, 0, 0, 0, 1)],
    ['a list said to have four billion elements', term(108, 255, 255, 255, 255, 106)],
    ['a tuple said to have four billion elements', term(105, 255, 255, 255, 255)],
    ['a map said to have four billion entries', term(116, 255, 255, 255, 255)],
    ['a binary said to have four billion bytes', term(109, 255, 255, 255, 255, 1)],
    ['a float that is not a number', term(70, 127, 248, 0, 0, 0, 0, 0, 0)],
    ['an old float that is none', term(99, ...Buffer.alloc(31, 'x'))],
    ['an atom that is not UTF-8', term(119, 1, 255)],
    ['an atom of 256 characters', term(118, 1, 0, ...Buffer.alloc(256, 'x'))],
    ['a reference without words', term(90, 0, 0, 119, 1, 97, 0, 0, 0, 1)],
    ['a reference of six words', term(90, 0, 6, 119, 1, 97, ...Buffer.alloc(28))],
    ['a pid whose node is a number', term(88, 97, 1, ...Buffer.alloc(12))],
    ['a fun without its parts', term(112, 0, 0, 0, 1)],
    ['an integer with sign 2', term(110, 1, 2, 1)],
    ['a list without an end', term(108, 0, 0, 0, 1, 97, 1)],
  ])('%s is bad_format', (_, bytes) => {
    expect(failure(() => decodeTerm(bytes)).code).toBe('bad_format')
  })

  test('a million tuples in each other end at the depth, or are skipped without a stack', () => {
    const bytes = Buffer.alloc(2_000_001, Buffer.from([104, 1]))
    bytes[0] = 131
    for (let at = 1; at < bytes.length; at += 2) bytes.set([104, 1], at)
    expect(failure(() => decodeTerm(bytes)).code).toBe('limit_exceeded')
    const fun = Buffer.concat([term(113), bytes.subarray(1), Buffer.from([106, 106, 106])])
    expect(decodeTerm(fun)).toBeInstanceOf(OpaqueTerm)
  })

  test('a list that goes on in its tail a hundred thousand times is one list', () => {
    const cell = Buffer.from([108, 0, 0, 0, 1, 97, 7])
    const bytes = Buffer.concat([
      term(),
      ...new Array<Buffer>(100_000).fill(cell),
      Buffer.from([106]),
    ])
    expect(decodeTerm(bytes)).toHaveLength(100_000)
  })

  test('a tagged tuple of a kind or shape we do not know stays a tuple', () => {
    const js = new Atom('$js')
    const unknown = Buffer.concat([
      term(104, 3, 119, 3),
      Buffer.from('$js'),
      Buffer.from([119, 1, 120, 97, 1]),
    ])
    expect(decodeTerm(unknown)).toEqual(new Tuple(js, new Atom('x'), 1))
    const date = Buffer.concat([
      term(104, 3, 119, 3),
      Buffer.from('$js'),
      Buffer.from([119, 4]),
      Buffer.from('date'),
      Buffer.from([106]),
    ])
    expect(decodeTerm(date)).toEqual(new Tuple(js, new Atom('date'), []))
  })

  test('a map with the keys 1 and 1.0 is kept as it came', () => {
    const bytes = term(116, 0, 0, 0, 2, 97, 1, 106, 70, 63, 240, 0, 0, 0, 0, 0, 0, 106)
    const map = decodeTerm(bytes)
    expect(map).toBeInstanceOf(OpaqueTerm)
    expect(encodeTerm(map)).toEqual(bytes)
  })

  test('maps that are kept as they came, one in the other, are not copied without end', () => {
    const head = [116, 0, 0, 0, 2, 97, 1, 106, 70, 63, 240, 0, 0, 0, 0, 0, 0]
    const levels = Array.from({ length: 500 }, () => head).flat()
    const bytes = term(...levels, 106)
    expect(decodeTerm(bytes)).toBeInstanceOf(OpaqueTerm)
    const limits = termLimits({ bytes: 100 * bytes.length })
    expect(failure(() => decodeTerm(bytes, limits)).code).toBe('limit_exceeded')
  })

  test('minus nothing is 0', () => {
    expect(decodeTerm(term(110, 1, 1, 0))).toBe(0)
  })
})
