import { describe, expect, it } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import { type Resolvable, resolvePid } from '../../../src/process/destination.js'
import { GenServer } from '../../../src/process/gen-server.js'
import { noReply } from '../../../src/process/request.js'
import { Pid } from '../../../src/term/pid.js'
import { ManualClock } from '../../support/manual-clock.js'
import { gate, rest, testKernel } from '../../support/test-kernel.js'

class Echo extends GenServer {
  echo(value: unknown): unknown {
    return value
  }

  never(): typeof noReply {
    return noReply
  }

  park(until: Promise<unknown>): Promise<unknown> {
    return until
  }
}

const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'resolved',
    (error: CitadelError) => error.code,
  )

describe('a call', () => {
  it('times out after 5 s unless told otherwise, by one timer for all calls', async () => {
    const clock = new ManualClock()
    const { node } = testKernel({ clock })
    const spawned = node.spawn(Echo)
    await clock.settle()
    const pid = await spawned
    const outcomes: string[] = []
    const note = (name: string, call: Promise<unknown>) =>
      void call.catch((error: CitadelError) =>
        outcomes.push(`${name} ${error.code} ${clock.now()}`),
      )
    note('a', node.call(pid, 'never'))
    note('b', node.with({ timeoutMs: 200 }).call(pid, 'never'))
    for (let i = 0; i < 100; i++) void node.call(pid, 'echo', i)
    await clock.advance(10)
    note('c', node.with({ timeoutMs: 200 }).call(pid, 'never'))
    note('d', node.with({ timeoutMs: Number.POSITIVE_INFINITY }).call(pid, 'never'))
    expect(clock.pending).toBe(1)
    await clock.advance(10_000)
    expect(outcomes).toEqual(['b timeout 1200', 'c timeout 1210', 'a timeout 6000'])
    expect(clock.pending).toBe(0)
  })

  it('that is over leaves no deadline behind', async () => {
    const clock = new ManualClock()
    const { node } = testKernel({ clock })
    const spawned = node.spawn(Echo)
    await clock.settle()
    const pid = await spawned
    void node.call(pid, 'echo', 1)
    await clock.advance(1_000)
    void node.call(pid, 'echo', 2)
    await clock.advance(4_000)
    expect(clock.pending).toBe(0)
  })

  it('says what it waited for when it times out', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(Echo)
    const call = node.with({ timeoutMs: 1 }).call(pid, 'never')
    await expect(call).rejects.toThrow("the call of 'never' had no answer within 1 ms")
  })

  it('ignores the answer that comes after the deadline', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(Echo)
    const { promise, open } = gate<number>()
    expect(await code(node.with({ timeoutMs: 5 }).call(pid, 'park', promise))).toBe('timeout')
    open(1)
    expect(await node.call(pid, 'echo', 2)).toBe(2)
  })

  it('can be given up by an AbortSignal, before and during', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(Echo)
    const controller = new AbortController()
    const call = node.with({ signal: controller.signal }).call(pid, 'never')
    controller.abort(new Error('changed my mind'))
    const error = (await call.catch((error: unknown) => error)) as CitadelError
    expect(error.code).toBe('aborted')
    expect((error.cause as Error).message).toBe('changed my mind')
    expect(await code(node.with({ signal: controller.signal }).call(pid, 'echo', 1))).toBe(
      'aborted',
    )
  })

  it('cuts a long name in the errors about it', async () => {
    const { node } = testKernel()
    const name = 'x'.repeat(2 ** 20)
    const wrong = [node.call(name, 'echo'), node.call({ name, node: node.name }, 'echo')]
    for (const one of wrong) {
      expect(await one.catch((error: CitadelError) => error.message.length)).toBeLessThan(1_000)
    }
  })

  it('fails at once for a dead process, an unknown name, a lost node and nonsense', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(Echo)
    node.exit(pid, 'kill')
    expect(await code(node.call(pid, 'echo', 1))).toBe('noproc')
    expect(await code(node.call('nobody', 'echo', 1))).toBe('noproc')
    expect(await code(node.call({ name: 'x', node: node.name }, 'echo', 1))).toBe('noproc')
    expect(await code(node.call({ name: 'x', node: 'n2@127.0.0.1' }, 'echo', 1))).toBe(
      'noconnection',
    )
    expect(await code(node.call(new Pid('n2@127.0.0.1', 80, 0, 1), 'echo', 1))).toBe('noconnection')
    expect(await code(node.call(new Pid(node.name, 80, 0, 6), 'echo', 1))).toBe('noproc')
    expect(await code(node.call({ key: 'x' }, 'echo', 1))).toBe('noproc')
    // @ts-expect-error no destination
    expect(await code(node.call(17, 'echo', 1))).toBe('bad_argument')
    expect(await code(node.with({ timeoutMs: Number.NaN }).call('x', 'echo'))).toBe('bad_argument')
  })

  it('reaches names, keys and handles', async () => {
    const keys = new Map<unknown, Pid>()
    const { node } = testKernel({ resolveKey: (key) => keys.get(key) })
    const pid = await node.spawn(Echo, [], { name: 'echo' })
    keys.set('room:1', pid as Pid)
    expect(await node.call('echo', 'echo', 1)).toBe(1)
    expect(await node.call({ name: 'echo', node: node.name }, 'echo', 2)).toBe(2)
    expect(await node.call({ key: 'room:1' }, 'echo', 3)).toBe(3)
    const handle: Resolvable<Echo> = { [resolvePid]: () => pid }
    const slow: Resolvable<Echo> = { [resolvePid]: () => Promise.resolve(pid) }
    const gone: Resolvable<Echo> = { [resolvePid]: () => Promise.resolve(undefined) }
    expect(await node.call(handle, 'echo', 4)).toBe(4)
    expect(await node.call(slow, 'echo', 5)).toBe(5)
    expect(await code(node.call(gone, 'echo', 6))).toBe('noproc')
  })

  it('of a dead caller is never heard of again', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(Echo)
    const { promise, open } = gate<number>()
    let heard = 'nothing'
    const caller = await node.spawn(async (self) => {
      await self.call(pid, 'park', promise).finally(() => {
        heard = 'something'
      })
    })
    await rest()
    node.exit(caller, 'kill')
    open(1)
    await rest()
    expect(await node.call(pid, 'echo', 1)).toBe(1)
    expect(heard).toBe('nothing')
  })

  it('rejects overloaded when the mailbox is full; sends are dropped, counted, reported', async () => {
    const clock = new ManualClock()
    const { node, kernel, log } = testKernel({ clock, mailboxMax: 10 })
    const spawned = node.spawn(Echo)
    await clock.settle()
    const pid = await spawned
    const { promise, open } = gate<number>()
    const parked = node.call(pid, 'park', promise)
    await clock.settle()
    const answers = Array.from({ length: 10 }, (_, i) => node.call(pid, 'echo', i))
    expect(await code(node.call(pid, 'echo', 11))).toBe('overloaded')
    for (let i = 0; i < 5; i++) expect(node.send(pid, i)).toBe(false)
    expect(node.cast(pid, 'echo', 1)).toBe(false)
    expect(kernel.counters().mailboxFull).toBe(6)
    expect(log.of('warn')).toHaveLength(1)
    await clock.advance(1_000)
    expect(log.of('warn')).toHaveLength(2)
    expect(log.of('warn')[1]).toContain('5 times')
    await clock.advance(2_000)
    expect(log.of('warn')).toHaveLength(2)
    open(1)
    await clock.settle()
    expect(await parked).toBe(1)
    expect(await Promise.all(answers)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })
})

