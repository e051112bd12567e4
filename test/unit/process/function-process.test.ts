import { describe, expect, it } from 'vitest'
import type { CitadelError } from '../../../src/base/errors.js'
import { GenServer } from '../../../src/process/gen-server.js'
import type { From } from '../../../src/process/request.js'
import { Exit } from '../../../src/process/system-messages.js'
import { Atom } from '../../../src/term/atom.js'
import { Tuple } from '../../../src/term/tuple.js'
import { rest, testKernel } from '../../support/test-kernel.js'

describe('a function process', () => {
  it('receives messages in order, or the first that a filter wants', async () => {
    const { node } = testKernel()
    const got: unknown[] = []
    const pid = await node.spawn(async (self) => {
      got.push(await self.receive((message) => message === 'c'))
      got.push(await self.receive())
      got.push(await self.receive((message) => message === 'd'))
      got.push(await self.receive())
    })
    const ended = node.whenEnded(pid)
    for (const message of ['a', 'b', 'c']) node.send(pid, message)
    await rest()
    node.send(pid, 'd')
    expect(await ended).toBe('normal')
    expect(got).toEqual(['c', 'a', 'd', 'b'])
  })

  it('can wait for a while only', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(async (self) => {
      const error = await self.receive({ timeoutMs: 5 }).catch((e: CitadelError) => e)
      self.send(node.self, (error as CitadelError).code)
      self.send(node.self, await self.receive((m) => m === 2, { timeoutMs: 1_000 }))
    })
    expect(await node.receive()).toBe('timeout')
    node.send(pid, 1)
    node.send(pid, 2)
    expect(await node.receive()).toBe(2)
  })

  it('ends normally with its promise, and with { error } when that is rejected', async () => {
    const { node, log } = testKernel()
    const good = await node.spawn(async (self) => void (await self.receive()))
    const bad = await node.spawn(async (self) => {
      await self.receive()
      throw new Error('boom')
    })
    const ends = [node.whenEnded(good), node.whenEnded(bad)]
    node.send(good, 1)
    node.send(bad, 1)
    expect(await Promise.all(ends)).toMatchObject(['normal', { error: { message: 'boom' } }])
    expect(log.of('error')).toHaveLength(1)
  })

  it('is a process even when the function throws or returns at once', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(() => 1)
    expect(node.isAlive(pid)).toBe(false)
    const { pid: other } = { pid: await node.spawn(() => Promise.resolve()) }
    await rest()
    expect(node.isAlive(other)).toBe(false)
    await node.spawn(() => {
      throw new Error('at once')
    })
  })

  it('gets calls and casts as Erlang gets them, and answers with reply', async () => {
    const { node } = testKernel()
    const seen: unknown[] = []
    const pid = await node.spawn(async (self) => {
      for (;;) {
        const message = (await self.receive()) as Tuple
        seen.push(message.at(0))
        if (message.at(0) === new Atom('$gen_cast')) seen.push(message.at(1))
        else self.reply(message.at(1) as From, (message.at(2) as Tuple).at(1))
      }
    })
    node.cast(pid, 'note', 5)
    expect(await node.call(pid, 'add', 3)).toBe(3)
    expect(seen).toEqual([
      new Atom('$gen_cast'),
      new Tuple(new Atom('note'), 5),
      new Atom('$gen_call'),
    ])
  })

  it('fails the calls it took or left in its mailbox when it ends', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(async (self) => {
      await self.receive()
      await self.receive(() => false)
    })
    const calls = [node.call(pid, 'taken'), node.call(pid, 'looked at'), node.call(pid, 'left')]
    const codes = calls.map((call) => call.catch((e: CitadelError) => `${e.code} ${e.reason}`))
    await rest()
    node.exit(pid, 'boom')
    expect(await Promise.all(codes)).toEqual(['exited boom', 'exited boom', 'exited boom'])
  })

  it('receives nothing in the filter of another receive, which gets its message', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(async (self) => {
      const inner: Promise<unknown>[] = []
      const got = await self.receive((message) => {
        inner.push(self.receive().catch((error: CitadelError) => error.code))
        return message === 'c'
      })
      self.send(node.self, [got, await Promise.all(inner), await self.receive()])
    })
    for (const message of ['a', 'b', 'c']) node.send(pid, message)
    const codes = ['bad_argument', 'bad_argument', 'bad_argument']
    expect(await node.receive()).toEqual(['c', codes, 'a'])
  })

  it('receives one at a time', async () => {
    const { node } = testKernel()
    const first = node.receive()
    await expect(node.receive()).rejects.toMatchObject({ code: 'bad_argument' })
    node.send(node.self, 1)
    expect(await first).toBe(1)
  })

  it('hears of exits when it traps them', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(async (self) => {
      self.trapExit = true
      self.send(node.self, await self.receive())
    })
    node.exit(pid, 'shutdown')
    expect(await node.receive()).toEqual(new Exit(node.self, 'shutdown'))
  })

  it('lets others run although it never runs out of messages', async () => {
    const { node } = testKernel()
    let turns = 0
    const pid = await node.spawn(async (self) => {
      for (;;) {
        self.send(self.pid, 'again')
        await self.receive()
        turns++
      }
    })
    // Each round is a timer that fires, or the test ends by its deadline.
    while (turns < 1_000) await new Promise((resolve) => setTimeout(resolve, 1))
    node.exit(pid, 'kill')
  })

  it('refuses a filter that gives a promise, and leaves the message to the next receive', async () => {
    const { node } = testKernel()
    node.send(node.self, 1)
    await rest()
    const filter = (async () => Promise.reject(new Error('unheard'))) as never
    await expect(node.receive(filter)).rejects.toThrow(/at once, true or false/)
    expect(await node.receive()).toBe(1)
  })

  it('rejects what a filter throws', async () => {
    const { node } = testKernel()
    const wrong = () => {
      throw new Error('bad filter')
    }
    const received = node.receive(wrong)
    node.send(node.self, 1)
    await expect(received).rejects.toThrow('bad filter')
    await expect(node.receive(wrong)).rejects.toThrow('bad filter')
    expect(await node.receive()).toBe(1)
  })
})

describe('receive', () => {
  it('is not for GenServers', async () => {
    class Server extends GenServer {
      take(): Promise<string> {
        return this.citadel.receive().then(
          () => 'received',
          (error: CitadelError) => error.code,
        )
      }
    }
    const { node } = testKernel()
    expect(await node.call(await node.spawn(Server), 'take')).toBe('bad_argument')
  })

  it('on the root is bounded: what nobody reads is dropped, counted and said', async () => {
    const { node, kernel, log } = testKernel({ mailboxMax: 3 })
    for (let i = 0; i < 5; i++) node.monitor('nobody')
    expect(kernel.counters().mailboxFull).toBe(2)
    expect(log.of('warn')[0]).toContain('root')
    for (let i = 0; i < 3; i++) await node.receive()
    await expect(node.receive({ timeoutMs: 5 })).rejects.toMatchObject({ code: 'timeout' })
    await kernel.stop()
  })
})
