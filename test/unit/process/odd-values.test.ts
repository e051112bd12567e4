import { describe, expect, test } from 'vitest'
import type { CitadelError } from '../../../src/base/errors.js'
import type { Kernel } from '../../../src/kernel/kernel.js'
import type { BoundNode } from '../../../src/process/bound-node.js'
import { GenServer } from '../../../src/process/gen-server.js'
import { Down } from '../../../src/process/system-messages.js'
import { Atom } from '../../../src/term/atom.js'
import { Pid } from '../../../src/term/pid.js'
import { Tuple } from '../../../src/term/tuple.js'
import { oddValues } from '../../support/odd-values.js'
import { rest, testKernel } from '../../support/test-kernel.js'
import { Wires } from '../../support/wired-kernels.js'

type Make = () => unknown

/** Throws where it is told to. */
class Thrower extends GenServer {
  #make: Make = () => undefined
  #place = ''

  init(make: Make, place = ''): void {
    this.#make = make
    this.#place = place
    this.#at('init')
  }

  handler(): void {
    throw this.#make()
  }

  async later(): Promise<void> {
    await Promise.resolve()
    throw this.#make()
  }

  rejected(): Promise<void> {
    return Promise.reject(this.#make())
  }

  gives(): unknown {
    return this.#make()
  }

  handleInfo(): void {
    throw this.#make()
  }

  terminate(): void {
    this.#at('terminate')
  }

  #at(place: string): void {
    if (place === this.#place) throw this.#make()
  }
}

class LateInit extends GenServer {
  async init(make: Make): Promise<void> {
    await Promise.resolve()
    throw make()
  }
}

class LateTerminate extends GenServer {
  #make: Make = () => undefined

  init(make: Make): void {
    this.#make = make
  }

  async terminate(): Promise<void> {
    await Promise.resolve()
    throw this.#make()
  }
}

class Echo extends GenServer {
  echo(n: number): number {
    return n
  }
}

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'resolved',
    (error: CitadelError) => error.code,
  )

/** A bystander that must be served whatever happens beside it. */
async function withBystander(node: BoundNode, work: () => Promise<void>): Promise<void> {
  const bystander = await node.spawn(Echo)
  await work()
  await rest()
  expect(await node.call(bystander, 'echo', 7)).toBe(7)
}

const ended = async (kernel: Kernel, pid: Pid): Promise<void> => {
  await rest()
  expect(kernel.isAlive(pid)).toBe(false)
}

describe.each(Object.entries(oddValues))('%s', (_, make) => {
  test('one node: thrown in a handler, the caller hears that the process ended', async () => {
    const { kernel, node, log } = testKernel()
    await withBystander(node, async () => {
      for (const method of ['handler', 'later', 'rejected'] as const) {
        const pid = await node.spawn(Thrower, [make])
        expect(await codeOf(node.call(pid, method))).toBe('exited')
        await ended(kernel, pid as Pid)
      }
    })
    expect(log.of('error')).toHaveLength(3)
  })

  test('one node: thrown in init, the starter gets init_failed', async () => {
    const { node } = testKernel()
    await withBystander(node, async () => {
      expect(await codeOf(node.spawn(Thrower, [make, 'init']))).toBe('init_failed')
      expect(await codeOf(node.spawn(LateInit, [make]))).toBe('init_failed')
    })
  })

  test('one node: thrown in terminate, in handleInfo, or by a function, only that process ends', async () => {
    const { kernel, node } = testKernel()
    await withBystander(node, async () => {
      const late = await node.spawn(LateTerminate, [make])
      const prompt = await node.spawn(Thrower, [make, 'terminate'])
      for (const pid of [late, prompt] as Pid[]) {
        node.exit(pid, 'shutdown')
        await ended(kernel, pid)
      }
      const told = await node.spawn(Thrower, [make])
      node.send(told, 'anything')
      await ended(kernel, told as Pid)
      const body = await node.spawn(() => {
        throw make()
      })
      await ended(kernel, body)
      const lateBody = await node.spawn(async () => {
        await Promise.resolve()
        throw make()
      })
      await ended(kernel, lateBody)
    })
  })

  test('one node: as an exit reason it reaches links and monitors', async () => {
    const { kernel, node } = testKernel()
    await withBystander(node, async () => {
      const reason = make()
      const pid = await node.spawn(Echo)
      const other = await node.spawn(async (self) => {
        self.link(pid)
        await self.receive()
      })
      await rest()
      const ref = node.monitor(pid)
      node.exit(pid, reason)
      const down = (await node.receive((message) => message instanceof Down)) as Down
      expect(down.ref.equals(ref)).toBe(true)
      expect(down.reason).toBe(reason)
      await ended(kernel, other)
    })
  })

  test('one node: as a message, a request or a cast it harms nobody but whom it is for', async () => {
    const { node } = testKernel()
    await withBystander(node, async () => {
      const pid = await node.spawn(Echo)
      node.send(pid, make())
      node.send(node.self, make())
      for (const verb of [node.cast, node.call] as ((...args: unknown[]) => unknown)[]) {
        try {
          await Promise.resolve(verb.call(node, pid, make())).catch(() => {})
        } catch (error) {
          expect(error).toBeInstanceOf(Error)
        }
      }
    })
  })

  test('two nodes: thrown, returned, sent or as an exit reason it ends neither node', async () => {
    const wires = new Wires()
    const one = wires.node('n1@127.0.0.1')
    const two = wires.node('n2@127.0.0.1')
    await withBystander(one.node, async () => {
      for (const method of ['handler', 'later', 'rejected'] as const) {
        const pid = await two.node.spawn(Thrower, [make])
        const ref = one.node.monitor(pid)
        await rest()
        expect(await codeOf(one.node.call(pid, method))).toBe('exited')
        const down = (await one.node.receive((message) => message instanceof Down)) as Down
        expect(down.ref.equals(ref)).toBe(true)
      }
      const pid = await two.node.spawn(Thrower, [make])
      // Asking a Proxy whether it is a promise may throw, as `await` of it would.
      expect(['resolved', 'unserializable', 'limit_exceeded', 'exited']).toContain(
        await codeOf(one.node.call(pid, 'gives')),
      )
      expect(await two.node.call(await two.node.spawn(Echo), 'echo', 8)).toBe(8)
    })
  })
})

