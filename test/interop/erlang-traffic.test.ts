/** Much, large and odd things across the wire to Erlang and back. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Citadel } from '../../src/citadel.js'
import { GenServer } from '../../src/process/gen-server.js'
import { ImproperList } from '../../src/term/improper-list.js'
import { type ErlangNode, erlangMissing } from '../support/erlang.js'
import { atom, ErlangCluster, give, tuple } from '../support/erlang-cluster.js'

const A = 'a@127.0.0.1'
const E = 'e@127.0.0.1'
const peer = { name: 'peer', node: E }
const MEGABYTES_5 = 5 * 1024 * 1024

class Echo extends GenServer {
  echo(value: unknown) {
    return value
  }

  size(value: { length: number }) {
    return value.length
  }
}

/** Where two long values differ; -1: nowhere. */
function firstDifference(a: ArrayLike<unknown>, b: ArrayLike<unknown>): number {
  if (typeof a !== typeof b || a.length !== b.length) return 0
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return index
  return -1
}

describe.skipIf(erlangMissing())('much traffic with an Erlang node', () => {
  let cluster: ErlangCluster
  let erlang: ErlangNode
  let a: Citadel

  beforeAll(async () => {
    cluster = await ErlangCluster.start()
    erlang = await cluster.erlang(E)
    a = await cluster.citadel(A)
    await a.spawn(Echo, [], { name: 'echo' })
    await a.connect(E)
  }, 60_000)

  afterAll(() => cluster?.stop())

  test('twenty thousand messages to Erlang arrive in order', async () => {
    const counted = erlang.eval('citadel_peer:count(1, 20000)', 60_000)
    const to = { name: 'citadel_test', node: E }
    for (let n = 1; n <= 20_000; n++) {
      while (!a.send(to, tuple(atom('number'), n))) await a.sleep(1)
    }
    expect(await counted).toBe('in_order')
  })

  test('twenty thousand messages from Erlang arrive in order', async () => {
    const heard: unknown[] = []
    const pid = await a.spawn(async (self) => {
      while (heard.length < 20_000) heard.push(await self.receive())
    })
    await give(a, erlang, pid)
    const ended = a.whenEnded(pid)
    await erlang.eval('P = get(pid), [P ! N || N <- lists:seq(1, 20000)], ok')
    expect(await ended).toBe('normal')
    expect(heard.findIndex((n, index) => n !== index + 1)).toBe(-1)
  })

  test('five megabytes go to Erlang and come back, as text, bytes and list', async () => {
    const text = 'citadel '.repeat(MEGABYTES_5 / 8)
    const bytes = new Uint8Array(MEGABYTES_5).map((_, index) => (index * 7) % 256)
    const list = Array.from({ length: 500_000 }, (_, index) => index * 1000)
    for (const value of [text, bytes, list]) {
      const answer = await a.with({ timeoutMs: 30_000 }).call(peer, 'echo', value)
      expect(firstDifference(value, answer as typeof value)).toBe(-1)
    }
  })

  test('five megabytes from Erlang are answered whole', async () => {
    const code = `
      Big = binary:copy(<<255, 0, 1, 2, 3>>, 1024 * 1024),
      true = Big =:= gen_server:call({echo, '${A}'}, {echo, Big}, 30000),
      gen_server:call({echo, '${A}'}, {size, Big}, 30000)`
    expect(await erlang.eval(code, 60_000)).toBe(String(MEGABYTES_5))
  })

  test('small calls are answered while large messages are on their way', async () => {
    const text = 'x'.repeat(MEGABYTES_5)
    const slow = a.with({ timeoutMs: 60_000 })
    const large = Array.from({ length: 8 }, () => slow.call(peer, 'echo', text))
    const small = Array.from({ length: 100 }, (_, n) => slow.call(peer, 'add', n))
    expect(await Promise.all(small)).toEqual(Array.from({ length: 100 }, (_, n) => n + 1))
    for (const answer of await Promise.all(large)) expect(answer === text).toBe(true)
  })

  const error = Object.assign(new RangeError('too far', { cause: new Error('why') }), { code: 7 })
  test.each<[string, unknown]>([
    ['numbers', [0, -1, 1.5, 255, 256, 2 ** 31, -(2 ** 31) - 1, 2 ** 53 - 1, 1e300, 5e-324]],
    ['minus zero, NaN and infinities', [-0, Number.NaN, Infinity, -Infinity]],
    ['big integers', [0n, 5n, 2n ** 53n, -(2n ** 64n), 10n ** 300n]],
    ['undefined, null and booleans', [undefined, null, true, false, { gone: undefined }]],
    ['text', ['', 'a', 'åäö', '日本語', '🎲', '\u0000', 'lone \ud800']],
    ['atoms and tuples', [atom('ok'), atom('Ö strange'), tuple(), tuple(1, tuple(atom('a')))]],
    ['a tuple that looks like ours', tuple(atom('$js'), atom('nan'), null)],
    ['a tuple of an unknown kind', tuple(atom('$js'), atom('unknown'), 1)],
    ['lists', [[], [[]], [1, 2, 3], 'abc'.split(''), new ImproperList([1, 2], 3)]],
    ['objects', { a: 1, 'b c': { d: [] }, '': 0 }],
    ['an object with a key __proto__', JSON.parse('{"__proto__": {"a": 1}}')],
    [
      'maps',
      [
        new Map(),
        new Map([['a', 1]]),
        new Map<unknown, unknown>([
          [1, 'x'],
          [tuple(2), []],
        ]),
      ],
    ],
    [
      'a map with objects as keys',
      new Map<unknown, unknown>([
        [{ a: 1 }, 1],
        [['b'], 2],
      ]),
    ],
    ['sets and dates', [new Set([1, 'a', { b: 2 }]), new Date(1_700_000_000_123), new Date(NaN)]],
    ['bytes', [new Uint8Array(), new Uint8Array([65, 66]), new Uint8Array([255, 0])]],
    ['errors', error],
  ])('Erlang echoes %s unchanged', async (_what, value) => {
    expect(await a.call(peer, 'echo', value)).toStrictEqual(value)
  })

  test('pids and references of both sides go to Erlang and back, and still work', async () => {
    const own = await a.spawn(Echo)
    const remote = await a.call(peer, 'pid')
    const ref = a.monitor(own)
    const echoed = (await a.call(peer, 'echo', [own, remote, ref])) as unknown[]
    expect(echoed).toEqual([own, remote, ref])
    expect(await a.call(echoed[0] as typeof own, 'echo', 'still here')).toBe('still here')
    expect(await a.call(echoed[1] as never, 'add', 1)).toBe(2)
    expect(a.demonitor(echoed[2] as typeof ref)).toBe(true)
  })

  test('terms of Erlang with no meaning here come back as they were', async () => {
    const code = `
      F = fun(X) -> X * 2 end,
      Terms = [F, fun lists:map/2, hd(erlang:ports()), <<1:3>>, self(), make_ref(), #{1 => a, 1.0 => b},
        'undefined', "text", {}, [a|b], #{{k} => [v]}, 1 bsl 100, {'$js', made_up, 1}],
      Terms = gen_server:call({echo, '${A}'}, {echo, Terms}),
      (hd(gen_server:call({echo, '${A}'}, {echo, Terms})))(21)`
    expect(await erlang.eval(code)).toBe('42')
  })
})
