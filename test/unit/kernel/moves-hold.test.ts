/** A process that is to move is held still first, and goes on where it is when the move fails. */
import { describe, expect, it } from 'vitest'
import type { CitadelError } from '../../../src/base/errors.js'
import type { KernelOptions } from '../../../src/kernel/kernel.js'
import { GenServer } from '../../../src/process/gen-server.js'
import type { Pid } from '../../../src/term/pid.js'
import { ManualClock } from '../../support/manual-clock.js'
import { gate, rest, testKernel } from '../../support/test-kernel.js'

class Scribe extends GenServer {
  readonly heard: unknown[] = []
  #handoff: (() => unknown) | undefined

  init(handoff?: () => unknown): unknown {
    this.#handoff = handoff
    return undefined
  }

  note(item: unknown): unknown {
    this.heard.push(item)
    return item
  }

  async rest(until: Promise<unknown>): Promise<void> {
    this.heard.push('rests')
    await until
    this.heard.push('rested')
  }

  all(): unknown[] {
    return this.heard
  }

  handleInfo(message: unknown): void {
    this.heard.push(message)
  }

  handoff(): unknown {
    this.heard.push('handoff')
    return this.#handoff?.() ?? [...this.heard]
  }

  handoffAborted(): void {
    this.heard.push('aborted')
  }

  terminate(reason: unknown): void {
    this.heard.push(reason)
  }
}

class Plain extends GenServer {
  handleInfo(): void {}
}

const HOLD_MS = 100

const setUp = async (handoff?: () => unknown, options: Partial<KernelOptions> = {}) => {
  const clock = new ManualClock()
  const { kernel, node, log } = testKernel({ clock, ...options })
  const starting = node.spawn(Scribe, [handoff])
  await clock.settle()
  const scribe = await starting
  const hold = (ms = HOLD_MS): Promise<unknown> => kernel.moves.hold(scribe as Pid, ms)
  const settle = (): Promise<void> => clock.settle()
  const all = async (): Promise<unknown> => {
    const heard = node.call(scribe, 'all')
    await settle()
    return heard
  }
  return { clock, kernel, node, log, scribe, hold, settle, all }
}

const fault = (promise: Promise<unknown>): Promise<CitadelError> =>
  promise.then(
    (value) => {
      throw new Error(`resolved with ${String(value)}`)
    },
    (error: CitadelError) => error,
  )

