import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Atom } from '../../src/term/atom.js'
import { ImproperList } from '../../src/term/improper-list.js'
import type { Pid } from '../../src/term/pid.js'
import { Ref } from '../../src/term/ref.js'
import { Tuple } from '../../src/term/tuple.js'
import {
  type ErlangNode,
  erlangMissing,
  type RealEpmd,
  startEpmd,
  startErlang,
} from '../support/erlang.js'
import { eventually } from '../support/eventually.js'
import { MeshNode } from '../support/mesh-node.js'

const A = 'a@127.0.0.1'
const E = 'e@127.0.0.1'

describe.skipIf(erlangMissing())('a mesh and a real Erlang node', () => {
  let epmd: RealEpmd
  let erlang: ErlangNode
  let a: MeshNode

  beforeAll(async () => {
    epmd = await startEpmd()
    erlang = await startErlang({ name: E, cookie: 'secret', epmdPort: epmd.port })
    a = new MeshNode(A, { epmdPort: epmd.port })
    await a.mesh.start()
  }, 60_000)

  afterAll(async () => {
    await a?.stop()
    await erlang?.stop()
    await epmd?.stop()
  })

  async function fresh(): Promise<void> {
    a.mesh.disconnect(E)
    await eventually(async () => (await erlang.eval('nodes(hidden)')) === '[]')
    a.events.length = 0
    a.story.length = 0
    a.sink.messages.length = 0
    a.sink.signals.length = 0
  }

  test('ping from Erlang answers pong, and the mesh lists a node that is no member', async () => {
    expect(await erlang.eval(`net_adm:ping('${A}')`)).toBe('pong')
    await eventually(() => a.saw('beamUp', E) === 1)
    expect(a.mesh.nodes()).toEqual([E])
    expect(a.mesh.kind(E)).toBe('beam')
    expect(a.mesh.members()).toEqual([])
    expect(await erlang.eval('nodes(hidden)')).toBe(`['${A}']`)
    await fresh()
  })

  test('connect from the mesh tells what it is well within the second', async () => {
    const before = performance.now()
    expect(await a.mesh.connect(E)).toBe(true)
    expect(performance.now() - before).toBeLessThan(900)
    expect(a.mesh.kind(E)).toBe('beam')
    await fresh()
  })

  test('messages cross both ways, to names, pids and aliases', async () => {
    await a.mesh.connect(E)
    a.sink.onNamed = (_name, message) => {
      const [, from, request] = (message as Tuple).elements as [Atom, Tuple, unknown]
      const [caller, tag] = from.elements as [Pid, unknown]
      const answer = new Tuple(tag, new Tuple(new Atom('got'), request))
      if (tag instanceof ImproperList) a.mesh.sendToAlias(a.pid, tag.tail as Ref, answer)
      else a.mesh.send(a.pid, caller, answer)
    }
    const answer = await erlang.eval(`gen_server:call({worker, '${A}'}, {add, 3, #{x => 1.5}})`)
    expect(answer).toBe('{got,{add,3,#{x => 1.5}}}')
    a.sink.onNamed = undefined
    const target = { name: 'citadel_test', node: E }
    expect(a.mesh.send(a.pid, target, { hello: ['world', 1] })).toBe(true)
    const heard = 'receive #{<<"hello">> := Heard} -> Heard after 5000 -> none end'
    expect(await erlang.eval(heard)).toBe('[<<"world">>,1]')
    await fresh()
  })

  test('monitors and links work from both sides, with the reason', async () => {
    await a.mesh.connect(E)
    const ref = new Ref(A, a.mesh.creation, [9, 0, 0])
    const to = { name: 'nobody', node: E }
    a.mesh.signal(E, { type: 'monitor', from: a.pid, to, ref })
    await eventually(() => a.sink.signals.length === 1)
    expect(a.sink.signals[0]).toMatchObject({ type: 'down', reason: new Atom('noproc') })
    expect((a.sink.signals[0] as { ref: Ref }).ref.equals(ref)).toBe(true)

    await erlang.eval(`erlang:monitor(process, {worker, '${A}'})`)
    await eventually(() => a.sink.signals.length === 2)
    const monitor = a.sink.signals[1]!
    if (monitor.type !== 'monitor') throw new Error(`${monitor.type} arrived`)
    expect(monitor.to).toEqual({ name: 'worker', node: A })
    const reason = new Tuple(new Atom('shutdown'), 5)
    const down = { type: 'down' as const, from: monitor.to, to: monitor.from, ref: monitor.ref }
    a.mesh.signal(E, { ...down, reason })
    const heard = "receive {'DOWN', _, process, Who, Why} -> {Who, Why} after 5000 -> none end"
    expect(await erlang.eval(heard)).toBe(`{{worker,'${A}'},{shutdown,5}}`)
    await fresh()
  })

  test('a linked Erlang process that exits tells its reason, and so does unlink', async () => {
    await a.mesh.connect(E)
    const source = 'P = spawn(fun() -> receive stop -> exit({because, 1}) end end)'
    await erlang.eval(`${source}, {mailbox, '${A}'} ! {pid, P}`)
    await eventually(() => a.sink.messages.length === 1)
    const pid = (a.sink.messages[0] as Tuple).at(1) as Pid
    a.mesh.signal(E, { type: 'link', from: a.pid, to: pid })
    a.mesh.signal(E, { type: 'unlink', id: 77n, from: a.pid, to: pid })
    await eventually(() => a.sink.signals.length === 1)
    expect(a.sink.signals[0]).toMatchObject({ type: 'unlinkAck', id: 77n })
    a.mesh.signal(E, { type: 'link', from: a.pid, to: pid })
    a.mesh.send(a.pid, pid, new Atom('stop'))
    await eventually(() => a.sink.signals.length === 2)
    const reason = new Tuple(new Atom('because'), 1)
    expect(a.sink.signals[1]).toMatchObject({ type: 'exit', reason })
    await fresh()
  })

  test('rpc is refused at once, and a spawn request does not hurt the connection', async () => {
    await a.mesh.connect(E)
    expect(await erlang.eval(`rpc:call('${A}', erlang, node, [], 5000)`)).toBe('{badrpc,notsup}')
    expect(a.mesh.nodes()).toEqual([E])
    await fresh()
  })

  test('the end of the Erlang node is told, without redialling', async () => {
    await a.mesh.connect(E)
    await erlang.stop()
    await eventually(() => a.saw('beamDown', E) === 1)
    expect(a.story).toEqual([`beamUp ${E}`, `disconnected ${E}`, `beamDown ${E}`])
    expect(a.mesh.nodes()).toEqual([])
  })
})
