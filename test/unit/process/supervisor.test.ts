import { describe, expect, it } from 'vitest'
import type { CitadelError } from '../../../src/base/errors.js'
import type { BoundNode } from '../../../src/process/bound-node.js'
import type { ChildSpec } from '../../../src/process/child-spec.js'
import { GenServer } from '../../../src/process/gen-server.js'
import { RestartIntensity } from '../../../src/process/restart-intensity.js'
import { Supervisor, type SupervisorOptions } from '../../../src/process/supervisor.js'
import type { Pid } from '../../../src/term/pid.js'
import { ManualClock } from '../../support/manual-clock.js'
import { rest, testKernel } from '../../support/test-kernel.js'

const story = () => {
  const events: string[] = []
  class Child extends GenServer {
    #name = ''
    init(name: string, failing?: { starts: number }): void {
      this.#name = name
      if (failing !== undefined && failing.starts-- <= 0) throw new Error('cannot start')
      events.push(`+${name}`)
    }
    end(reason: unknown): void {
      this.citadel.exit(this.self, reason)
    }
    fail(): void {
      throw new Error('broken on purpose')
    }
    terminate(reason: unknown): void {
      events.push(`-${this.#name} ${typeof reason === 'string' ? reason : 'error'}`)
    }
  }
  const child = (id: string, more: Partial<ChildSpec> = {}): ChildSpec => ({
    id,
    module: Child,
    args: [id],
    name: id,
    ...more,
  })
  return { events, Child, child }
}

const start = async (options: SupervisorOptions) => {
  const { node, kernel, log } = testKernel()
  const supervisor = await Supervisor.start(node, options)
  return { node, kernel, log, supervisor }
}

const failure = (promise: Promise<unknown>): Promise<CitadelError> =>
  promise.then(
    () => new Error('it resolved'),
    (error: unknown) => error,
  ) as Promise<CitadelError>

