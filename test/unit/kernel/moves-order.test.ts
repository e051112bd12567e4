/**
 * The order of messages to a process that moves: what a sender sends by the new way never overtakes
 * what it sent by the old one.
 */
import { describe, expect, it } from 'vitest'
import type { CitadelError } from '../../../src/base/errors.js'
import type { KernelOptions } from '../../../src/kernel/kernel.js'
import type { BoundNode } from '../../../src/process/bound-node.js'
import type { Pid } from '../../../src/term/pid.js'
import { ManualClock } from '../../support/manual-clock.js'
import { calm, calmly, Ledger, Moving } from '../../support/moving.js'
import { rest } from '../../support/test-kernel.js'
import { Wires } from '../../support/wired-kernels.js'

const A = 'a@127.0.0.1'
const B = 'b@127.0.0.1'
const C = 'c@127.0.0.1'

const setUp = async (options: Partial<KernelOptions> = {}) => {
  const wires = new Wires()
  const [a, b, c] = [A, B, C].map((name) => wires.node(name, options).node) as [
    BoundNode,
    BoundNode,
    BoundNode,
  ]
  const moving = new Moving(wires)
  const spawning = a.spawn(Ledger)
  if (options.clock instanceof ManualClock) await calm(options.clock)
  const old = (await spawning) as Pid<Ledger>
  return { wires, moving, old, a, b, c }
}

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)

/** A call that nobody hears of is as good as a message here. */
const send = (node: BoundNode, to: Pid<Ledger>, from: number, last: number): void => {
  for (const n of numbers(from, last)) {
    if (n % 3 === 0) node.cast(to, 'note', n)
    else if (n % 3 === 1) node.send(to, n)
    else node.call(to, 'note', n).catch(() => undefined)
  }
}

const fault = (promise: Promise<unknown>): Promise<CitadelError> =>
  promise.then(
    (value) => {
      throw new Error(`resolved with ${String(value)}`)
    },
    (error: CitadelError) => error,
  )

describe('three nodes: the messages of one sender arrive in order', () => {
  it('from a third node, by the old pid on a slow way, by the old pid directly, and by the new one', async () => {
    const { wires, moving, old, b, c } = await setUp()
    send(c, old, 1, 10)
    await rest()
    const state = await moving.hold(old as Pid)
    send(c, old, 11, 20)
    await rest()
    wires.stick(C, A)
    send(c, old, 21, 30)
    const to = (await moving.arrive(Ledger, state, old as Pid, B)) as Pid<Ledger>
    moving.admit(old as Pid, to as Pid)
    moving.learn(old as Pid, to as Pid, [A, B])
    send(c, old, 31, 40)
    await rest()
    moving.learn(old as Pid, to as Pid, [C])
    send(c, old, 41, 50)
    send(c, to, 51, 60)
    await rest()
    expect(await b.call(to, 'all')).toEqual(numbers(1, 20))
    wires.release(C, A)
    await rest()
    expect(await b.call(to, 'all')).toEqual(numbers(1, 60))
    send(c, to, 61, 70)
    send(c, old, 71, 80)
    await rest()
    expect(await b.call(to, 'all')).toEqual(numbers(1, 80))
  })

  it('from the new node, to which the way back is slow', async () => {
    const { wires, moving, old, b, c } = await setUp()
    wires.stick(B, A)
    send(b, old, 1, 10)
    const to = (await moving.move(Ledger, old as Pid, B)) as Pid<Ledger>
    send(b, old, 11, 20)
    send(b, to, 21, 30)
    await rest()
    expect(await c.call(to, 'all')).toEqual([])
    wires.release(B, A)
    await rest()
    expect(await b.call(to, 'all')).toEqual(numbers(1, 30))
  })

  it('from the old node, where its messages still wait while it sends by the new pid', async () => {
    const { wires, moving, old, b, a } = await setUp()
    const state = await moving.hold(old as Pid)
    send(a, old, 1, 200)
    const to = (await moving.arrive(Ledger, state, old as Pid, B)) as Pid<Ledger>
    moving.admit(old as Pid, to as Pid)
    wires.stick(A, B)
    moving.learn(old as Pid, to as Pid)
    send(a, to, 201, 220)
    wires.release(A, B)
    await rest()
    // Nothing waits there any more: both ways are one now.
    send(a, old, 221, 230)
    send(a, to, 231, 240)
    send(a, old, 241, 250)
    await rest()
    expect(await b.call(to, 'all')).toEqual(numbers(1, 250))
  })

  it('also when it moves on before its senders have come after it', async () => {
    const { wires, moving, old, b, c } = await setUp()
    wires.stick(C, A)
    send(c, old, 1, 10)
    const second = (await moving.move(Ledger, old as Pid, B)) as Pid<Ledger>
    send(c, second, 11, 20)
    await rest()
    const moved = moving.move(Ledger, second as Pid, A)
    await rest()
    send(c, second, 21, 30)
    await rest()
    wires.release(C, A)
    const third = (await moved) as Pid<Ledger>
    send(c, old, 31, 40)
    send(c, third, 41, 50)
    await rest()
    expect(await b.call(third, 'all')).toEqual(numbers(1, 50))
  })

  it('for many processes that move at the same moment', async () => {
    const { wires, moving, a, b, c } = await setUp()
    const olds = await Promise.all(numbers(1, 30).map(() => a.spawn(Ledger)))
    wires.stick(C, A)
    for (const old of olds) send(c, old as Pid<Ledger>, 1, 5)
    const news = await Promise.all(olds.map((old) => moving.move(Ledger, old as Pid, B)))
    for (const to of news) send(c, to as Pid<Ledger>, 6, 10)
    wires.release(C, A)
    await rest()
    for (const to of news) expect(await b.call(to as Pid<Ledger>, 'all')).toEqual(numbers(1, 10))
  })

  it('while others are not held up by a slow one', async () => {
    const { wires, moving, old, a, b, c } = await setUp()
    wires.stick(C, A)
    send(c, old, 1, 5)
    const to = (await moving.move(Ledger, old as Pid, B)) as Pid<Ledger>
    send(c, to, 6, 10)
    await rest()
    expect(await b.call(to, 'note', 'b')).toBe('b')
    expect(await a.call(to, 'note', 'a')).toBe('a')
    expect(await b.call(to, 'all')).toEqual(['b', 'a'])
    wires.release(C, A)
    await rest()
    expect(await b.call(to, 'all')).toEqual(['b', 'a', ...numbers(1, 10)])
  })
})

