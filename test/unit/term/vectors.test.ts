/** Terms as Erlang's `term_to_binary` writes them; `scripts/vectors.ts` makes the file. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Atom } from '../../../src/term/atom.js'
import { decodeTerm, encodeTerm } from '../../../src/term/codec.js'
import { ImproperList } from '../../../src/term/improper-list.js'
import { Tuple } from '../../../src/term/tuple.js'

interface Vectors {
  otp: string
  terms: { erlang: string; bytes: string }[]
}

const file = new URL('../../vectors/terms.json', import.meta.url)
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors
const atom = (name: string) => new Atom(name)
const js = atom('$js')
const error = new RangeError('no')
Object.defineProperty(error, 'stack', { value: undefined })

/** Every vector's value here. */
const values: Record<string, unknown> = {
  '0': 0,
  '255': 255,
  '256': 256,
  '-1': -1,
  '2147483647': 2 ** 31 - 1,
  '-2147483648': -(2 ** 31),
  '2147483648': 2 ** 31,
  '9007199254740991': Number.MAX_SAFE_INTEGER,
  '9007199254740992': 2n ** 53n,
  '-(1 bsl 64)': -(2n ** 64n),
  '1 bsl 2100': 2n ** 2100n,
  '1.5': 1.5,
  '-0.0': -0,
  '1.0e300': 1e300,
  true: true,
  false: false,
  null: null,
  undefined: atom('undefined'),
  "'Ö strange'": atom('Ö strange'),
  "'日本語'": atom('日本語'),
  '<<>>': '',
  '<<"hej">>': 'hej',
  '<<"blåbær"/utf8>>': 'blåbær',
  '<<255,254>>': new Uint8Array([255, 254]),
  '[]': [],
  '"abc"': [97, 98, 99],
  '[1,2,300]': [1, 2, 300],
  '[a,[b]]': [atom('a'), [atom('b')]],
  '[alias|1]': new ImproperList([atom('alias')], 1),
  '{}': new Tuple(),
  '{add,3}': new Tuple(atom('add'), 3),
  'list_to_tuple(lists:seq(1, 300))': new Tuple(...Array.from({ length: 300 }, (_, n) => n + 1)),
  '#{}': {},
  '#{<<"a">> => 1}': { a: 1 },
  '#{a => 1}': new Map([[atom('a'), 1]]),
  '#{<<255>> => 1}': new Map([[new Uint8Array([255]), 1]]),
  "{'$js',undefined,null}": undefined,
  "{'$js',nan,null}": Number.NaN,
  "{'$js',infinity,null}": Number.POSITIVE_INFINITY,
  "{'$js','-infinity',null}": Number.NEGATIVE_INFINITY,
  "{'$js',bigint,5}": 5n,
  "{'$js',utf16,<<0,216>>}": '\ud800',
  '{\'$js\',bytes,<<"A">>}': new Uint8Array([65]),
  "{'$js',date,7}": new Date(7),
  '{\'$js\',map,[{<<"a">>,1}]}': new Map([['a', 1]]),
  '{\'$js\',set,[<<"a">>]}': new Set(['a']),
  "{'$js',tuple,['$js',nan,null]}": new Tuple(js, atom('nan'), null),
  '{\'$js\',error,#{<<"name">> => <<"RangeError">>,<<"message">> => <<"no">>}}': error,
}

/** Erlang writes these in a form of their own, which we read and never write, or in another order. */
const onlyRead = new Set(['"abc"', Object.keys(values).at(-1)])

describe(`terms as Erlang/OTP ${vectors.otp} writes them`, () => {
  test('every vector has its value here, and every value its vector', () => {
    expect(Object.keys(values).sort()).toEqual(vectors.terms.map(({ erlang }) => erlang).sort())
  })

  test.each(vectors.terms)('$erlang is read as its value', ({ erlang, bytes }) => {
    expect(decodeTerm(Buffer.from(bytes, 'hex'))).toStrictEqual(values[erlang])
  })

  const written = vectors.terms.filter(({ erlang }) => !onlyRead.has(erlang))
  test.each(written)('$erlang is written byte for byte', ({ erlang, bytes }) => {
    expect(encodeTerm(values[erlang]).toString('hex')).toBe(bytes)
  })

  test('a tuple of an unknown kind stays what it is, and goes back as it came', () => {
    const tuple = new Tuple(js, atom('made_up'), 1)
    const bytes = encodeTerm(tuple)
    expect(bytes.toString('hex')).toBe('8368037703246a7377076d6164655f75706101')
    expect(decodeTerm(bytes)).toStrictEqual(tuple)
  })
})
