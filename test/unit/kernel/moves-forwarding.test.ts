/** What is sent to the old pid of a process that runs elsewhere now, and what becomes of it. */
import { describe, expect, it } from 'vitest'
import type { CitadelError } from '../../../src/base/errors.js'
import { type From, noReply } from '../../../src/process/request.js'
import type { Pid } from '../../../src/term/pid.js'
import { ManualClock } from '../../support/manual-clock.js'
import { calmly, Ledger, Moving } from '../../support/moving.js'
import { gate, rest } from '../../support/test-kernel.js'
import { Wires } from '../../support/wired-kernels.js'

const A = 'a@127.0.0.1'
const B = 'b@127.0.0.1'
const C = 'c@127.0.0.1'

const setUp = async (module: typeof Ledger = Ledger) => {
  const wires = new Wires()
  const [a, b, c] = [A, B, C].map((name) => wires.node(name)) as [Wired, Wired, Wired]
  const moving = new Moving(wires)
  const old = (await a.node.spawn(module)) as Pid<Ledger>
  /** Moves it to `b`, and nobody but the old node knows. */
  const toB = (options = {}) =>
    moving.move(module, old, B, { learn: [A], awaited: [], ...options }) as Promise<Pid<Ledger>>
  return { wires, moving, old, toB, kernels: { a, b, c }, a: a.node, b: b.node, c: c.node }
}

type Wired = ReturnType<Wires['node']>

const fault = (promise: Promise<unknown>): Promise<CitadelError> =>
  promise.then(
    (value) => {
      throw new Error(`resolved with ${String(value)}`)
    },
    (error: CitadelError) => error,
  )