describe('three nodes: what waits for the old way is let in', () => {
  it('at once when the old node is gone', async () => {
    const { wires, moving, old, b, c } = await setUp()
    wires.stick(C, A)
    send(c, old, 1, 5)
    const to = (await moving.move(Ledger, old as Pid, B)) as Pid<Ledger>
    send(c, to, 6, 10)
    await rest()
    expect(await b.call(to, 'all')).toEqual([])
    wires.disconnect(A, B)
    await rest()
    expect(await b.call(to, 'all')).toEqual(numbers(6, 10))
  })

  it('at once when the old process was killed while it was to move: nothing comes by it any more', async () => {
    for (const early of [[B, C], []]) {
      const clock = new ManualClock()
      const { moving, old, a, b, c } = await setUp({ clock })
      const state = await calmly(clock, moving.hold(old as Pid))
      const arriving = moving.arrive(Ledger, state, old as Pid, B)
      const to = (await calmly(clock, arriving)) as Pid<Ledger>
      a.exit(old, 'kill')
      moving.admit(old as Pid, to as Pid)
      // Their markers come to a node that knows neither the process any more nor where it is.
      moving.learn(old as Pid, to as Pid, early)
      await calm(clock)
      moving.learn(old as Pid, to as Pid)
      const calls = [a, b, c].map((node) => node.call(to, 'note', 1))
      expect(await calmly(clock, Promise.all(calls))).toEqual([1, 1, 1])
    }
  })

  it('when its sender is gone, as far as it had come', async () => {
    const { wires, moving, old, b, c } = await setUp()
    wires.stick(C, A)
    send(c, old, 1, 5)
    const to = (await moving.move(Ledger, old as Pid, B)) as Pid<Ledger>
    send(c, to, 6, 10)
    await rest()
    wires.disconnect(C, B)
    await rest()
    expect(await b.call(to, 'all')).toEqual(numbers(6, 10))
  })

  it('after two seconds, whatever happens', async () => {
    const clock = new ManualClock()
    const { wires, moving, old, b, c } = await setUp({ clock })
    wires.stick(C, A)
    send(c, old, 1, 5)
    const to = (await calmly(clock, moving.move(Ledger, old as Pid, B))) as Pid<Ledger>
    send(c, to, 6, 10)
    await clock.advance(1_500)
    expect(await calmly(clock, b.call(to, 'all'))).toEqual([])
    await clock.advance(2_500)
    expect(await calmly(clock, b.call(to, 'all'))).toEqual(numbers(6, 10))
  })

  it('as a refusal when the new process ends before, for every kind of caller', async () => {
    const { wires, moving, old, b, c } = await setUp()
    wires.stick(C, A)
    wires.stick(B, A)
    const to = (await moving.move(Ledger, old as Pid, B)) as Pid<Ledger>
    const calls = [fault(c.call(to, 'note', 1)), fault(b.call(to, 'note', 2))]
    await rest()
    b.exit(to, 'kill')
    const errors = await Promise.all(calls)
    expect(errors.map(({ code }) => code)).toEqual(['noproc', 'noproc'])
    expect(b.send(to, 3)).toBe(false)
  })

  it('only as much as a mailbox holds: the rest is refused as by a full one', async () => {
    const { wires, moving, old, a, b, c } = await setUp({ mailboxMax: 4 })
    wires.stick(C, A)
    wires.stick(B, A)
    const to = (await moving.move(Ledger, old as Pid, B)) as Pid<Ledger>
    for (const n of [1, 2]) c.send(to, n)
    await rest()
    expect([3, 4, 5].map((n) => b.send(to, n))).toEqual([true, true, false])
    expect(await fault(b.call(to, 'note', 6))).toMatchObject({ code: 'overloaded' })
    expect(await fault(c.call(to, 'note', 7))).toMatchObject({ code: 'overloaded' })
    // What the old node passes on does not count.
    a.send(old, 0)
    await rest()
    wires.release(C, A)
    wires.release(B, A)
    await rest()
    const heard = (await b.call(to, 'all')) as number[]
    expect(heard.sort()).toEqual([0, 1, 2, 3, 4])
  })

  it('from nodes that are not awaited without waiting', async () => {
    const { wires, moving, old, b, c } = await setUp()
    wires.stick(C, A)
    const to = (await moving.move(Ledger, old as Pid, B, { awaited: [A, B] })) as Pid<Ledger>
    expect(await c.call(to, 'note', 1)).toBe(1)
    expect(await b.call(to, 'all')).toEqual([1])
  })
})
