/** Erlang nodes that come, go, are killed, return, hide, or have another cookie; and our cluster beside them. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Citadel } from '../../src/citadel.js'
import type { MeshEvent } from '../../src/mesh/mesh-event.js'
import { GenServer } from '../../src/process/gen-server.js'
import { Down, Exit } from '../../src/process/system-messages.js'
import type { Pid } from '../../src/term/pid.js'
import { type ErlangNode, erlangMissing } from '../support/erlang.js'
import { atom, ErlangCluster, give, tuple } from '../support/erlang-cluster.js'
import { eventually } from '../support/eventually.js'
import { LogRecorder } from '../support/log-recorder.js'

const A = 'a@127.0.0.1'
const B = 'b@127.0.0.1'
const E = 'e@127.0.0.1'
const F = 'f@127.0.0.1'
const peer = { name: 'peer', node: E }

class Worker extends GenServer {
  #id: unknown
  init(id: unknown) {
    this.#id = id
  }
  id() {
    return this.#id
  }
}

describe.skipIf(erlangMissing())('Erlang nodes around a cluster of Citadel nodes', () => {
  let cluster: ErlangCluster

  beforeEach(async () => {
    cluster = await ErlangCluster.start()
  }, 60_000)

  afterEach(() => cluster?.stop())

  function watch(node: Citadel): MeshEvent[] {
    const events: MeshEvent[] = []
    const reading = async () => {
      for await (const event of node.watchNodes()) events.push(event)
    }
    void reading()
    return events
  }

  test('an Erlang node that is killed: calls, monitors and links hear noconnection at once', async () => {
    const erlang = await cluster.erlang(E)
    const a = await cluster.citadel(A)
    const events = watch(a)
    await a.connect(E)
    const server = (await a.call(peer, 'pid')) as Pid
    const call = a.with({ timeoutMs: 60_000 }).call(peer, 'never')
    const refs = [a.monitor(server), a.monitor(peer)]
    a.link(server)
    await a.call(peer, 'add', 1)
    const killed = performance.now()
    process.kill(erlang.pid, 'SIGKILL')
    await expect(call).rejects.toMatchObject({ code: 'noconnection' })
    const heard = [await a.receive(), await a.receive(), await a.receive()]
    expect(performance.now() - killed).toBeLessThan(1_000)
    const downs = heard.filter((message) => message instanceof Down)
    expect(downs.map(({ reason }) => reason)).toEqual(['noconnection', 'noconnection'])
    expect(downs.every(({ ref }) => refs.some((made) => made.equals(ref)))).toBe(true)
    const exit = heard.find((message) => message instanceof Exit)
    expect(exit).toMatchObject({ reason: 'noconnection', pid: server })
    expect(a.nodes()).toEqual([])
    expect(a.send(server, 'hello')).toBe(false)
    await expect(a.call(server, 'add', 1)).rejects.toMatchObject({ code: 'noconnection' })
    await eventually(() => events.some(({ type }) => type === 'beamDown'))
    expect(events.map(({ type }) => type)).toEqual(['beamUp', 'beamDown'])
  })

  test('a Citadel node that stops: Erlang hears shutdown, and the new start of the name is another', async () => {
    const erlang = await cluster.erlang(E)
    const first = await cluster.citadel(A)
    await first.connect(E)
    await give(first, erlang, await first.spawn(Worker, [1], { name: 'worker' }))
    const watching = `
      P = get(pid), put(m1, monitor(process, P)), put(m2, monitor(process, {worker, '${A}'})),
      gen_server:call(P, id)`
    expect(await erlang.eval(watching)).toBe('1')
    await first.stop()
    const reason = (key: string) => erlang.eval(`element(2, citadel_peer:down(get(${key})))`)
    // Its processes end before its connections do.
    expect([await reason('m1'), await reason('m2')]).toEqual(['shutdown', 'shutdown'])
    const second = await cluster.citadel(A)
    await second.spawn(Worker, [2], { name: 'worker' })
    expect(await second.connect(E)).toBe(true)
    expect(await erlang.eval(`gen_server:call({worker, '${A}'}, id)`)).toBe('2')
    const old = await erlang.eval('catch gen_server:call(get(pid), id, infinity)')
    expect(old).toMatch(/^\{'EXIT',\{noproc,/)
  })

  test('Erlang starts again under the same name: its old pids are dead, its names work', async () => {
    const first = await cluster.erlang(E)
    const a = await cluster.citadel(A)
    await a.connect(E)
    const old = (await a.call(peer, 'pid')) as Pid
    await first.stop()
    await eventually(() => a.nodes().length === 0)
    const second = await cluster.erlang(E)
    expect(await a.connect(E)).toBe(true)
    expect(await a.call(peer, 'add', 1)).toBe(2)
    await expect(a.call(old, 'add', 1)).rejects.toMatchObject({ code: 'noproc' })
    a.monitor(old)
    expect(await a.receive()).toMatchObject({ type: 'down', reason: 'noproc' })
    expect(await second.eval('nodes(hidden)')).toBe(`['${A}']`)
  })

  test('a visible and a hidden Erlang node both work, and see us as hidden', async () => {
    const visible = await cluster.erlang(E)
    const hidden = await cluster.erlang(F, { args: ['-hidden'] })
    const a = await cluster.citadel(A)
    await a.spawn(Worker, [1], { name: 'worker' })
    expect(await Promise.all([a.connect(E), a.connect(F)])).toEqual([true, true])
    expect(a.nodes()).toEqual([E, F])
    for (const erlang of [visible, hidden]) {
      expect(await erlang.eval(`gen_server:call({worker, '${A}'}, id)`)).toBe('1')
      expect(await erlang.eval(`lists:member('${A}', nodes(hidden))`)).toBe('true')
      expect(await erlang.eval(`lists:member('${A}', nodes())`)).toBe('false')
    }
    expect(await a.call({ name: 'peer', node: F }, 'add', 1)).toBe(2)
    expect(await visible.eval('global:sync()')).toBe('ok')
    expect(await visible.eval('global:register_name(thing, self())')).toBe('yes')
  })

  test('two Erlang nodes and one Citadel node in between do not connect through it', async () => {
    const [e, f] = [await cluster.erlang(E), await cluster.erlang(F)]
    const a = await cluster.citadel(A)
    await a.connect(E)
    await a.connect(F)
    expect(await e.eval('nodes()')).toBe('[]')
    expect(await f.eval('nodes()')).toBe('[]')
    expect(await e.eval(`net_adm:ping('${F}')`)).toBe('pong')
    expect(a.nodes()).toEqual([E, F])
  })

  test('with another cookie neither side gets in, both say so, and both live on', async () => {
    const stranger = await cluster.erlang(E, { cookie: 'another' })
    const log = new LogRecorder()
    const a = await cluster.citadel(A, { logger: log })
    expect(await a.connect(E)).toBe(false)
    expect(log.lines.join('\n')).toMatch(/cookie/)
    expect(await stranger.eval(`net_adm:ping('${A}')`)).toBe('pang')
    expect(await stranger.eval(`net_kernel:connect_node('${A}')`)).toBe('false')
    expect([a.nodes(), await stranger.eval('nodes(connected)')]).toEqual([[], '[]'])
    await stranger.eval(`erlang:set_cookie('${A}', ${cluster.cookie})`)
    expect(await stranger.eval(`net_adm:ping('${A}')`)).toBe('pong')
  })

  test('disconnect from either side is heard by the other, and a connect brings it back', async () => {
    const erlang = await cluster.erlang(E)
    const a = await cluster.citadel(A)
    await a.connect(E)
    await erlang.eval(`true = erlang:monitor_node('${A}', true)`)
    expect(a.disconnect(E)).toBe(true)
    const down = `receive {nodedown, '${A}'} -> down after 5000 -> none end`
    expect(await erlang.eval(down)).toBe('down')
    expect(await a.connect(E)).toBe(true)
    expect(await erlang.eval(`erlang:disconnect_node('${A}')`)).toBe('true')
    await eventually(() => a.nodes().length === 0)
    expect(await erlang.eval(`net_adm:ping('${A}')`)).toBe('pong')
    await eventually(() => a.nodes().includes(E))
  })

  test('both sides connect at the same moment, again and again: each time one connection is left', async () => {
    const erlang = await cluster.erlang(E)
    const a = await cluster.citadel(A)
    await a.spawn(Worker, [1], { name: 'worker' })
    for (let round = 0; round < 20; round++) {
      const ping = erlang.eval(`net_adm:ping('${A}')`)
      const [connected, answer] = await Promise.all([a.connect(E), ping])
      expect([connected, answer]).toEqual([true, 'pong'])
      expect(await a.call(peer, 'add', round)).toBe(round + 1)
      expect(await erlang.eval(`gen_server:call({worker, '${A}'}, id)`)).toBe('1')
      a.disconnect(E)
      await eventually(async () => (await erlang.eval('nodes(hidden)')) === '[]')
    }
    expect(await erlang.eval('citadel_peer:reports()')).toBe('[]')
  })

  describe('two Citadel nodes and one Erlang node', () => {
    let erlang: ErlangNode
    let a: Citadel
    let b: Citadel

    beforeEach(async () => {
      erlang = await cluster.erlang(E)
      a = await cluster.citadel(A)
      b = await cluster.citadel(B)
      expect(await Promise.all([a.connect(E), b.connect(E)])).toEqual([true, true])
    }, 60_000)

    test('nothing of our own reaches Erlang after the introduction, and it has nothing to complain of', async () => {
      const names = ['citadel', 'net_kernel', ...(await ourEndpoints())]
      const listeners = names
        .filter((name) => name !== 'net_kernel')
        .map((name) => `register('${name}', spawn(fun() -> receive stop -> ok end end))`)
      await erlang.eval(`${listeners.join(', ')}, ok`)
      await useTheCluster()
      const waiting = names.map((name) => `process_info(whereis('${name}'), messages)`)
      const inboxes = await erlang.eval(`[M || {messages, [_ | _] = M} <- [${waiting.join(', ')}]]`)
      expect(inboxes).toBe('[]')
      expect(await erlang.eval('citadel_peer:reports()')).toBe('[]')
      expect(await erlang.eval('process_info(self(), messages)')).toBe('{messages,[]}')
      expect(erlang.output()).not.toMatch(/REPORT/)
    })

    test('it is listed by nodes() of both and never a member', async () => {
      await useTheCluster()
      expect(a.nodes()).toEqual([B, E])
      expect(b.nodes()).toEqual([A, E])
      const supervisor = await a.supervisor('workers', { modules: { Worker } })
      expect(supervisor.nodes()).toEqual([A, B])
    })

    test('pids of one Citadel node work when Erlang hands them to the other', async () => {
      await a.connect(B)
      const pid = await a.spawn(Worker, [17])
      await give(a, erlang, pid)
      await erlang.eval('peer ! {keep, get(pid)}')
      const [kept] = (await b.call(peer, 'seen')) as [{ elements: unknown[] }]
      const term = kept.elements[1] as { elements: unknown[] }
      expect(await b.call(term.elements[1] as Pid<Worker>, 'id')).toBe(17)
    })

    test('an Erlang process finds what is registered, by a process that looks it up', async () => {
      await a.connect(B)
      const pid = await a.spawn(Worker, ['guild'])
      await a.registry.register(tuple(atom('guild'), 1), pid)
      class Directory extends GenServer {
        find(key: unknown) {
          return this.citadel.registry.findByKey(key) ?? atom('undefined')
        }
      }
      await b.spawn(Directory, [], { name: 'directory' })
      await eventually(() => b.registry.findByKey(tuple(atom('guild'), 1)) !== undefined)
      const found = `gen_server:call(gen_server:call({directory, '${B}'}, {find, {guild, 1}}), id)`
      expect(await erlang.eval(found)).toBe('<<"guild">>')
      const none = `gen_server:call({directory, '${B}'}, {find, {guild, 2}})`
      expect(await erlang.eval(none)).toBe('undefined')
    })

    /** The names under which Citadel nodes talk to each other. */
    async function ourEndpoints(): Promise<string[]> {
      const { SCOPES_ENDPOINT } = await import('../../src/cluster/scopes/scope-sender.js')
      const { ROW_SERVER } = await import('../../src/cluster/registry/key-registry.js')
      return [SCOPES_ENDPOINT, ROW_SERVER]
    }

    /** Rows, groups, children, a death, heartbeats of a few seconds: all that nodes tell each other. */
    async function useTheCluster(): Promise<void> {
      expect(await a.connect(B)).toBe(true)
      const pid = await a.spawn(Worker, [0])
      await a.registry.register('key', pid)
      await b.groups.join('group', await b.spawn(Worker, [1]))
      const options = { modules: { Worker } }
      const [first] = await Promise.all([
        a.supervisor('workers', options),
        b.supervisor('workers', options),
      ])
      const children = [1, 2, 3, 4].map((id) => first.startChild(Worker, [id], { id }))
      for (const child of await Promise.all(children))
        expect(await a.call(child, 'id')).toBeTruthy()
      expect(await erlang.eval(`net_adm:ping('${A}')`)).toBe('pong')
      a.exit(pid, 'kill')
      await eventually(() => b.registry.findByKey('key') === undefined)
      await a.sleep(2_500)
    }
  })
})