describe('a map from Erlang whose toString is no function', () => {
  const erlang = { node: 'e1@127.0.0.1', creation: 1, kind: 'beam' } as const
  const map = (): object => ({ toString: 1, valueOf: 1 })

  test('two nodes: two casts of it to a server without handleCast are noted, and it serves on', async () => {
    const { kernel, node, log } = testKernel()
    const pid = await node.spawn(Echo, [], { name: 'echo' })
    const cast = new Tuple(new Atom('$gen_cast'), map())
    for (let i = 0; i < 2; i++) kernel.deliverNamed('echo', cast, pid as Pid, erlang)
    await rest()
    expect(await node.call(pid, 'echo', 1)).toBe(1)
    expect(log.of('warn').join()).toContain("was cast '{ toString: 1, valueOf: 1 }'")
  })

  test('two nodes: as an exit reason it ends the process and not its supervisor', async () => {
    const { kernel, node } = testKernel()
    const pid = await node.spawn(Echo)
    const from = new Pid('e1@127.0.0.1', 1, 0, 1)
    kernel.receiveSignal({ type: 'exit2', from, to: pid as Pid, reason: map() }, erlang)
    await rest()
    expect(kernel.isAlive(pid as Pid)).toBe(false)
  })
})

type Done = (value: unknown) => void

/** A thenable that is no promise. */
const thenable = (then: (done: Done) => void): unknown => ({ then })

class Nesting extends GenServer {
  nested(): unknown {
    return thenable((done) => done(thenable((last) => last('the last'))))
  }
  endless(): unknown {
    return thenable((done) => done(thenable(() => undefined)))
  }
}

test('one node and two: a thenable that resolves with another is answered by the last, or times out', async () => {
  const wires = new Wires()
  const { node } = wires.node('n1@127.0.0.1')
  const other = wires.node('n2@127.0.0.1')
  const calls = [node, other.node].map(async (caller) => {
    const pid = await node.spawn(Nesting)
    expect(await caller.call(pid, 'nested')).toBe('the last')
    const endless = caller.with({ timeoutMs: 20 }).call(pid, 'endless')
    await expect(endless).rejects.toMatchObject({ code: 'timeout' })
  })
  await Promise.all(calls)
})

test('one node: a name that is no text is refused, the first time and again', () => {
  const { node } = testKernel()
  const refused = expect.objectContaining({ code: 'bad_argument' })
  for (let n = 0; n < 2; n++) {
    expect(() => node.registerName(1.5 as never, node.self)).toThrow(refused)
  }
})
