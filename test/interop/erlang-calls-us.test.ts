/** What Erlang code can ask of Citadel processes: calls, casts, messages, and clear refusals. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Citadel } from '../../src/citadel.js'
import { GenServer } from '../../src/process/gen-server.js'
import { type From, noReply } from '../../src/process/request.js'
import type { Pid } from '../../src/term/pid.js'
import { type ErlangNode, erlangMissing } from '../support/erlang.js'
import { atom, compact, ErlangCluster, give, tuple } from '../support/erlang-cluster.js'
import { eventually } from '../support/eventually.js'

const A = 'a@127.0.0.1'
const B = 'b@127.0.0.1'
const E = 'e@127.0.0.1'

class Counter extends GenServer {
  readonly seen: unknown[] = []
  #count = 0
  #waiting: From | undefined

  init(count = 0) {
    this.#count = count
  }

  add(n: number) {
    this.#count += n
    return this.#count
  }

  value() {
    return this.#count
  }

  async slowly(ms: number) {
    await this.citadel.sleep(ms)
    return 'late'
  }

  wait() {
    this.#waiting = this.from
    return noReply
  }

  release(value: unknown) {
    if (this.#waiting) this.citadel.reply(this.#waiting, value)
  }

  boom() {
    throw new RangeError('too much')
  }

  leave() {
    this.citadel.exit(this.self, 'shutdown')
    return noReply
  }

  handleInfo(message: unknown) {
    this.seen.push(message)
  }

  history() {
    return this.seen
  }
}

class Raw extends GenServer {
  handleCall(request: unknown) {
    return tuple(atom('raw'), request)
  }
}

describe.skipIf(erlangMissing())('an Erlang node calls Citadel', () => {
  let cluster: ErlangCluster
  let erlang: ErlangNode
  let a: Citadel
  let counter: Pid<Counter>

  beforeAll(async () => {
    cluster = await ErlangCluster.start()
    erlang = await cluster.erlang(E)
    a = await cluster.citadel(A)
  }, 60_000)

  afterAll(() => cluster?.stop())

  beforeEach(async () => {
    await a.connect(E)
    if (a.whereis('counter')) a.unregisterName('counter')
    counter = await a.spawn(Counter, [4], { name: 'counter' })
  })

  test('net_adm:ping answers pong, and a ping from here is answered as well', async () => {
    a.disconnect(E)
    await eventually(async () => (await erlang.eval('nodes(hidden)')) === '[]')
    expect(await erlang.eval(`net_adm:ping('${A}')`)).toBe('pong')
    expect(await erlang.eval(`net_adm:ping('${A}')`)).toBe('pong')
    expect(await erlang.eval('nodes(hidden)')).toBe(`['${A}']`)
    await eventually(() => a.nodes().includes(E))
    const ping = tuple(atom('is_auth'), atom(A))
    expect(await a.call({ name: 'net_kernel', node: E }, ping)).toBe(atom('yes'))
    expect(await erlang.eval(`net_adm:ping('nobody@127.0.0.1')`)).toBe('pang')
  })

  test('gen_server:call with a tuple reaches the method with the arguments', async () => {
    expect(await erlang.eval(`gen_server:call({counter, '${A}'}, {add, 3})`)).toBe('7')
    expect(await a.call(counter, 'value')).toBe(7)
  })

  test('gen_server:call with a bare atom reaches the method without arguments', async () => {
    expect(await erlang.eval(`gen_server:call({counter, '${A}'}, value)`)).toBe('4')
  })

  test('a call goes to a pid that was handed to Erlang', async () => {
    await give(a, erlang, counter)
    expect(await erlang.eval('gen_server:call(get(pid), {add, 1})')).toBe('5')
    expect(await erlang.eval('node(get(pid))')).toBe(`'${A}'`)
    expect(await erlang.eval('is_process_alive(whereis(peer)) andalso is_pid(get(pid))')).toBe(
      'true',
    )
  })

  test('gen_server:cast and plain messages arrive, in order with calls', async () => {
    const code = `
      gen_server:cast({counter, '${A}'}, {add, 10}),
      {counter, '${A}'} ! {hello, <<"there">>, [1, 2.5]},
      gen_server:call({counter, '${A}'}, value)`
    expect(await erlang.eval(code)).toBe('14')
    expect(await a.call(counter, 'history')).toEqual([tuple(atom('hello'), 'there', [1, 2.5])])
  })

  test('a cast of an unknown method and a message to an unknown name hurt nothing', async () => {
    const code = `
      gen_server:cast({counter, '${A}'}, nonsense),
      {nobody, '${A}'} ! hello,
      gen_server:call({counter, '${A}'}, value)`
    expect(await erlang.eval(code)).toBe('4')
  })

  test('gen_server:multi_call tells nodes that answer from those that do not', async () => {
    const b = await cluster.citadel(B)
    expect(await b.connect(E)).toBe(true)
    const call = `gen_server:multi_call(['${A}', '${B}', 'zz@127.0.0.1'], counter, value, 5000)`
    expect(compact(await erlang.eval(call))).toBe(`{[{'${A}',4}],['${B}','zz@127.0.0.1']}`)
    await b.stop()
  })

  test('send_request and a later answer work: the process answers when it likes', async () => {
    const code = `
      Waiting = gen_server:send_request({counter, '${A}'}, wait),
      gen_server:cast({counter, '${A}'}, {release, done}),
      gen_server:wait_response(Waiting, 5000)`
    expect(await erlang.eval(code)).toBe('{reply,done}')
  })

  test('handleCall gets any request as it is, and its value is the answer', async () => {
    const raw = await a.spawn(Raw)
    await give(a, erlang, raw)
    expect(await erlang.eval('gen_server:call(get(pid), #{ask => [1]})')).toBe(
      '{raw,#{ask => [1]}}',
    )
    expect(await erlang.eval('gen_server:call(get(pid), {{1}, 2})')).toBe('{raw,{{1},2}}')
  })

  test('a function process sees the call as Erlang would, and answers it', async () => {
    const pid = await a.spawn(async (self) => {
      const [, from, request] = (await self.receive()) as unknown as [unknown, From, unknown]
      self.reply(from, tuple(atom('heard'), request))
    })
    await give(a, erlang, pid)
    expect(await erlang.eval('gen_server:call(get(pid), {question, 1})')).toBe(
      '{heard,{question,1}}',
    )
  })

  test('an unknown method fails at once with the names there are, and the process lives on', async () => {
    const got = compact(
      await erlang.eval(`catch gen_server:call({counter, '${A}'}, nope, infinity)`),
    )
    expect(got).toMatch(/^\{'EXIT',\{\{refused,undefined_method,<<"Counter has no message 'nope'/)
    expect(got).toContain("{gen_server,call,[{counter,'a@127.0.0.1'},nope,infinity]}")
    expect(a.isAlive(counter)).toBe(true)
  })

  test('methods of the lifecycle and of objects cannot be reached', async () => {
    for (const name of ['init', 'handleInfo', 'terminate', 'constructor', 'toString', 'then']) {
      const got = await erlang.eval(`catch gen_server:call({counter, '${A}'}, ${name}, infinity)`)
      expect(got).toContain('undefined_method')
    }
  })

  test('an unknown name, a dead pid and a name of the runtime fail with noproc at once', async () => {
    const started = performance.now()
    for (const name of ['nobody', 'rex', 'global_name_server', 'citadel', 'citadel_scopes']) {
      const got = await erlang.eval(`catch gen_server:call({${name}, '${A}'}, hello, infinity)`)
      expect(got).toMatch(/^\{'EXIT',\{noproc,/)
    }
    await give(a, erlang, counter)
    a.exit(counter, 'kill')
    await eventually(() => !a.isAlive(counter))
    const got = await erlang.eval('catch gen_server:call(get(pid), value, infinity)')
    expect(got).toMatch(/^\{'EXIT',\{noproc,/)
    expect(performance.now() - started).toBeLessThan(3_000)
  })

  test('a call that is too slow times out there, and the late answer disturbs nobody', async () => {
    const code = `
      R = (catch gen_server:call({counter, '${A}'}, {slowly, 300}, 50)),
      timer:sleep(500),
      {R, process_info(self(), messages), gen_server:call({counter, '${A}'}, value)}`
    expect(compact(await erlang.eval(code))).toMatch(
      /^\{\{'EXIT',\{timeout,.*\{messages,\[\]\},4\}$/,
    )
  })

  test('a process that fails in the call ends it with the error, one that leaves with its reason', async () => {
    const failed = compact(await erlang.eval(`catch gen_server:call({counter, '${A}'}, boom)`))
    expect(failed).toMatch(/^\{'EXIT',\{#\{<<"error">> =>\{'\$js',error,/)
    expect(failed).toContain('<<"message">> => <<"too much">>')
    expect(failed).toContain('<<"name">> => <<"RangeError">>')
    await a.spawn(Counter, [1], { name: 'other' })
    const left = await erlang.eval(`catch gen_server:call({other, '${A}'}, leave)`)
    expect(left).toMatch(/^\{'EXIT',\{shutdown,/)
  })

  test('an answer that cannot cross fails the call and not the process', async () => {
    class Odd extends GenServer {
      socket() {
        return { deep: [() => 1] }
      }
      fine() {
        return true
      }
    }
    const pid = await a.spawn(Odd)
    await give(a, erlang, pid)
    const got = compact(await erlang.eval('catch gen_server:call(get(pid), socket, infinity)'))
    expect(got).toContain('{refused,unserializable,')
    expect(await erlang.eval('gen_server:call(get(pid), fine)')).toBe('true')
  })

  test('a full mailbox refuses the call at once', async () => {
    const small = await cluster.citadel('small@127.0.0.1', { mailboxMax: 3 })
    await small.spawn(Counter, [1], { name: 'busy' })
    await small.connect(E)
    const call = `gen_server:call({busy, 'small@127.0.0.1'}, value, infinity)`
    const code = `
      Slow = gen_server:send_request({busy, 'small@127.0.0.1'}, {slowly, 300}),
      [gen_server:cast({busy, 'small@127.0.0.1'}, {add, N}) || N <- lists:seq(1, 20)],
      {'EXIT', {{refused, Code, _}, _}} = (catch ${call}),
      {reply, <<"late">>} = gen_server:wait_response(Slow, 5000),
      {Code, ${call} < 1 + lists:sum(lists:seq(1, 20))}`
    expect(await erlang.eval(code)).toBe('{overloaded,true}')
    await small.stop()
  })

  test('nonsense sent to the names of the runtime hurts nothing', async () => {
    const nonsense = `[a, 1, <<"x">>, #{}, #{<<"type">> => <<"capability">>}, {}, {a, b}, [], [a|b],
      #{<<"type">> => <<"status">>, <<"unreachable">> => 1}, {'$gen_call', x, y}, {'$gen_cast', 1},
      {'$gen_call', {self(), make_ref()}, x}, [<<"h">>, 1], [<<"u">>, <<"r">>], fun() -> 1 end]`
    for (const name of ['citadel', 'citadel_scopes', 'citadel_rows', 'net_kernel', 'nobody']) {
      await erlang.eval(`[{${name}, '${A}'} ! Term || Term <- ${nonsense}], ok`)
      expect(await erlang.eval(`gen_server:call({counter, '${A}'}, value)`)).toBe('4')
    }
    expect(a.nodes()).toContain(E)
  })

  test('what OTP asks of its own servers only is refused at once, and the process lives on', async () => {
    const asked = [
      `gen_server:stop({counter, '${A}'})`,
      `sys:get_state({counter, '${A}'}, infinity)`,
    ]
    for (const code of asked) {
      expect(await erlang.eval(`catch ${code}`)).toContain('{refused,undefined_method,')
    }
    expect(await a.call(counter, 'value')).toBe(4)
    expect(await a.call(counter, 'history')).toEqual([])
  })

  test('multi_call takes a node that refuses for a bad one when its time is over', async () => {
    const call = `gen_server:multi_call(['${A}'], counter, nope, 100)`
    expect(await erlang.eval(call)).toBe(`{[],['${A}']}`)
  })

  test('no code can be run here: rpc, erpc and spawn are refused at once', async () => {
    const started = performance.now()
    expect(await erlang.eval(`rpc:call('${A}', erlang, halt, [])`)).toBe('{badrpc,notsup}')
    const erpc = `try erpc:call('${A}', erlang, halt, []) catch C:R -> {C, R} end`
    expect(await erlang.eval(erpc)).toBe('{error,{erpc,notsup}}')
    const request = `
      R = erlang:spawn_request('${A}', erlang, halt, []),
      receive {spawn_reply, R, Outcome, Why} -> {Outcome, Why} after 5000 -> none end`
    expect(await erlang.eval(request)).toBe('{error,notsup}')
    const spawned = `try spawn_monitor('${A}', erlang, halt, []) catch C:R -> {C, R} end`
    expect(await erlang.eval(spawned)).toBe('{error,notsup}')
    const kernel = `catch gen_server:call({net_kernel, '${A}'}, {spawn, erlang, halt, []}, infinity)`
    expect(await erlang.eval(kernel)).toMatch(/^\{'EXIT',\{notsup,/)
    expect(performance.now() - started).toBeLessThan(3_000)
    expect(a.nodes()).toContain(E)
  })

  test('a hundred Erlang processes call at the same time, each gets its own answer', async () => {
    const code = `
      Me = self(),
      Call = fun(I) ->
        [I = gen_server:call({echo, '${A}'}, {echo, I}) || _ <- lists:seq(1, 20)], Me ! {done, I}
      end,
      [spawn(fun() -> Call(I) end) || I <- lists:seq(1, 100)],
      [receive {done, I} -> ok after 10000 -> exit({missing, I}) end || I <- lists:seq(1, 100)],
      all_answered`
    class Echo extends GenServer {
      echo(value: unknown) {
        return value
      }
    }
    await a.spawn(Echo, [], { name: 'echo' })
    expect(await erlang.eval(code)).toBe('all_answered')
  })
})