describe('a supervisor', () => {
  it('starts its children in order and stops them in reverse', async () => {
    const { events, child } = story()
    const { node, supervisor } = await start({ children: [child('a'), child('b'), child('c')] })
    const pids = (await node.call(supervisor, 'whichChildren')).map(({ pid }) => pid)
    expect(pids).toEqual([node.whereis('a'), node.whereis('b'), node.whereis('c')])
    const ended = node.whenEnded(supervisor)
    node.exit(supervisor, 'shutdown')
    expect(await ended).toBe('shutdown')
    expect(events).toEqual(['+a', '+b', '+c', '-c shutdown', '-b shutdown', '-a shutdown'])
  })

  it('one_for_one restarts the one that ended', async () => {
    const { events, child } = story()
    const { node } = await start({ children: [child('a'), child('b')] })
    const before = node.whereis('a')!
    node.cast<unknown, string>('a', 'fail')
    await rest()
    expect(node.whereis('a')!.equals(before)).toBe(false)
    expect(events).toEqual(['+a', '+b', '-a error', '+a'])
  })

  it('one_for_all stops the others in reverse and starts all in order', async () => {
    const { events, child } = story()
    const options = { strategy: 'one_for_all' as const }
    const { node } = await start({ ...options, children: [child('a'), child('b'), child('c')] })
    events.length = 0
    node.exit(node.whereis('b')!, 'kill')
    await rest()
    expect(events).toEqual(['-c shutdown', '-a shutdown', '+a', '+b', '+c'])
  })

  it('rest_for_one leaves alone those that started before', async () => {
    const { events, child } = story()
    const options = { strategy: 'rest_for_one' as const }
    const { node } = await start({ ...options, children: [child('a'), child('b'), child('c')] })
    events.length = 0
    node.exit(node.whereis('b')!, 'kill')
    await rest()
    expect(events).toEqual(['-c shutdown', '+b', '+c'])
  })

  it('restarts permanent always, transient after a crash, temporary never', async () => {
    const { child } = story()
    const { node, supervisor } = await start({
      maxRestarts: 10,
      children: [
        child('permanent'),
        child('transient', { restart: 'transient' }),
        child('temporary', { restart: 'temporary' }),
      ],
    })
    for (const name of ['permanent', 'transient', 'temporary'])
      node.exit(node.whereis(name)!, 'kill')
    await rest()
    expect(node.whereis('permanent')).toBeDefined()
    expect(node.whereis('transient')).toBeDefined()
    expect(node.whereis('temporary')).toBe(undefined)
    for (const name of ['permanent', 'transient']) node.cast<unknown, string>(name, 'end', 'normal')
    await rest()
    expect(node.whereis('permanent')).toBeDefined()
    expect(node.whereis('transient')).toBe(undefined)
    expect(await node.call(supervisor, 'countChildren')).toEqual({ specs: 2, active: 1 })
    const revived = await node.call(supervisor, 'restartChild', 'transient')
    expect(node.whereis('transient')).toBe(revived)
  })

  it('gives up when restarts come too often, stops the others and ends with shutdown', async () => {
    const { events, child } = story()
    const { node, supervisor, log } = await start({
      maxRestarts: 2,
      maxSeconds: 5,
      children: [child('good'), child('bad')],
    })
    const ended = node.whenEnded(supervisor)
    for (let i = 0; i < 3; i++) {
      node.exit(node.whereis('bad')!, 'kill')
      await rest()
    }
    expect(await ended).toBe('shutdown')
    expect(events.at(-1)).toBe('-good shutdown')
    expect(log.of('error').at(-1)).toContain("child 'bad' ended too often")
  })

  it('counts a failed restart as one more', async () => {
    const { child } = story()
    const failing = { starts: 1 }
    const { node, supervisor } = await start({ children: [child('a', { args: ['a', failing] })] })
    const ended = node.whenEnded(supervisor)
    node.exit(node.whereis('a')!, 'kill')
    expect(await ended).toBe('shutdown')
    expect(failing.starts).toBe(-3)
  })

  it('that cannot start its children stops those it has started', async () => {
    const { events, child } = story()
    const { node } = testKernel()
    const children = [child('a'), child('b', { args: ['b', { starts: 0 }] })]
    const error = await failure(Supervisor.start(node, { children }))
    expect(error.code).toBe('init_failed')
    expect(events).toEqual(['+a', '-a shutdown'])
    expect(node.whereis('a')).toBe(undefined)
  })

  it('starts, stops, forgets and lists children on request', async () => {
    const { child } = story()
    const { node, supervisor } = await start({})
    const pid = await node.call(supervisor, 'startChild', child('a'))
    expect(await node.call(supervisor, 'whichChildren')).toEqual([
      { id: 'a', pid, restart: 'permanent' },
    ])
    expect(await node.call(supervisor, 'terminateChild', 'a')).toBe(true)
    expect(node.isAlive(pid)).toBe(false)
    await node.call(supervisor, 'restartChild', 'a')
    await node.call(supervisor, 'terminateChild', 'a')
    expect(await node.call(supervisor, 'deleteChild', 'a')).toBe(true)
    expect(await node.call(supervisor, 'countChildren')).toEqual({ specs: 0, active: 0 })
  })

  it('rejects one caller and lives on', async () => {
    const { child } = story()
    const { node, supervisor } = await start({ children: [child('a')] })
    const twice = await failure(node.call(supervisor, 'startChild', child('a')))
    expect(twice).toMatchObject({ code: 'already_started', pid: node.whereis('a') })
    const running = await failure(node.call(supervisor, 'restartChild', 'a'))
    expect(running.code).toBe('already_started')
    expect((await failure(node.call(supervisor, 'terminateChild', 'x'))).code).toBe('not_found')
    expect((await failure(node.call(supervisor, 'deleteChild', 'a'))).code).toBe('already_started')
    const wrong = { id: 'w', module: 5 } as unknown as ChildSpec
    expect((await failure(node.call(supervisor, 'startChild', wrong))).code).toBe('bad_argument')
    const broken = child('b', { args: ['b', { starts: 0 }] })
    expect((await failure(node.call(supervisor, 'startChild', broken))).code).toBe('init_failed')
    expect(await node.call(supervisor, 'countChildren')).toEqual({ specs: 1, active: 1 })
  })

  it('kills a child that does not stop in time, or that is to be killed at once', async () => {
    const clock = new ManualClock()
    const { node } = testKernel({ clock })
    const stubborn = (self: BoundNode) => {
      self.trapExit = true
      return self.receive(() => false)
    }
    const starting = Supervisor.start(node, {
      children: [
        { id: 'slow', module: stubborn, name: 'slow', shutdown: 2_000 },
        { id: 'fast', module: stubborn, name: 'fast', shutdown: 'brutal_kill' },
      ],
    })
    await clock.settle()
    const supervisor = await starting
    node.exit(supervisor, 'shutdown')
    await clock.settle()
    expect(node.whereis('fast')).toBe(undefined)
    await clock.advance(1_999)
    expect(node.whereis('slow')).toBeDefined()
    expect(node.isAlive(supervisor)).toBe(true)
    await clock.advance(1)
    expect(node.whereis('slow')).toBe(undefined)
    expect(node.isAlive(supervisor)).toBe(false)
  })

  it('supervises supervisors, and waits for them', async () => {
    const { events, child } = story()
    const { node, kernel } = await start({
      children: [
        { id: 'inner', module: Supervisor, args: [{ children: [child('a'), child('b')] }] },
        child('c'),
      ],
    })
    await kernel.stop()
    expect(events.slice(3)).toEqual(['-c shutdown', '-b shutdown', '-a shutdown'])
    expect(node.whereis('a')).toBe(undefined)
  })

  it('leaves no child when it is killed', async () => {
    const { child } = story()
    const { node, supervisor } = await start({ children: [child('a')] })
    node.exit(supervisor as Pid, 'kill')
    await rest()
    expect(node.whereis('a')).toBe(undefined)
  })

  it('works with strictMessages, although its messages hold classes', async () => {
    const { child } = story()
    const { node } = testKernel({ strictMessages: true })
    const supervisor = await Supervisor.start(node, {})
    await node.call(supervisor, 'startChild', child('a'))
    expect(node.whereis('a')).toBeDefined()
  })
})

describe('restart intensity', () => {
  it('allows so many in any window of so many seconds', () => {
    const intensity = new RestartIntensity(2, 1)
    const allowed = [0, 100, 200, 999, 1_000, 1_050, 1_100, 5_000].map((at) => intensity.allows(at))
    expect(allowed).toEqual([true, true, false, false, true, false, true, true])
  })
})
