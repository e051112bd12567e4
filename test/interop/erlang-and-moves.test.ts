/** Erlang processes hold the pid of a child that moves to another node, and notice as little as can be. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Citadel } from '../../src/citadel.js'
import type { DistributedSupervisor } from '../../src/index.js'
import { GenServer } from '../../src/process/gen-server.js'
import type { Pid } from '../../src/term/pid.js'
import { type ErlangNode, erlangMissing } from '../support/erlang.js'
import { compact, ErlangCluster, give } from '../support/erlang-cluster.js'

const A = 'a@127.0.0.1'
const B = 'b@127.0.0.1'
const E = 'e@127.0.0.1'

class Box extends GenServer {
  #items: unknown[] = []

  init(): void {
    if (this.citadel.name === A) this.citadel.registerName('box', this.self)
  }
  put(item: unknown): number {
    return this.#items.push(item)
  }
  items(): unknown[] {
    return this.#items
  }
  where(): string {
    return this.citadel.name
  }
  async putSlowly(item: unknown, ms: number): Promise<string> {
    await this.citadel.sleep(ms)
    this.#items.push(item)
    return this.citadel.name
  }
  handleInfo(message: unknown): void {
    this.#items.push(message)
  }
  handoff(): unknown[] {
    return this.#items
  }
  takeover(items: unknown[]): void {
    this.#items = items
  }
}

describe.skipIf(erlangMissing())('an Erlang node and a child that moves', () => {
  let cluster: ErlangCluster
  let erlang: ErlangNode
  let a: Citadel
  let b: Citadel
  let boxes: DistributedSupervisor
  let pid: Pid<Box>

  beforeEach(async () => {
    cluster = await ErlangCluster.start()
    erlang = await cluster.erlang(E)
    a = await cluster.citadel(A)
    b = await cluster.citadel(B)
    await a.connect(E)
    await b.connect(A)
    const options = { modules: { Box }, rebalance: 'manual' as const }
    boxes = await a.supervisor('boxes', options)
    await b.supervisor('boxes', options)
    await expect.poll(() => boxes.nodes().length).toBe(2)
    let id = 0
    while (boxes.nodeFor(id) !== A) id++
    pid = await boxes.startChild(Box, [], { id })
    await give(a, erlang, pid)
  }, 60_000)

  afterEach(() => cluster?.stop())

  async function move(): Promise<void> {
    const [id] = [...boxes.members().keys()]
    expect(await boxes.moveChild(id, B)).toBe(true)
  }

  test('calls, casts and messages by the pid and by the local name reach the new process', async () => {
    expect(await erlang.eval('gen_server:call(get(pid), {put, 1})')).toBe('1')
    await move()
    const code = `P = get(pid), N = {box, '${A}'},
      2 = gen_server:call(P, {put, 2}), ok = gen_server:cast(P, {put, 3}), P ! 4,
      5 = gen_server:call(P, {put, 5}), ok = gen_server:cast(N, {put, 6}), N ! 7,
      {gen_server:call(N, items), gen_server:call(P, where)}`
    expect(compact(await erlang.eval(code))).toBe(`{[1,2,3,4,5,6,7],<<"${B}">>}`)
  })

  test('a stream of messages and calls stays in order while the child moves', async () => {
    const code = `P = get(pid), Peer = self(),
      Call = fun(N) -> N = gen_server:call(P, {put, N}) end,
      Step = fun Step(N) when N > 3000 -> Peer ! done;
                 Step(N) when N rem 10 =:= 0 -> Call(N), Step(N + 1);
                 Step(N) -> P ! N, Step(N + 1) end,
      spawn(fun() -> Step(1) end), receive done -> ok after 20000 -> late end`
    const sending = erlang.eval(code, 30_000)
    await expect.poll(() => a.call(pid, 'items').then(({ length }) => length)).toBeGreaterThan(50)
    await move()
    expect(await sending).toBe('ok')
    const items = await b.call(pid, 'items')
    expect(items).toEqual(Array.from({ length: 3_000 }, (_, index) => index + 1))
    expect(await b.call(pid, 'where')).toBe(B)
  })

  test('a call that waits while the node stops is answered before the node is gone', async () => {
    const code = `P = get(pid), Peer = self(),
      spawn(fun() -> Peer ! {one, gen_server:call(P, {putSlowly, 1, 200})} end),
      timer:sleep(20),
      spawn(fun() -> Peer ! {two, gen_server:call(P, {putSlowly, 2, 200})} end),
      receive {one, X} -> receive {two, Y} -> {X, Y} after 9000 -> none end after 9000 -> none end`
    const asked = erlang.eval(code, 30_000)
    await new Promise((resolve) => setTimeout(resolve, 100))
    await a.stop()
    const answer = compact(await asked)
    expect([`{<<"${A}">>,<<"${B}">>}`, `{<<"${A}">>,<<"${A}">>}`]).toContain(answer)
  })

  test('a monitor tells of the end of the new process, with its reason', async () => {
    const monitored = `P = get(pid), put(ref, monitor(process, P)), ok`
    expect(await erlang.eval(monitored)).toBe('ok')
    await move()
    const code = `P = get(pid), exit(P, because),
      {P, Y} = citadel_peer:down(get(ref)), Y`
    expect(await erlang.eval(code)).toBe('because')
  })

  test('when the old node stops, a monitor says where the child is, and a link ends nobody', async () => {
    const code = `P = get(pid), put(ref, monitor(process, P)), Self = self(),
      put(linked, spawn(fun() -> link(P), Self ! linked, receive never -> ok end end)),
      put(trapping, spawn(fun() -> process_flag(trap_exit, true), link(P), Self ! linked,
        receive {'EXIT', P, Why} -> Self ! {heard, Why} end end)),
      receive linked -> receive linked -> ok end end`
    expect(await erlang.eval(code)).toBe('ok')
    await a.stop()
    const heard = `P = get(pid), {P, #{<<"moved">> := New}} = citadel_peer:down(get(ref)),
      Link = receive {heard, Why} -> Why after 5000 -> none end,
      {node(New), Link, is_process_alive(get(linked))}`
    expect(compact(await erlang.eval(heard))).toBe(`{'${B}',normal,true}`)
  })

  test('a link hands ends on in both directions', async () => {
    const code = `P = get(pid), Self = self(),
      put(linked, spawn(fun() -> process_flag(trap_exit, true), link(P), Self ! linked,
        receive {'EXIT', P, Why} -> Self ! {heard, Why} end end)),
      put(other, spawn(fun() -> link(P), Self ! linked, receive stop -> exit(enough) end end)),
      receive linked -> receive linked -> ok end end`
    expect(await erlang.eval(code)).toBe('ok')
    await move()
    const heard = 'get(other) ! stop, receive {heard, Why} -> Why after 5000 -> none end'
    expect(await erlang.eval(heard)).toBe('enough')
  })
})
