/** A child of a Citadel supervisor moves, and an Erlang node that holds its old pid notices nothing. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Citadel } from '../../src/citadel.js'
import type { DistributedSupervisor } from '../../src/cluster/supervisor/distributed-supervisor.js'
import type { Pid } from '../../src/term/pid.js'
import { type ErlangNode, erlangMissing } from '../support/erlang.js'
import { compact, ErlangCluster, give } from '../support/erlang-cluster.js'
import { eventually } from '../support/eventually.js'
import { Tally } from '../support/tally.js'

const E = 'e@127.0.0.1'

describe.skipIf(erlangMissing())('an Erlang node and children that move', () => {
  let cluster: ErlangCluster
  let erlang: ErlangNode
  let a: Citadel
  let b: Citadel
  let here: DistributedSupervisor
  let there: DistributedSupervisor
  let pid: Pid<Tally>
  let round = 0

  beforeAll(async () => {
    cluster = await ErlangCluster.start()
    erlang = await cluster.erlang(E)
  }, 60_000)

  afterAll(() => cluster?.stop())

  /** Two fresh nodes for each test; the child runs on `a`, and Erlang is connected to that one only. */
  beforeEach(async () => {
    round++
    a = await cluster.citadel(`a${round}@127.0.0.1`)
    b = await cluster.citadel(`b${round}@127.0.0.1`)
    await a.connect(E)
    await b.connect(a.name)
    const options = { modules: { Tally }, rebalance: 'manual' } as const
    here = await a.supervisor('tallies', options)
    there = await b.supervisor('tallies', options)
    await eventually(() => here.nodes().length === 2 && there.nodes().length === 2)
    pid = (await here.startChild(Tally, ['x', {}], { id: 'x' })) as Pid<Tally>
    if (pid.node !== a.name) {
      await here.moveChild('x', a.name)
      await eventually(() => here.lookup('x')?.node === a.name)
      pid = here.lookup('x') as Pid<Tally>
    }
    await give(a, erlang, pid)
  })

  afterEach(async () => {
    await Promise.all([a, b].map((node) => node.stop({ budgetMs: 0 })))
  })

  const moveTo = async (node: Citadel): Promise<Pid<Tally>> => {
    expect(await here.moveChild('x', node.name)).toBe(true)
    return here.lookup('x') as Pid<Tally>
  }

  test('a gen_server:call in flight during the move is answered once, by the new process', async () => {
    const busy = here.child<Tally>('x').call('rest', 100, a.self as Pid)
    expect(await a.receive()).toBe('rests')
    const asked = erlang.eval(`
      Answer = gen_server:call(get(pid), {add, 5}),
      Where = gen_server:call(get(pid), where),
      {Answer, Where, process_info(self(), messages)}`)
    // It waits in the mailbox before the move begins.
    await eventually(() => a.isAlive(pid))
    await moveTo(b)
    expect(await busy).toBe(a.name)
    expect(compact(await asked)).toBe(`{5,<<"${b.name}">>,{messages,[]}}`)
  })

  test('of 2,000 calls by 20 processes during eight moves each is answered once and counts once', async () => {
    const calling = erlang.eval(
      `
      P = get(pid),
      Caller = fun() -> exit({sum, [gen_server:call(P, {add, 1}) || _ <- lists:seq(1, 100)]}) end,
      Callers = [spawn_monitor(Caller) || _ <- lists:seq(1, 20)],
      Answers = lists:append([receive {'DOWN', M, process, _, {sum, L}} -> L;
                                      {'DOWN', M, process, _, Other} -> exit(Other)
                              after 20000 -> exit(late) end || {_, M} <- Callers]),
      {length(Answers), lists:sort(Answers) =:= lists:seq(1, 2000), process_info(self(), messages)}`,
      60_000,
    )
    for (let n = 0; n < 8; n++) await moveTo(n % 2 === 0 ? b : a)
    expect(compact(await calling)).toBe('{2000,true,{messages,[]}}')
    expect(await there.child<Tally>('x').call('value')).toBe(2_000)
  })

  test('casts and messages arrive in their order, whatever the child does meanwhile', async () => {
    const sending = erlang.eval(`
      P = get(pid),
      [begin P ! N, if N rem 50 =:= 0 -> timer:sleep(1); true -> ok end end
        || N <- lists:seq(1, 1000)], sent`)
    await moveTo(b)
    await moveTo(a)
    await moveTo(b)
    expect(await sending).toBe('sent')
    const child = there.child<Tally>('x')
    await eventually(async () => ((await child.call('all')) as unknown[]).length === 1_000)
    expect(await child.call('all')).toEqual(Array.from({ length: 1_000 }, (_, n) => n + 1))
  })

  test('a call that was taken before the move and is answered by the old process after it gets that answer', async () => {
    const asked = erlang.eval('gen_server:call(get(pid), {rest, 50})')
    await eventually(() => a.isAlive(pid))
    await moveTo(b)
    expect([`<<"${a.name}">>`, `<<"${b.name}">>`]).toContain(await asked)
    const deferred = erlang.eval(
      '{gen_server:call(get(pid), later), process_info(self(), messages)}',
    )
    await eventually(async () => {
      await there.child<Tally>('x').call('release', 'at last')
      return Promise.race([deferred, undefined])
    })
    expect(compact(await deferred)).toBe('{<<"at last">>,{messages,[]}}')
  })

  test('calls that fail, fail as they would without the move', async () => {
    await moveTo(b)
    const refused = await erlang.eval('catch gen_server:call(get(pid), nonsense)').then(compact)
    expect(refused).toContain('undefined_method')
    expect(await erlang.eval('gen_server:call(get(pid), {add, 1})')).toBe('1')
    const crashed = await erlang
      .eval("{'EXIT', {Reason, _}} = (catch gen_server:call(get(pid), crash)), Reason")
      .then(compact)
    expect(crashed).toContain('crashed as asked')
  })

  test('a monitor on the old pid hears when the child really ends, with its reason', async () => {
    await erlang.eval('put(monitor, monitor(process, get(pid)))')
    const to = await moveTo(b)
    await erlang.eval('put(second, monitor(process, get(pid)))')
    expect(await erlang.eval('receive {_, _, process, _, _} -> down after 100 -> none end')).toBe(
      'none',
    )
    b.exit(to as Pid, 'enough')
    const down = 'citadel_peer:down'
    const heard = `P = get(pid),
      {P, Why} = ${down}(get(monitor)), {P, Again} = ${down}(get(second)), {Why, Again}`
    expect(await erlang.eval(heard)).toBe('{enough,enough}')
  })

  test('a monitor on the old pid hears where the child is when the old node stops; a link is not broken by it', async () => {
    await erlang.eval(`
      put(monitor, monitor(process, get(pid))), P = get(pid),
      put(linked, spawn(fun() -> link(P), receive stop -> ok end end))`)
    const to = await moveTo(b)
    expect(await erlang.eval('gen_server:call(get(pid), {add, 1})')).toBe('1')
    await a.stop()
    const heard = `
      P = get(pid), {P, #{<<"moved">> := Now}} = citadel_peer:down(get(monitor)),
      {node(Now), is_process_alive(get(linked)), gen_server:call(Now, {add, 1})}`
    expect(await erlang.eval(heard)).toBe(`{'${to.node}',true,2}`)
  })

  test('exit/2 to the old pid ends the child, and a link to it fires', async () => {
    const to = await moveTo(b)
    const code = `
      process_flag(trap_exit, true), P = get(pid), link(P), exit(P, kill),
      Why = citadel_peer:exited(P, 5000), process_flag(trap_exit, false), Why`
    expect(await erlang.eval(code)).toBe('killed')
    expect(b.isAlive(to)).toBe(false)
  })
})