describe('three nodes: what is sent to the old pid', () => {
  it('before, while and after it moves reaches the new one, in the order of each sender', async () => {
    const { moving, old, a, b, c } = await setUp()
    a.send(old, 'a1')
    await rest()
    const state = await moving.hold(old as Pid)
    const answers = [a, c].flatMap((node, index) => {
      const who = index === 0 ? 'a' : 'c'
      const call = node.call(old, 'note', `${who}2`)
      node.cast(old, 'note', `${who}3`)
      node.send(old, `${who}4`)
      return [call, node.call(old, 'note', `${who}5`)]
    })
    await rest()
    const to = await moving.arrive(Ledger, state, old as Pid, B)
    moving.admit(old as Pid, to, [])
    moving.learn(old as Pid, to, [A])
    for (const [who, node] of [['a', a] as const, ['c', c] as const]) {
      node.send(old, `${who}6`)
      node.cast(old, 'note', `${who}7`)
      answers.push(node.call(old, 'note', `${who}8`))
    }
    expect(await Promise.all(answers)).toEqual(['a2', 'a5', 'c2', 'c5', 'a8', 'c8'])
    const heard = (await b.call(to as Pid<Ledger>, 'all')) as string[]
    const of = (who: string): string[] => heard.filter((item) => item.startsWith(who))
    expect(of('a')).toEqual(['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7', 'a8'])
    expect(of('c')).toEqual(['c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8'])
    expect(heard).toHaveLength(15)
    expect(await c.call(old, 'where')).toBe(B)
  })

  it('does not wait for a handler of the old instance, and that instance handles nothing more', async () => {
    const { old, toB, a, b, c } = await setUp()
    const to = await toB()
    for (let n = 0; n < 200; n++) c.send(old, n)
    expect(await a.call(old, 'where')).toBe(B)
    await rest()
    expect(await b.call(to, 'all')).toHaveLength(200)
  })

  it('as a call whose value cannot cross is refused, as a message is told in the log, and harms nothing', async () => {
    const { old, moving, kernels, a, b } = await setUp()
    const fun = () => {}
    const state = await moving.hold(old as Pid)
    const waiting = [fault(a.call(old, 'note', fun)), a.call(old, 'note', 1)]
    a.send(old, fun)
    a.cast(old, 'note', fun)
    a.send(old, 2)
    const to = await moving.arrive(Ledger, state, old as Pid, B)
    moving.admit(old as Pid, to, [])
    moving.learn(old as Pid, to, [A])
    await rest()
    const later = [fault(a.call(old, 'note', fun)), a.call(old, 'note', 3)]
    expect(await Promise.all([...waiting, ...later])).toMatchObject([
      { code: 'unserializable' },
      1,
      { code: 'unserializable' },
      3,
    ])
    expect(await b.call(to as Pid<Ledger>, 'all')).toEqual([1, 2, 3])
    const lost = kernels.a.log.of('warn').filter((line) => line.includes('which has moved'))
    expect(lost).toHaveLength(2)
    // Nobody waits for those that were refused.
    await kernels.a.kernel.moves.settled()
  })

  it('is refused as the new process would: unknown method, bad answer, crash, full mailbox, no process', async () => {
    const { old, toB, wires, b, a, c } = await setUp()
    const to = await toB()
    for (const node of [a, c]) {
      expect(await fault(node.call(old as Pid, 'nothing' as never))).toMatchObject({
        code: 'undefined_method',
      })
      expect(await fault(node.call(old, 'bad'))).toMatchObject({ code: 'unserializable' })
    }
    expect(await fault(c.call(old, 'fail'))).toMatchObject({
      code: 'exited',
      reason: { error: { message: 'broken' } },
    })
    // It has ended now, and was not watched: the old pid passes on and hears that nobody is there.
    for (const node of [a, c]) {
      expect(await fault(node.call(old, 'where'))).toMatchObject({ code: 'noproc' })
    }
    expect(b.isAlive(to)).toBe(false)
    expect(wires.signals.filter(({ type }) => type === 'monitor')).toEqual([])
  })

  it('to a new process with a full mailbox is overloaded', async () => {
    const wires = new Wires()
    const a = wires.node(A)
    const b = wires.node(B, { mailboxMax: 2 })
    const moving = new Moving(wires)
    const old = (await a.node.spawn(Ledger)) as Pid<Ledger>
    const to = await moving.move(Ledger, old as Pid, B, { learn: [A], awaited: [] })
    await moving.hold(to)
    a.node.send(old, 1)
    a.node.send(old, 2)
    const call = a.node.call(old, 'note', 3)
    expect(await fault(call)).toMatchObject({ code: 'overloaded' })
    b.kernel.moves.goOn(to)
    expect(await a.node.call(old, 'all')).toEqual([1, 2])
  })

  it('that nobody waits for any more is answered to nobody, once: time-outs and aborts', async () => {
    const { old, toB, kernels, a, c } = await setUp()
    await toB()
    const controller = new AbortController()
    const calls = [
      fault(a.with({ timeoutMs: 5 }).call(old, 'later')),
      fault(c.with({ timeoutMs: 5 }).call(old, 'later')),
      fault(a.with({ timeoutMs: 60_000, signal: controller.signal }).call(old, 'later')),
    ]
    await rest()
    controller.abort()
    expect((await Promise.all(calls)).map(({ code }) => code)).toEqual([
      'timeout',
      'timeout',
      'aborted',
    ])
    await a.call(old, 'release', 'late')
    await c.call(old, 'release', 'later still')
    expect(await a.call(old, 'note', 'goes on')).toBe('goes on')
    expect(kernels.a.log.of('error')).toEqual([])
  })

  it('is noconnection when the new node is lost, also for calls on their way', async () => {
    const { wires, old, toB, a, c } = await setUp()
    await toB()
    const calls = [fault(a.call(old, 'later')), fault(c.call(old, 'later'))]
    await rest()
    wires.disconnect(A, B)
    expect((await Promise.all(calls)).map(({ code }) => code)).toEqual([
      'noconnection',
      'noconnection',
    ])
    expect(await fault(a.call(old, 'where'))).toMatchObject({ code: 'noconnection' })
    expect(await fault(c.call(old, 'where'))).toMatchObject({ code: 'noconnection' })
  })

  it('follows a process that moves on, and one that comes back', async () => {
    const { moving, old, kernels, a, b, c } = await setUp()
    const second = await moving.move(Ledger, old as Pid, B, { learn: [A], awaited: [] })
    const third = await moving.move(Ledger, second, C, { learn: [B], awaited: [] })
    expect(await a.call(old, 'where')).toBe(C)
    expect(await c.call(old, 'where')).toBe(C)
    const fourth = await moving.move(Ledger, third, A, { learn: [C], awaited: [] })
    const fifth = await moving.move(Ledger, fourth, B, { learn: [A], awaited: [] })
    for (const node of [a, b, c]) {
      for (const pid of [old, second, third, fourth, fifth] as Pid<Ledger>[]) {
        expect(await node.call(pid, 'where')).toBe(B)
      }
    }
    // Whoever has learned of all moves goes directly.
    for (const node of ['a', 'b', 'c'] as const) {
      const pids = [old as Pid, second, third, fourth, fifth]
      pids.slice(1).forEach((to, index) => {
        kernels[node].kernel.moves.learned(pids[index]!, to)
      })
    }
    expect(kernels.c.kernel.moves.successor(old as Pid)?.equals(fifth)).toBe(true)
    expect(await c.call(old, 'where')).toBe(B)
  })

  it('goes directly from a node that has learned of the move, also when the old node is gone', async () => {
    const { wires, old, toB, c } = await setUp()
    await toB({ learn: [A, C] })
    wires.disconnect(A, C)
    wires.disconnect(A, B)
    expect(await c.call(old, 'where')).toBe(B)
    expect(c.send(old, 'hello')).toBe(true)
    expect(c.cast(old, 'note', 'you')).toBe(true)
    expect(await c.call(old, 'all')).toEqual(['hello', 'you'])
  })
})