describe('one node: holding a process', () => {
  it('gives its state, and what comes then waits until it goes on, in order', async () => {
    const { node, kernel, scribe, hold, settle, all } = await setUp()
    await node.call(scribe, 'note', 1)
    const state = hold()
    await settle()
    expect(await state).toEqual([1, 'handoff'])
    const call = node.call(scribe, 'note', 2)
    node.send(scribe, 3)
    node.cast(scribe, 'note', 4)
    await settle()
    expect([...kernel.processes()].find(({ pid }) => pid.equals(scribe as Pid))).toMatchObject({
      status: 'held',
      mailboxLength: 3,
    })
    kernel.moves.goOn(scribe as Pid)
    await settle()
    expect(await call).toBe(2)
    expect(await all()).toEqual([1, 'handoff', 'aborted', 2, 3, 4])
  })

  it('lets it hear that it does not move before it is asked again', async () => {
    const { kernel, scribe, hold, settle } = await setUp()
    void hold()
    await settle()
    kernel.moves.goOn(scribe as Pid)
    const again = hold()
    await settle()
    expect(await again).toEqual(['handoff', 'aborted', 'handoff'])
  })

  it('tells one that is killed before it hears so nothing any more', async () => {
    const { kernel, node, settle, log } = await setUp()
    const heard: string[] = []
    class Witness extends GenServer {
      handoff(): void {
        heard.push('handoff')
      }
      handoffAborted(): void {
        heard.push('aborted')
      }
    }
    const starting = node.spawn(Witness)
    await settle()
    const pid = (await starting) as Pid
    const held = kernel.moves.hold(pid, HOLD_MS)
    await settle()
    await held
    kernel.moves.goOn(pid)
    node.exit(pid, 'kill')
    await settle()
    expect({ heard, isAlive: node.isAlive(pid), log: log.lines }).toEqual({
      heard: ['handoff'],
      isAlive: false,
      log: [],
    })
  })

  it('waits for the present handler, also an asynchronous one, and takes no message after it', async () => {
    const { node, kernel, scribe, hold, settle, all } = await setUp()
    const busy = gate()
    const call = node.call(scribe, 'rest', busy.promise)
    await settle()
    let state: unknown
    void hold().then((given) => {
      state = given
    })
    node.send(scribe, 'later')
    await settle()
    expect(state).toBeUndefined()
    busy.open()
    await settle()
    await call
    expect(state).toEqual(['rests', 'rested', 'handoff'])
    kernel.moves.goOn(scribe as Pid)
    await settle()
    expect(await all()).toEqual(['rests', 'rested', 'handoff', 'aborted', 'later'])
  })

  it('waits for init to return', async () => {
    const { kernel, node, settle } = await setUp()
    const slow = gate()
    class Slow extends Scribe {
      override async init(): Promise<void> {
        await slow.promise
      }
    }
    const starting = node.spawn(Slow)
    await settle()
    const [pid] = [...kernel.processes()].filter(({ kind }) => kind === 'Slow').map((it) => it.pid)
    const state = kernel.moves.hold(pid!, HOLD_MS)
    slow.open()
    await settle()
    expect((await starting).equals(pid!)).toBe(true)
    expect(await state).toEqual(['handoff'])
  })

  it('gives undefined for a class without handoff', async () => {
    const { kernel, node, settle } = await setUp()
    const starting = node.spawn(Plain)
    await settle()
    const state = kernel.moves.hold((await starting) as Pid, HOLD_MS)
    await settle()
    expect(await state).toBeUndefined()
  })

  it('that throws in handoff rejects with that error, and the process goes on', async () => {
    const { node, scribe, hold, settle, all } = await setUp(() => {
      throw new Error('not now')
    })
    const held = fault(hold())
    node.send(scribe, 'waits')
    await settle()
    expect(await held).toMatchObject({ message: 'not now' })
    expect(await all()).toEqual(['handoff', 'waits'])
  })

  it('whose handoff rejects rejects too, and the process goes on', async () => {
    const { node, scribe, hold, settle, all } = await setUp(() => Promise.reject(new Error('no')))
    const held = fault(hold())
    node.send(scribe, 'waits')
    await settle()
    expect(await held).toMatchObject({ message: 'no' })
    expect(await all()).toEqual(['handoff', 'waits'])
  })

  it('whose handoff takes too long is a timeout: the process hears so and goes on', async () => {
    const slow = gate<unknown>()
    const { clock, node, scribe, hold, settle, all } = await setUp(() => slow.promise)
    const held = fault(hold())
    await settle()
    node.send(scribe, 'waits')
    await clock.advance(HOLD_MS - 1)
    expect(await Promise.race([held, 'held yet'])).toBe('held yet')
    await clock.advance(1)
    expect(await held).toMatchObject({ code: 'timeout' })
    expect(await all()).toEqual(['handoff', 'aborted', 'waits'])
    slow.open('too late')
    await settle()
    expect(await all()).toEqual(['handoff', 'aborted', 'waits'])
  })

  it('whose handler takes too long is a timeout, and its handoff is not asked later', async () => {
    const { clock, node, scribe, hold, settle, all } = await setUp()
    const busy = gate()
    const call = node.with({ timeoutMs: 60_000 }).call(scribe, 'rest', busy.promise)
    await settle()
    const held = fault(hold())
    node.send(scribe, 'waits')
    await clock.advance(HOLD_MS)
    expect(await held).toMatchObject({ code: 'timeout' })
    busy.open()
    await settle()
    await call
    expect(await all()).toEqual(['rests', 'rested', 'waits'])
    // The next attempt is like the first.
    const again = hold()
    await settle()
    expect(await again).toEqual(['rests', 'rested', 'waits', 'handoff'])
  })

  it('twice refuses the second holder and leaves the first its process', async () => {
    const { node, kernel, scribe, hold, settle, all } = await setUp()
    const first = hold()
    await settle()
    await first
    expect(await fault(hold())).toMatchObject({ code: 'unavailable' })
    node.send(scribe, 'waits')
    await settle()
    const info = [...kernel.processes()].find(({ pid }) => pid.equals(scribe as Pid))
    expect(info).toMatchObject({ status: 'held', mailboxLength: 1 })
    kernel.moves.goOn(scribe as Pid)
    await settle()
    expect(await all()).toEqual(['handoff', 'aborted', 'waits'])
  })

  it('twice while its handler runs refuses the second holder and serves the first', async () => {
    const { node, scribe, hold, settle } = await setUp()
    const busy = gate()
    const call = node.call(scribe, 'rest', busy.promise)
    await settle()
    const first = hold()
    expect(await fault(hold())).toMatchObject({ code: 'unavailable' })
    busy.open()
    await settle()
    await call
    expect(await first).toEqual(['rests', 'rested', 'handoff'])
  })

  it('has the same bound for its mailbox as ever', async () => {
    const { node, kernel, scribe, hold, settle, all } = await setUp(undefined, { mailboxMax: 3 })
    const held = hold()
    await settle()
    await held
    const sent = [1, 2, 3, 4, 5].map((n) => node.send(scribe, n))
    expect(sent).toEqual([true, true, true, false, false])
    expect(await fault(node.call(scribe, 'note', 6))).toMatchObject({ code: 'overloaded' })
    kernel.moves.goOn(scribe as Pid)
    await settle()
    expect(await all()).toEqual(['handoff', 'aborted', 1, 2, 3])
  })

  it('that ends instead is noproc, and so is one that is no GenServer or not there', async () => {
    const { node, kernel, scribe, hold, settle } = await setUp()
    const busy = gate()
    const call = fault(node.call(scribe, 'rest', busy.promise))
    await settle()
    const held = fault(hold())
    kernel.stopProcess(scribe as Pid, 'kill')
    expect(await held).toMatchObject({ code: 'noproc' })
    expect(await call).toMatchObject({ code: 'exited' })
    expect(await fault(hold())).toMatchObject({ code: 'noproc' })
    const starting = node.spawn((self) => self.receive(() => false))
    await settle()
    const held2 = kernel.moves.hold((await starting) as Pid, HOLD_MS)
    expect(await fault(held2)).toMatchObject({ code: 'noproc' })
  })

  it('does not keep it from ending: terminate runs, and calls that wait hear the reason', async () => {
    const reasons: unknown[] = []
    class Ending extends Scribe {
      override terminate(reason: unknown): void {
        reasons.push(reason)
      }
    }
    const { node, kernel, settle } = await setUp()
    const starting = node.spawn(Ending)
    await settle()
    const pid = await starting
    const held = kernel.moves.hold(pid as Pid, HOLD_MS)
    await settle()
    await held
    const call = fault(node.call(pid, 'note', 1))
    node.exit(pid, 'enough')
    await settle()
    expect(reasons).toEqual(['enough'])
    expect(await call).toMatchObject({ code: 'exited', reason: 'enough' })
    kernel.moves.goOn(pid as Pid)
    await rest()
    expect(kernel.isAlive(pid as Pid)).toBe(false)
  })
})
