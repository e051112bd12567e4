/** A process hears the state of another one that lost a conflict against it: once, and in its turn. */
import { describe, expect, it } from 'vitest'
import type { CitadelError } from '../../../src/base/errors.js'
import type { Pid } from '../../../src/term/pid.js'
import { Ledger, Moving } from '../../support/moving.js'
import { gate, rest } from '../../support/test-kernel.js'
import { Wires } from '../../support/wired-kernels.js'

const A = 'a@127.0.0.1'
const B = 'b@127.0.0.1'

class Merging extends Ledger {
  static opening: Promise<void> | undefined

  mergeConflict(lost: unknown): unknown {
    if (lost === 'fail') throw new Error('broken')
    this.heard.push(['merged', lost])
    return Merging.opening
  }
}

const setUp = async (module: typeof Ledger = Merging) => {
  const wires = new Wires()
  const [a, b] = [wires.node(A), wires.node(B)]
  const pid = (await a.node.spawn(module)) as Pid<Ledger>
  return { a, b, pid, moving: new Moving(wires), moves: a.kernel.moves }
}

const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'resolved',
    (error: CitadelError) => error.code,
  )

describe('one process that hears of another one', () => {
  it('does so behind what waits for it, and before what comes later', async () => {
    const { a, pid, moves } = await setUp()
    Merging.opening = undefined
    a.node.send(pid, 1)
    a.node.send(pid, 2)
    const heard = moves.merge(pid as Pid, ['state'])
    a.node.send(pid, 3)
    await heard
    await rest()
    expect(await a.node.call(pid, 'all')).toEqual([1, 2, ['merged', ['state']], 3])
  })

  it('handles nothing else until its mergeConflict is over, and only then has heard', async () => {
    const { a, pid, moves } = await setUp()
    const opening = gate()
    Merging.opening = opening.promise
    let isOver = false
    const heard = moves.merge(pid as Pid, 'x').then(() => {
      isOver = true
    })
    const call = a.node.call(pid, 'note', 'later')
    await rest()
    expect(isOver).toBe(false)
    opening.open()
    await heard
    await call
    expect(await a.node.call(pid, 'all')).toEqual([['merged', 'x'], 'later'])
    Merging.opening = undefined
  })

  it('cannot be told by a message', async () => {
    const { a, pid } = await setUp()
    expect(await code(a.node.call(pid as Pid, 'mergeConflict', 'x'))).toBe('undefined_method')
    expect(await a.node.call(pid, 'all')).toEqual([])
  })

  it('ends when its mergeConflict throws, and what comes later does not count as heard', async () => {
    const { pid, moves } = await setUp()
    const [first, second] = [moves.merge(pid as Pid, 'fail'), moves.merge(pid as Pid, 'y')]
    expect(await Promise.all([code(first), code(second)])).toEqual(['exited', 'noproc'])
    expect(await code(moves.merge(pid as Pid, 'z'))).toBe('noproc')
  })

  it('refuses when its class has no mergeConflict, and goes on', async () => {
    const { a, pid, moves } = await setUp(Ledger)
    expect(await code(moves.merge(pid as Pid, 'x'))).toBe('undefined_method')
    expect(await a.node.call(pid, 'note', 1)).toBe(1)
  })

  it('does not delay the answer of a call that it took before', async () => {
    const { a, pid, moves } = await setUp()
    const later = a.node.call(pid, 'later')
    await rest()
    await moves.merge(pid as Pid, 'x')
    a.node.cast(pid, 'release', 'done')
    expect(await later).toBe('done')
  })
})

describe('two nodes: a process that moves', () => {
  it('has not heard what came while it was held: whoever asked is told, and asks the new one', async () => {
    const { a, b, pid, moving, moves } = await setUp()
    Merging.opening = undefined
    const state = await moving.hold(pid as Pid)
    const asked = code(moves.merge(pid as Pid, 'x'))
    const to = await moving.arrive(Merging, state, pid as Pid, B)
    moving.admit(pid as Pid, to)
    moving.learn(pid as Pid, to)
    await rest()
    expect(await asked).toBe('unavailable')
    expect(await code(moves.merge(pid as Pid, 'x'))).toBe('unavailable')
    await b.kernel.moves.merge(to, 'x')
    expect(await a.node.call(pid, 'all')).toEqual([['merged', 'x']])
  })

  it('hears it after all when it stays', async () => {
    const { a, pid, moving, moves } = await setUp()
    Merging.opening = undefined
    await moving.hold(pid as Pid)
    const asked = moves.merge(pid as Pid, 'x')
    await rest()
    moves.goOn(pid as Pid)
    await asked
    expect(await a.node.call(pid, 'all')).toEqual([['merged', 'x']])
  })
})