describe('three nodes: a call that was taken before the move', () => {
  it('is answered by the old instance after it, once', async () => {
    class Late extends Ledger {
      async slowly(until: Promise<unknown>): Promise<typeof noReply> {
        const from = this.from as From
        void until.then((value) => this.citadel.reply(from, value))
        return noReply
      }
    }
    const { moving, old, kernels, a, c } = await setUp(Late)
    const answer = gate<unknown>()
    const mine = a.call(old as Pid as Pid<Late>, 'slowly', answer.promise)
    const theirs = c.call(old, 'later')
    await rest()
    await moving.move(Late, old as Pid, B, { learn: [A], awaited: [] })
    let settled = false
    void kernels.a.kernel.moves.settled().then(() => {
      settled = true
    })
    await rest()
    expect(settled).toBe(false)
    answer.open('at last')
    expect(await mine).toBe('at last')
    // The other one is forgotten by the new instance, which was not given it.
    kernels.a.kernel.stopProcess(old as Pid, 'shutdown')
    expect(await fault(theirs)).toMatchObject({ code: 'exited' })
    await rest()
    expect(settled).toBe(true)
  })

  it('is answered by the new instance when the caller travels in the state', async () => {
    class Keeper extends Ledger {
      waiting: From[] = []
      override later(): typeof noReply {
        this.waiting.push(this.from as From)
        return noReply
      }
      override release(value: unknown): void {
        for (const from of this.waiting.splice(0)) this.citadel.reply(from, value)
      }
      override handoff(): unknown {
        return { waiting: this.waiting }
      }
      override takeover(state: unknown): void {
        this.waiting = (state as { waiting: From[] }).waiting
      }
    }
    const { moving, old, kernels, a, b, c } = await setUp(Keeper)
    const calls = [a, b, c].map((node) => node.call(old, 'later'))
    await rest()
    const state = await moving.hold(old as Pid)
    const carried = kernels.a.kernel.moves.carry(state, B)
    const to = await moving.arrive(Keeper, carried.state, old as Pid, B)
    moving.admit(old as Pid, to, [])
    moving.learn(old as Pid, to, [A])
    await rest()
    await c.call(old, 'release', 'here you are')
    expect(await Promise.all(calls)).toEqual(['here you are', 'here you are', 'here you are'])
    await kernels.a.kernel.moves.settled()
  })
})

