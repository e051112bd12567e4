/** The codec against the one judge there is: a real Erlang VM. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { CitadelError } from '../../src/base/errors.js'
import { Atom } from '../../src/term/atom.js'
import { decodeTerm, encodeTerm } from '../../src/term/codec.js'
import { ImproperList } from '../../src/term/improper-list.js'
import type { OpaqueTerm } from '../../src/term/opaque.js'
import { Pid } from '../../src/term/pid.js'
import { Ref } from '../../src/term/ref.js'
import { TermWriter } from '../../src/term/term-writer.js'
import { Tuple } from '../../src/term/tuple.js'
import { erlangMissing } from '../support/erlang.js'

const skip = erlangMissing()
const folder = skip ? '' : mkdtempSync(join(tmpdir(), 'citadel-term-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs `body`, in which `Input` is the decoded term; answers the term it evaluates to. */
function inErlang(body: string, input: unknown = null): unknown {
  const from = join(folder, 'in')
  const to = join(folder, 'out')
  writeFileSync(from, encodeTerm(input))
  const code = `
    {ok, Bytes} = file:read_file("${from}"),
    Input = binary_to_term(Bytes),
    Output = (fun() -> ${body} end)(),
    ok = file:write_file("${to}", term_to_binary(Output)),
    halt().`
  execFileSync('erl', ['-noshell', '-eval', code.replace(/\s+/g, ' ')], {
    timeout: 60_000,
    env: { ...process.env, HOME: folder, ERL_CRASH_DUMP: '/dev/null' },
  })
  return decodeTerm(readFileSync(to))
}

const list = (value: unknown): unknown[] => {
  expect(value).toBeInstanceOf(Array)
  return value as unknown[]
}

const pid = new Pid('n1@127.0.0.1', 80, 3, 0x6789abcd)
const ref = new Ref('n1@127.0.0.1', 0x6789abcd, [1, 2, 0xffffffff])

/** Values, and how Erlang prints what it gets. */
const printed: [unknown, string][] = [
  [0, '0'],
  [255, '255'],
  [256, '256'],
  [-1, '-1'],
  [2 ** 31 - 1, '2147483647'],
  [-(2 ** 31), '-2147483648'],
  [2 ** 31, '2147483648'],
  [-(2 ** 31) - 1, '-2147483649'],
  [Number.MAX_SAFE_INTEGER, '9007199254740991'],
  [Number.MIN_SAFE_INTEGER, '-9007199254740991'],
  [2n ** 53n, '9007199254740992'],
  [-(2n ** 64n), '-18446744073709551616'],
  [10n ** 30n, `1${'0'.repeat(30)}`],
  [1.5, '1.5'],
  [-0, '-0.0'],
  [true, 'true'],
  [false, 'false'],
  [null, 'null'],
  ['hej', '<<"hej">>'],
  ['', '<<>>'],
  ['åäö', '<<195,165,195,164,195,182>>'],
  [new Atom('ok'), 'ok'],
  [new Atom('Strange one'), "'Strange one'"],
  [[], '[]'],
  [[1, 'a', [null]], '[1,<<"a">>,[null]]'],
  [new Tuple(), '{}'],
  [new Tuple(new Atom('add'), 3), '{add,3}'],
  [new ImproperList([new Atom('alias')], 1), '[alias|1]'],
  [{}, '#{}'],
  [{ a: 1 }, '#{<<"a">> => 1}'],
  [new Map([[new Atom('a'), 1]]), '#{a => 1}'],
  [new Uint8Array([255, 0]), '<<255,0>>'],
  [undefined, "{'$js',undefined,null}"],
  [Number.NaN, "{'$js',nan,null}"],
  [Number.NEGATIVE_INFINITY, "{'$js','-infinity',null}"],
  [5n, "{'$js',bigint,5}"],
  [new Date(7), "{'$js',date,7}"],
  [new Map([['a', 1]]), '{\'$js\',map,[{<<"a">>,1}]}'],
  [new Set(['a']), '{\'$js\',set,[<<"a">>]}'],
  [new Uint8Array([65]), '{\'$js\',bytes,<<"A">>}'],
  ['\ud800', "{'$js',utf16,<<0,216>>}"],
  [new Tuple(new Atom('$js'), new Atom('nan'), null), "{'$js',tuple,['$js',nan,null]}"],
]

/** Values without a printed form worth comparing. */
const others: unknown[] = [
  pid,
  ref,
  new Map<unknown, unknown>([
    [new Tuple(1, pid), [ref]],
    ['text', { deep: [undefined] }],
  ]),
  new Error('no', { cause: new TypeError('why') }),
  [
    new Atom('å'),
    new Atom('日本語'),
    new Atom('x'.repeat(255)),
    new Atom('日'.repeat(255)),
    new Atom(''),
  ],
  Array.from({ length: 70_000 }, (_, index) => index % 256),
  new Tuple(...Array.from({ length: 300 }, (_, index) => index)),
  Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`key${index}`, index])),
  JSON.parse('{"__proto__":{"a":1},"constructor":2}'),
  'x'.repeat(100_000),
  -(2n ** 5000n) + 1n,
  [5e-324, Number.MAX_VALUE, 0.1, 2 ** 60, -1e300],
  new Uint8Array(70_000).fill(0xfe),
]

