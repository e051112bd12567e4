/** Erlang processes monitor, link and end Citadel processes, and hear what OTP would tell them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Citadel } from '../../src/citadel.js'
import { GenServer } from '../../src/process/gen-server.js'
import { Exit } from '../../src/process/system-messages.js'
import { Pid } from '../../src/term/pid.js'
import { type ErlangNode, erlangMissing } from '../support/erlang.js'
import { atom, compact, ErlangCluster, give, tuple } from '../support/erlang-cluster.js'
import { eventually } from '../support/eventually.js'

const A = 'a@127.0.0.1'
const E = 'e@127.0.0.1'

/** How a process ends here, and what Erlang hears. */
const reasons: [unknown, string][] = [
  ['shutdown', 'shutdown'],
  ['because', 'because'],
  ['not a plain word', "'not a plain word'"],
  [tuple(atom('shutdown'), 5), '{shutdown,5}'],
  [{ code: 17, text: 'no' }, '#{<<"code">> => 17,<<"text">> => <<"no">>}'],
  [[1, null, 2.5], '[1,null,2.5]'],
  [undefined, "{'$js',undefined,null}"],
  ['x'.repeat(300), `<<"${'x'.repeat(300)}">>`],
]

class Failing extends GenServer {
  handleInfo() {
    throw new TypeError('cannot')
  }
}