describe('two nodes: the old instance', () => {
  const timed = async (module: typeof Ledger) => {
    const clock = new ManualClock()
    const wires = new Wires()
    const [a, b] = [A, B].map((name) => wires.node(name, { clock })) as [Wired, Wired]
    const moving = new Moving(wires)
    const old = (await calmly(clock, a.node.spawn(module))) as Pid<Ledger>
    const options = { learn: [A], awaited: [] }
    const to = await calmly(clock, moving.move(module, old as Pid, B, options))
    return { clock, old, to: to as Pid<Ledger>, kernel: a.kernel, a: a.node, b: b.node }
  }

  it('is told where it runs now, and its timers, monitors and work under way end', async () => {
    const told: unknown[] = []
    let watched!: Pid
    class Busy extends Ledger {
      init(): void {
        if (this.citadel.name !== A) return
        void this.citadel.spawn((self) => self.receive(() => false)).then((pid) => this.watch(pid))
        this.citadel.sendInterval(this.self, 'tick', 10)
        this.signal.addEventListener('abort', () => told.push('abort'))
      }
      watch(pid: Pid): void {
        watched = pid
        this.citadel.monitor(pid)
      }
      terminate(reason: unknown): void {
        told.push(reason)
      }
    }
    const { clock, old, to, kernel, a, b } = await timed(Busy)
    expect(told).toEqual(['abort', { moved: to }])
    a.exit(watched, 'kill')
    await clock.advance(1_000)
    expect(await calmly(clock, b.call(to, 'all'))).toEqual([])
    expect(kernel.isAlive(old as Pid)).toBe(true)
    expect(a.isAlive(old)).toBe(true)
  })

  it('whose terminate fails is told in the log, and passes on all the same', async () => {
    class Untidy extends Ledger {
      terminate(): Promise<void> {
        return Promise.reject(new Error('left a mess'))
      }
    }
    const { clock, old, a } = await timed(Untidy)
    expect(await calmly(clock, a.call(old, 'where'))).toBe(B)
  })

  it('is given up after 60 s without a message to it, and calls to it go directly from then on', async () => {
    const { clock, old, to, kernel, a } = await timed(Ledger)
    await clock.advance(59_000)
    expect(await calmly(clock, a.call(old, 'note', 1))).toBe(1)
    await clock.advance(59_000)
    expect(kernel.isAlive(old as Pid)).toBe(true)
    await clock.advance(2_000)
    expect(kernel.isAlive(old as Pid)).toBe(false)
    expect(await calmly(clock, a.call(old, 'note', 2))).toBe(2)
    expect(a.send(old, 3)).toBe(true)
    expect(await calmly(clock, a.call(to, 'all'))).toEqual([1, 2, 3])
    expect(clock.pending).toBeLessThan(3)
  })

  it('is kept as long as somebody waits for an answer, or watches it', async () => {
    const { clock, old, kernel, a } = await timed(Ledger)
    const call = a.with({ timeoutMs: 300_000 }).call(old, 'later')
    await clock.advance(200_000)
    expect(kernel.isAlive(old as Pid)).toBe(true)
    await calmly(clock, a.call(old, 'release', 'late'))
    expect(await call).toBe('late')
    const ref = a.monitor(old)
    await clock.advance(200_000)
    expect(kernel.isAlive(old as Pid)).toBe(true)
    a.demonitor(ref)
    await clock.advance(2_000)
    expect(kernel.isAlive(old as Pid)).toBe(false)
  })
})

describe('two nodes: what a peer passes on', () => {
  it('and makes no sense closes the connection', async () => {
    const { old, kernels, b } = await setUp()
    const nonsense: unknown[] = [
      undefined,
      'forward',
      [],
      ['forward'],
      ['forward', 'pid', 1],
      ['marker', old],
      ['marker', 'pid', A],
      ['markers', old, []],
      ['markers', [old], ['pid']],
      ['something', 'of', 'a later release'],
    ]
    for (const term of nonsense) {
      expect(() => kernels.a.kernel.moves.receive(term, b.self)).toThrow('does not know')
    }
    expect(await b.call(old, 'where')).toBe(A)
  })

  it('for a process that is not there is dropped, and a call of it refused', async () => {
    const { old, toB, a, b } = await setUp()
    const to = await toB()
    b.exit(to, 'kill')
    a.send(old, 'into the void')
    a.cast(old, 'note', 1)
    expect(await fault(a.call(old, 'where'))).toMatchObject({ code: 'noproc' })
  })

  it('of markers for processes that never moved changes nothing', async () => {
    const { old, kernels, b, c } = await setUp()
    const { moves } = kernels.a.kernel
    moves.receive(['markers', [old], []], c.self)
    moves.receive(['markers', [], [old]], c.self)
    moves.receive(['marker', old, C], b.self)
    await rest()
    expect(await c.call(old, 'all')).toEqual([])
  })
})
