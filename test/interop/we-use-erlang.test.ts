/** What Citadel processes can do with Erlang processes: call, monitor, link, end, and hear of it. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Citadel } from '../../src/citadel.js'
import { Down, Exit } from '../../src/process/system-messages.js'
import type { Pid } from '../../src/term/pid.js'
import { type ErlangNode, erlangMissing } from '../support/erlang.js'
import { atom, ErlangCluster, tuple } from '../support/erlang-cluster.js'
import { eventually } from '../support/eventually.js'

const A = 'a@127.0.0.1'
const E = 'e@127.0.0.1'
const peer = { name: 'peer', node: E }

describe.skipIf(erlangMissing())('Citadel uses an Erlang node', () => {
  let cluster: ErlangCluster
  let erlang: ErlangNode
  let a: Citadel

  beforeAll(async () => {
    cluster = await ErlangCluster.start()
    erlang = await cluster.erlang(E)
    a = await cluster.citadel(A)
    await a.connect(E)
  }, 60_000)

  afterAll(() => cluster?.stop())

  /** A fresh gen_server. */
  let server: Pid
  beforeEach(async () => {
    await erlang.eval('case whereis(peer) of undefined -> ok; P -> exit(P, kill) end')
    await eventually(async () => (await erlang.eval('whereis(peer)')) === 'undefined')
    await erlang.eval('citadel_peer:start(peer)')
    server = (await a.call(peer, 'pid')) as Pid
  })

  const unmonitored = async () =>
    (await erlang.eval('process_info(whereis(peer), monitored_by)')) === '{monitored_by,[]}'
  const within = (waitMs: number) => ({ timeoutMs: waitMs })
  const nextDown = () => a.receive((m) => m instanceof Down, within(5_000)) as Promise<Down>
  const nextExit = () => a.receive((m) => m instanceof Exit, within(5_000)) as Promise<Exit>

  test('a call by name or pid reaches the gen_server and gets its answer', async () => {
    expect(await a.call(peer, 'add', 3)).toBe(4)
    expect(await a.call(server, 'add', 3)).toBe(4)
    expect(await a.call(server, 'nothing')).toEqual(tuple(atom('request'), atom('nothing')))
    expect(await a.call(server, { any: 'term' })).toEqual(tuple(atom('request'), { any: 'term' }))
    expect(server.node).toBe(E)
  })

  test('casts and messages arrive in order with calls', async () => {
    expect(a.cast(peer, 'note', 1)).toBe(true)
    expect(a.send(server, tuple(atom('hello'), 2))).toBe(true)
    expect(a.cast(server, { three: 3 })).toBe(true)
    expect(await a.call(peer, 'seen')).toEqual([
      tuple(atom('cast'), tuple(atom('note'), 1)),
      tuple(atom('info'), tuple(atom('hello'), 2)),
      tuple(atom('cast'), { three: 3 }),
    ])
  })

  test('a node that starts again under its name gets no late answer to its earlier start', async () => {
    const name = 'again@127.0.0.1'
    const first = await cluster.citadel(name)
    await first.connect(E)
    const old = Array.from({ length: 20 }, () => first.call(peer, 'later', 1_500))
    for (const call of old) call.catch(() => {})
    await first.call(peer, 'add', 1)
    await first.stop()
    const second = await cluster.citadel(name)
    await eventually(() => second.connect(E))
    const calls = Array.from({ length: 20 }, () => second.call(peer, 'later', 3_000))
    const outcomes = calls.map((call) => call.then(() => performance.now()))
    const began = performance.now()
    // An answer to the earlier start comes half-way.
    for (const at of await Promise.all(outcomes)) expect(at - began).toBeGreaterThan(2_500)
  })

  test('a call leaves no monitor behind on the Erlang side', async () => {
    await Promise.all(Array.from({ length: 50 }, (_, n) => a.call(peer, 'add', n)))
    await eventually(unmonitored)
  })

  test('a call of nobody fails with noproc at once, by name and by a dead pid', async () => {
    const started = performance.now()
    const patient = a.with({ timeoutMs: 60_000 })
    const nobody = patient.call({ name: 'nobody', node: E }, 'add', 1)
    await expect(nobody).rejects.toMatchObject({ code: 'noproc' })
    await erlang.eval('exit(whereis(peer), kill)')
    await expect(patient.call(server, 'add', 1)).rejects.toMatchObject({ code: 'noproc' })
    expect(performance.now() - started).toBeLessThan(3_000)
  })

  test('a call to a server that ends before it answers rejects with the reason', async () => {
    const reason = tuple(atom('tired'), 1)
    const call = a.with({ timeoutMs: 60_000 }).call(peer, 'stop', reason)
    await expect(call).rejects.toMatchObject({ code: 'exited', reason })
    const server = { name: 'second', node: E }
    await erlang.eval('citadel_peer:start(second)')
    const normal = a.call(server, 'stop', atom('normal'))
    await expect(normal).rejects.toMatchObject({ code: 'exited', reason: 'normal' })
  })

  test('a call times out here, takes its monitor back, and the late answer disturbs nobody', async () => {
    const late = a.with({ timeoutMs: 50 }).call(peer, 'later', 200)
    await expect(late).rejects.toMatchObject({ code: 'timeout' })
    const never = a.with({ timeoutMs: 50 }).call(peer, 'never')
    await expect(never).rejects.toMatchObject({ code: 'timeout' })
    expect(await a.call(peer, 'later', 300)).toBe(atom('late'))
    await eventually(unmonitored)
    await expect(a.receive({ timeoutMs: 100 })).rejects.toMatchObject({ code: 'timeout' })
  })

  test.each([
    ['normal', 'normal'],
    ['shutdown', 'shutdown'],
    ['{shutdown, 5}', tuple(atom('shutdown'), 5)],
    ['#{a => <<"b">>}', new Map([[atom('a'), 'b']])],
    ['[1, 2.5, true]', [1, 2.5, true]],
  ])('monitors by pid and name give a Down with the reason %s', async (code, reason) => {
    const byPid = a.monitor(server)
    const byName = a.monitor(peer)
    await a.call(peer, 'seen')
    await erlang.eval(`peer ! {stop, ${code}}`)
    const downs = [await nextDown(), await nextDown()]
    const first = downs.find(({ ref }) => ref.equals(byPid))!
    const second = downs.find(({ ref }) => ref.equals(byName))!
    expect(first.pid).toEqual(server)
    expect(second.pid).toEqual(peer)
    expect([first.reason, second.reason]).toEqual([reason, reason])
  })

  test('a monitor of what is not there gives noproc, of a node not connected noconnection', async () => {
    a.monitor({ name: 'nobody', node: E })
    expect(await nextDown()).toMatchObject({ reason: 'noproc', pid: { name: 'nobody', node: E } })
    a.monitor({ name: 'nobody', node: 'zz@127.0.0.1' })
    expect(await nextDown()).toMatchObject({ reason: 'noconnection' })
  })

  test('a monitor taken back is silent, and gone on the Erlang side', async () => {
    const ref = a.monitor(server)
    await a.call(peer, 'seen')
    expect(a.demonitor(ref)).toBe(true)
    await a.call(peer, 'seen')
    await eventually(unmonitored)
    await erlang.eval('exit(whereis(peer), kill)')
    await expect(a.receive({ timeoutMs: 100 })).rejects.toMatchObject({ code: 'timeout' })
  })

  test('a linked gen_server that ends tells its reason', async () => {
    a.link(server)
    await a.call(peer, 'seen')
    await erlang.eval('peer ! {stop, {because, 2}}')
    const exit = await nextExit()
    expect(exit.pid).toEqual(server)
    expect(exit.reason).toEqual(tuple(atom('because'), 2))
  })

  test('exit from here kills an Erlang process, and links carry killed', async () => {
    a.link(server)
    const ref = a.monitor(server)
    a.exit(server, 'kill')
    expect(await nextExit()).toMatchObject({ reason: 'killed' })
    expect(await nextDown()).toMatchObject({ reason: 'killed', ref })
  })

  test('a linked process here that ends takes the Erlang process with it', async () => {
    const pid = await a.spawn(async (self) => {
      self.link(server)
      await self.receive()
      self.exit(self.pid, { broken: 1 })
    })
    a.monitor(server)
    await a.call(peer, 'seen')
    a.send(pid, 'go')
    expect(await nextDown()).toMatchObject({ reason: { broken: 1 } })
  })

  test('after unlink from here or from there, neither end takes the other with it', async () => {
    const pid = await a.spawn((self) => self.receive())
    await erlang.eval('is_pid(whereis(peer))')
    a.send(peer, tuple(atom('link'), pid))
    a.send(peer, tuple(atom('unlink'), pid))
    a.link(server)
    a.unlink(server)
    await a.call(peer, 'seen')
    a.send(pid, 'end')
    await a.with({ timeoutMs: 5_000 }).call(peer, 'seen')
    await erlang.eval('exit(whereis(peer), kill)')
    await expect(a.receive({ timeoutMs: 200 })).rejects.toMatchObject({ code: 'timeout' })
    const links = await erlang.eval('citadel_peer:start(peer), process_info(whereis(peer), links)')
    expect(links).toBe('{links,[]}')
  })

  test('a link to a dead Erlang process gives noproc', async () => {
    await erlang.eval('exit(whereis(peer), kill)')
    a.link(server)
    expect(await nextExit()).toMatchObject({ reason: 'noproc' })
  })

  test('values that cannot cross are refused here, and the connection lives on', async () => {
    const call = a.call(peer, 'echo', { user: { socket: () => 1 } })
    await expect(call).rejects.toMatchObject({ code: 'unserializable' })
    expect(() => a.send(peer, [Symbol('x')])).toThrow(/unserializable|cannot/i)
    expect(await a.call(peer, 'add', 1)).toBe(2)
  })

  test('two hundred calls at the same time each get their own answer', async () => {
    const calls = Array.from({ length: 200 }, (_, n) => a.call(n % 2 ? peer : server, 'add', n))
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 200 }, (_, n) => n + 1))
  })
})