describe.skipIf(erlangMissing())('an Erlang node watches Citadel', () => {
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

  /** A process, given to Erlang, that ends with `reason` at its first message. */
  async function victim(reason: unknown, name?: string): Promise<Pid> {
    const body = async (self: Citadel) => {
      await self.receive()
      if (reason !== 'normal') self.exit(self.pid, reason)
    }
    const pid = await a.spawn(body as never, { name })
    await give(a, erlang, pid)
    return pid
  }

  /** A process that does nothing, given to Erlang. */
  async function idle(trapExit = false): Promise<{ pid: Pid; heard: unknown[] }> {
    const heard: unknown[] = []
    const pid = await a.spawn(async (self) => {
      self.trapExit = trapExit
      for (;;) {
        const message = await self.receive()
        if (message instanceof Exit && message.reason === 'shutdown') return
        heard.push(message)
      }
    })
    await give(a, erlang, pid)
    return { pid, heard }
  }

  const down = (monitor: string): string => `citadel_peer:down(${monitor})`
  const exited = (pid = 'P', waitMs = 5000): string => `citadel_peer:exited(${pid}, ${waitMs})`
  const downOf = async (): Promise<string> =>
    compact(
      await erlang.eval(`P = get(pid), M = monitor(process, P), P ! go, {P, Y} = ${down('M')}, Y`),
    )

  test('a monitor by pid and one by name give DOWN with the reason normal', async () => {
    await victim('normal', 'short_lived')
    const code = `
      P = get(pid), M1 = monitor(process, P), M2 = monitor(process, {short_lived, '${A}'}),
      P ! go,
      {P, Y1} = ${down('M1')}, {W, Y2} = ${down('M2')}, {Y1, W, Y2}`
    expect(compact(await erlang.eval(code))).toBe(`{normal,{short_lived,'${A}'},normal}`)
  })

  test('every reason arrives as Erlang would write it', async () => {
    for (const [reason, printed] of reasons) {
      await victim(reason)
      expect(await downOf()).toBe(printed)
    }
  })

  test('an uncaught error arrives as a term with name and message', async () => {
    await give(a, erlang, await a.spawn(Failing))
    const got = await downOf()
    expect(got).toMatch(/^#\{<<"error">> =>\{'\$js',error,/)
    expect(got).toContain('<<"message">> => <<"cannot">>')
  })

  test('a reason that cannot cross arrives as one that can', async () => {
    await victim({ error: new Error('no', { cause: () => 1 }) })
    expect(await downOf()).toContain('<<"message">> => <<"no">>')
    await victim({ callback: () => 1 })
    expect(await downOf()).toBe('error')
  })

  test('exit(Pid, kill) from Erlang ends any process, and the reason told is killed', async () => {
    const { pid } = await idle(true)
    const code = `P = get(pid), M = monitor(process, P), exit(P, kill), {P, Y} = ${down('M')}, Y`
    expect(await erlang.eval(code)).toBe('killed')
    expect(a.isAlive(pid)).toBe(false)
  })

  test('exit/2 with another reason ends a process, but for normal', async () => {
    await idle()
    const code = `
      P = get(pid), M = monitor(process, P), exit(P, normal), exit(P, {bad, thing}),
      {P, Y} = ${down('M')}, Y`
    expect(await erlang.eval(code)).toBe('{bad,thing}')
  })

  test('exit/2 is a message to a process that traps exits', async () => {
    const { pid, heard } = await idle(true)
    await erlang.eval('exit(get(pid), {bad, thing})')
    await eventually(() => heard.length === 1)
    const message = heard[0] as Exit
    expect(message).toBeInstanceOf(Exit)
    expect(message.reason).toEqual(tuple(atom('bad'), atom('thing')))
    expect(message.pid.node).toBe(E)
    expect(a.isAlive(pid)).toBe(true)
  })

  test('a monitor of what is not there, or not any more, gives noproc at once', async () => {
    const pid = await victim('normal')
    a.exit(pid, 'kill')
    await eventually(() => !a.isAlive(pid))
    const byPid = `P = get(pid), M = monitor(process, P), {P, Y} = ${down('M')}, Y`
    expect(await erlang.eval(byPid)).toBe('noproc')
    const byName = `M = monitor(process, {nobody, '${A}'}), ${down('M')}`
    expect(await erlang.eval(byName)).toBe(`{{nobody,'${A}'},noproc}`)
  })

  test('a monitor taken back is silent', async () => {
    await victim('normal')
    const code = `
      P = get(pid), M = monitor(process, P), true = demonitor(M, [flush]),
      M2 = monitor(process, P), P ! go, {P, Y} = ${down('M2')},
      {Y, process_info(self(), messages)}`
    expect(await erlang.eval(code)).toBe('{normal,{messages,[]}}')
  })

  test('a linked Erlang process that traps exits gets EXIT with the reason', async () => {
    for (const [reason, printed] of [['normal', 'normal'], ...reasons] as [unknown, string][]) {
      await victim(reason)
      const code = `process_flag(trap_exit, true), P = get(pid), link(P), P ! go, ${exited()}`
      expect(compact(await erlang.eval(code))).toBe(printed)
    }
  })

  test('a linked Erlang process that does not trap exits ends with the reason', async () => {
    await victim('because')
    const code = `
      P = get(pid),
      {_, M} = spawn_monitor(fun() -> link(P), P ! go, timer:sleep(infinity) end),
      {_, Y} = ${down('M')}, Y`
    expect(await erlang.eval(code)).toBe('because')
  })

  test('the end of an Erlang process ends the linked process here, but for normal', async () => {
    const { pid } = await idle()
    const end = (reason: string) => `
      P = get(pid),
      {_, M} = spawn_monitor(fun() -> link(P), exit(${reason}) end),
      receive {'DOWN', M, process, _, _} -> ok after 5000 -> none end`
    expect(await erlang.eval(end('normal'))).toBe('ok')
    expect(await erlang.eval(end('normal'))).toBe('ok')
    expect(a.isAlive(pid)).toBe(true)
    const ended = a.whenEnded(pid)
    expect(await erlang.eval(end('{failed, 3}'))).toBe('ok')
    expect(await ended).toEqual(tuple(atom('failed'), 3))
  })

  test('a process here that traps exits gets an Exit from the linked Erlang process', async () => {
    const { pid, heard } = await idle(true)
    await erlang.eval('P = get(pid), spawn(fun() -> link(P), exit(sorry) end)')
    await eventually(() => heard.length === 1)
    expect(heard[0]).toBeInstanceOf(Exit)
    expect(heard[0]).toMatchObject({ reason: 'sorry' })
    expect((heard[0] as Exit).pid).toBeInstanceOf(Pid)
    expect(a.isAlive(pid)).toBe(true)
  })

  test('a link to what is not there gives EXIT with noproc', async () => {
    const pid = await victim('normal')
    a.exit(pid, 'kill')
    await eventually(() => !a.isAlive(pid))
    const code = `process_flag(trap_exit, true), P = get(pid), link(P), ${exited()}`
    expect(await erlang.eval(code)).toBe('noproc')
  })

  test('after unlink nothing comes, after another link exactly one EXIT', async () => {
    await victim('first')
    const unlinked = `
      process_flag(trap_exit, true), P = get(pid), M = monitor(process, P),
      link(P), unlink(P), P ! go, {P, first} = ${down('M')}, ${exited('P', 200)}`
    expect(await erlang.eval(unlinked)).toBe('none')
    await victim('second')
    const again = `
      process_flag(trap_exit, true), P = get(pid),
      [begin link(P), unlink(P) end || _ <- lists:seq(1, 100)],
      link(P), link(P), P ! go,
      {${exited()}, ${exited('P', 200)}}`
    expect(await erlang.eval(again)).toBe('{second,none}')
  })

  test('both sides link and unlink at the same time, and both ends still hear of the end', async () => {
    const { pid } = await idle()
    const probe = await a.spawn(async (self) => {
      self.trapExit = true
      const other = (await self.receive()) as Pid
      for (let round = 0; round < 200; round++) {
        self.link(other)
        self.unlink(other)
        if (round % 20 === 0) await self.sleep(1)
      }
      self.link(other)
      self.send(other, atom('ready'))
      await self.receive((message) => message === atom('end'))
      self.exit(self.pid, 'shutdown')
    })
    await give(a, erlang, probe)
    const code = `
      process_flag(trap_exit, true), P = get(pid), P ! self(),
      [begin link(P), unlink(P) end || _ <- lists:seq(1, 2000)],
      receive ready -> ok after 5000 -> exit(not_ready) end,
      link(P), P ! 'end',
      {${exited()}, ${exited('P', 200)}}`
    expect(await erlang.eval(code)).toBe('{shutdown,none}')
    expect(a.isAlive(pid)).toBe(true)
    expect(a.nodes()).toContain(E)
  })
})