/** Terms of all kinds in Erlang's own words. */
const terms = [
  '0',
  '-1',
  '255',
  '1 bsl 31',
  '-(1 bsl 53)',
  '1 bsl 62',
  '-(1 bsl 3000)',
  '-0.0',
  '1.0e-300',
  'true',
  'false',
  'null',
  'undefined',
  "''",
  "'hej å'",
  "'日本語'",
  '<<>>',
  '<<"abc">>',
  '<<"å"/utf8>>',
  '<<255,254>>',
  '<<5:3>>',
  '<<1,2:2>>',
  '[]',
  '"abc"',
  '[1,2,300]',
  'lists:seq(1, 70000)',
  'lists:duplicate(70000, 7)',
  '[a|b]',
  '[1,2|#{}]',
  '{}',
  '{a}',
  '{a,{b,[c]}}',
  'list_to_tuple(lists:seq(1, 1000))',
  '#{}',
  '#{a => 1}',
  '#{<<"a">> => 1, <<"b">> => #{}}',
  '#{<<255>> => 1}',
  '#{{a, 1} => [x], [1] => 2, #{} => 3}',
  '#{1 => a, 1.0 => b}',
  '#{<<"__proto__">> => 1}',
  'self()',
  'make_ref()',
  'hd(erlang:ports())',
  'fun lists:map/2',
  'fun(X) -> X + 1 end',
  'list_to_pid("<0.1.0>")',
  'alias()',
  "{'$gen_call', {self(), [alias|make_ref()]}, {add, 3}}",
  'maps:from_list([{I, I} || I <- lists:seq(1, 100)])',
  "[{'$js', undefined, null}, {'$js', set, \"ab\"}, {'$js', bytes, <<65>>}]",
]

describe.skipIf(skip)('the term codec and a real Erlang VM', () => {
  test('Erlang prints what we write as the table says', () => {
    const encoded = printed.map(([value]) => encodeTerm(value))
    const got = list(
      inErlang(
        '[unicode:characters_to_binary(io_lib:format("~0tp", [binary_to_term(B)])) || B <- Input]',
        encoded,
      ),
    )
    // Since OTP 26 Erlang prints text in other scripts as text.
    const expected = printed.map(([, text]) => text)
    expect(
      got.map((text) => (text === '<<"åäö"/utf8>>' ? '<<195,165,195,164,195,182>>' : text)),
    ).toEqual(expected)
  })

  test('a value that went through Erlang comes back the same', () => {
    const values = [...printed.map(([value]) => value), ...others]
    const got = list(
      inErlang(
        '[term_to_binary(binary_to_term(B)) || B <- Input]',
        values.map((v) => encodeTerm(v)),
      ),
    )
    expect(got.map((bytes) => decodeTerm(bytes as Uint8Array))).toStrictEqual(values)
  })

  test('a term of Erlang that went through us is the same term', () => {
    const original = list(
      inErlang(`[term_to_binary(T) || T <- [${terms.join(', ')}]]`),
    ) as Uint8Array[]
    const pairs = original.map((bytes) => [bytes, encodeTerm(decodeTerm(bytes))])
    const got = list(
      inErlang('[binary_to_term(A) =:= binary_to_term(B) || [A, B] <- Input]', pairs),
    )
    expect(terms.filter((_, index) => got[index] !== true)).toEqual([])
  })

  test('a whole float of Erlang is a number here, and goes back as the equal integer', () => {
    const [bytes] = list(inErlang('[term_to_binary(2.0)]'))
    expect(decodeTerm(bytes as Uint8Array)).toBe(2)
    expect(inErlang('[Input == 2.0, Input =:= 2]', 2)).toEqual([true, true])
  })

  test('what has no meaning here is given back byte for byte', () => {
    const bytes = inErlang(
      'term_to_binary([fun(X) -> X end, fun lists:map/2, hd(erlang:ports()), <<1:1>>])',
    )
    const terms = list(decodeTerm(bytes as Uint8Array)) as OpaqueTerm[]
    expect(terms.map((term) => term.kind)).toEqual(['fun', 'fun', 'port', 'bitstring'])
    expect(new Uint8Array(encodeTerm(terms))).toEqual(bytes)
  })

  test('old forms are read: floats as text, atoms as Latin-1', () => {
    const got = inErlang(
      "[term_to_binary(-12.5e-7, [{minor_version, 0}]), term_to_binary('å', [{minor_version, 1}])]",
    )
    expect(list(got).map((bytes) => decodeTerm(bytes as Uint8Array))).toEqual([
      -12.5e-7,
      new Atom('å'),
    ])
  })

  test('a compressed term is refused with the reason', () => {
    const bytes = inErlang('term_to_binary(lists:duplicate(1000, 0), [compressed])') as Uint8Array
    expect(() => decodeTerm(bytes)).toThrowError(/compressed/)
    expect(() => decodeTerm(bytes)).toThrowError(CitadelError)
  })

  test('identifiers written by hand are those of Erlang', () => {
    const writer = new TermWriter()
    writer.u8(131)
    writer.tupleHeader(3)
    writer.pid(pid)
    writer.ref(ref)
    writer.integer(2n ** 63n)
    const got = inErlang(
      'T = binary_to_term(Input), {P, R, I} = T, [node(P), node(R), is_pid(P), is_reference(R), I, term_to_binary(T, [{minor_version, 2}]) =:= Input]',
      writer.take(),
    )
    const node = new Atom('n1@127.0.0.1')
    expect(got).toEqual([node, node, true, true, 2n ** 63n, true])
  })
})