describe('strictMessages', () => {
  it('copies messages, arguments and answers', async () => {
    class Keeper extends GenServer {
      kept: unknown[] = []
      keep(value: unknown): unknown {
        this.kept.push(value)
        return value
      }
      handleInfo(message: unknown): void {
        this.kept.push(message)
      }
      all(): unknown[] {
        return this.kept
      }
    }
    const { node } = testKernel({ strictMessages: true })
    const pid = await node.spawn(Keeper)
    const value = { at: new Date(5), list: [1, undefined] }
    expect(await node.call(pid, 'keep', value)).toEqual(value)
    expect(await node.call(pid, 'keep', value)).not.toBe(value)
    node.send(pid, value)
    node.cast(pid, 'keep', value)
    value.list.push(2)
    const kept = (await node.call(pid, 'all')) as { list: unknown[] }[]
    expect(kept).toHaveLength(4)
    for (const copy of kept) expect(copy.list).toEqual([1, undefined])
  })

  it('is an error of the caller when a value cannot cross a wire', async () => {
    class Leaky extends GenServer {
      leak(): unknown {
        return () => {}
      }
      ok(value: unknown): unknown {
        return value
      }
    }
    const { node } = testKernel({ strictMessages: true })
    const pid = await node.spawn(Leaky)
    expect(await code(node.call(pid, 'ok', { bad: () => {} }))).toBe('unserializable')
    expect(await code(node.call(pid, 'leak'))).toBe('unserializable')
    expect(() => node.send(pid, Symbol('x'))).toThrow(CitadelError)
    expect(() => node.cast(pid, 'ok', () => {})).toThrow(CitadelError)
    expect(await node.call(pid, 'ok', 1)).toBe(1)
  })
})
