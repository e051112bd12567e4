import { describe, expect, it } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import { GenServer } from '../../../src/process/gen-server.js'
import { type From, noReply } from '../../../src/process/request.js'
import { Atom } from '../../../src/term/atom.js'
import type { Pid } from '../../../src/term/pid.js'
import { Tuple } from '../../../src/term/tuple.js'
import { gate, rest, testKernel } from '../../support/test-kernel.js'

class Counter extends GenServer {
  count = 0
  infos: unknown[] = []
  // An instance property that holds a function is no message.
  secret = () => 'secret'

  init(start = 0): void {
    this.count = start
  }

  add(n: number): number {
    this.count += n
    return this.count
  }

  async addLater(n: number, when: Promise<void>): Promise<number> {
    const before = this.count
    await when
    this.count = before + n
    return this.count
  }

  fail(): void {
    throw new Error('broken on purpose')
  }

  async failLater(): Promise<void> {
    await Promise.resolve()
    throw new Error('broken later')
  }

  whoAmI(): unknown[] {
    return [this.self, this.from?.pid, this.citadel.name]
  }

  heard(): unknown[] {
    return this.infos
  }

  callMyself(): Promise<unknown> {
    return this.citadel.call(this.self as Pid, 'add', 1).catch((error: CitadelError) => error.code)
  }

  get hidden(): () => string {
    return () => 'hidden'
  }

  _private(): string {
    return 'private'
  }

  handleInfo(message: unknown): void {
    this.infos.push(message)
  }
}

const rejection = async (promise: Promise<unknown>): Promise<CitadelError> => {
  const error = await promise.then(
    (value) => new Error(`resolved with ${String(value)}`),
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(CitadelError)
  return error as CitadelError
}

describe('a GenServer', () => {
  it('gets its methods called and answers what they return', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(Counter, [5])
    expect(await node.call(pid, 'add', 3)).toBe(8)
    expect(node.cast(pid, 'add', 2)).toBe(true)
    expect(node.send(pid, { hello: 1 })).toBe(true)
    expect(await node.call(pid, 'add', 0)).toBe(10)
    expect(await node.call(pid, 'heard')).toEqual([{ hello: 1 }])
  })

  it('knows itself, its caller and its node', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(Counter)
    expect(await node.call(pid, 'whoAmI')).toEqual([pid, node.self, 'n1@127.0.0.1'])
    expect(pid.toString()).toBe('<n1@127.0.0.1.81.0>')
    expect(node.self.toString()).toBe('<n1@127.0.0.1.80.0>')
  })

  it('takes one message at a time, also across await', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(Counter)
    const { promise, open } = gate()
    const first = node.call(pid, 'addLater', 10, promise)
    const second = node.call(pid, 'add', 1)
    await rest()
    open()
    expect(await first).toBe(10)
    expect(await second).toBe(11)
  })

  it('keeps the order of messages of every kind', async () => {
    const { node } = testKernel()
    const order: unknown[] = []
    class Log extends GenServer {
      note(what: string): void {
        order.push(what)
      }
      handleInfo(message: unknown): void {
        order.push(message)
      }
    }
    const pid = await node.spawn(Log)
    node.send(pid, 1)
    node.cast(pid, 'note', 'two')
    const done = node.call(pid, 'note', 'three')
    node.send(pid, 4)
    await done
    await rest()
    expect(order).toEqual([1, 'two', 'three', 4])
  })

  it('answers an unknown method with undefined_method and lives on', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(Counter)
    for (const name of ['nothing', 'secret', 'hidden', '_private', 'count', 'init', 'handleInfo']) {
      const error = await rejection(node.call<unknown, string>(pid as Pid, name))
      expect(error.code).toBe('undefined_method')
    }
    for (const name of ['constructor', 'then', 'toString', '__proto__', 'hasOwnProperty', 'self']) {
      const error = await rejection(node.call<unknown, string>(pid as Pid, name))
      expect(error.code).toBe('undefined_method')
    }
    expect((await rejection(node.call<unknown, string>(pid as Pid, 'ad'))).message).toContain('add')
    expect(await node.call(pid, 'add', 1)).toBe(1)
  })

  it('offers only what static callable names', async () => {
    class Narrow extends Counter {
      static readonly callable = ['add']
    }
    class Wrong extends Counter {
      static readonly callable = ['gone']
    }
    const { node } = testKernel()
    const pid = await node.spawn(Narrow)
    expect(await node.call(pid, 'add', 1)).toBe(1)
    expect((await rejection(node.call(pid, 'heard'))).code).toBe('undefined_method')
    expect((await rejection(node.spawn(Wrong))).code).toBe('bad_argument')
  })

  it('reaches methods of the classes between, the nearest first', async () => {
    class Double extends Counter {
      override add(n: number): number {
        return super.add(2 * n)
      }
    }
    const { node } = testKernel()
    const pid = await node.spawn(Double, [1])
    expect(await node.call(pid, 'add', 3)).toBe(7)
    expect(await node.call(pid, 'heard')).toEqual([])
  })

  it('counts a cast of an unknown method and logs it once a second', async () => {
    const { node, kernel, log } = testKernel()
    const pid = await node.spawn(Counter)
    for (let i = 0; i < 10; i++) node.cast<unknown, string>(pid as Pid, 'nothing')
    await node.call(pid, 'add', 0)
    expect(kernel.counters().unknownCast).toBe(10)
    expect(log.of('warn')).toHaveLength(1)
    expect(log.of('warn')[0]).toContain("'nothing'")
    await kernel.stop()
  })

  it('ends by an error in a handler, which is logged once, and nothing else ends', async () => {
    const { node, log } = testKernel()
    const pid = await node.spawn(Counter)
    const other = await node.spawn(Counter)
    const error = await rejection(node.call(pid, 'fail'))
    expect(error.code).toBe('exited')
    expect((error.reason as { error: Error }).error.message).toBe('broken on purpose')
    expect(node.isAlive(pid)).toBe(false)
    expect(node.isAlive(other)).toBe(true)
    expect(log.of('error')).toHaveLength(1)
    expect(log.of('error')[0]).toContain('Counter.fail')
    expect(log.of('error')[0]).toContain(pid.toString())
  })

  it('ends by a rejected promise of a handler', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(Counter)
    const waiting = node.call(pid, 'failLater')
    const queued = node.call(pid, 'add', 1)
    expect((await rejection(waiting)).code).toBe('exited')
    expect((await rejection(queued)).code).toBe('exited')
    expect((await rejection(node.call(pid, 'add', 1))).code).toBe('noproc')
    expect(node.send(pid, 1)).toBe(false)
    expect(node.cast(pid, 'add', 1)).toBe(false)
  })

  it('cannot call itself', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(Counter)
    expect(await node.call(pid, 'callMyself')).toBe('calling_self')
  })

  it('can answer later, once', async () => {
    class Later extends GenServer {
      #from: From | undefined
      ask(): typeof noReply {
        this.#from = this.from
        return noReply
      }
      tell(value: number): void {
        this.citadel.reply(this.#from!, value)
        this.citadel.reply(this.#from!, 'twice')
      }
    }
    const { node } = testKernel()
    const pid = await node.spawn(Later)
    const asked = node.call(pid, 'ask')
    await rest()
    await node.call(pid, 'tell', 42)
    expect(await asked).toBe(42)
  })

  it('can answer with an error and live on', async () => {
    class Strict extends GenServer {
      ask(): typeof noReply {
        this.citadel.reject(this.from!, new CitadelError('not_found', 'nothing here'))
        return noReply
      }
    }
    const { node } = testKernel()
    const pid = await node.spawn(Strict)
    expect(await rejection(node.call(pid, 'ask'))).toMatchObject({ code: 'not_found' })
    expect(node.isAlive(pid)).toBe(true)
  })

  it('fails the calls it never answered when it ends', async () => {
    class Silent extends GenServer {
      ask(): typeof noReply {
        return noReply
      }
    }
    const { node } = testKernel()
    const pid = await node.spawn(Silent)
    const asked = rejection(node.call(pid, 'ask'))
    await rest()
    node.exit(pid, 'enough')
    expect(await asked).toMatchObject({ code: 'exited', reason: 'enough' })
  })

  it('gets raw terms when it overrides handleCall and handleCast', async () => {
    const seen: unknown[] = []
    class Raw extends GenServer {
      handleCall(request: unknown, from: From): unknown {
        seen.push(request)
        if (request instanceof Atom) return from.pid
        return request instanceof Tuple ? request.at(1) : request
      }
      handleCast(request: unknown): void {
        seen.push(request)
      }
    }
    const { node } = testKernel()
    const pid = (await node.spawn(Raw)) as Pid
    expect(await node.call(pid, 'add', 3)).toBe(3)
    expect(await node.call(pid, 'get')).toBe(node.self)
    expect(await node.call(pid, new Map([[1, 2]]))).toEqual(new Map([[1, 2]]))
    node.cast(pid, 'note', 'x')
    await node.call(pid, 'get')
    expect(seen[0]).toEqual(new Tuple(new Atom('add'), 3))
    expect(seen[1]).toBe(new Atom('get'))
    expect(seen[3]).toEqual(new Tuple(new Atom('note'), 'x'))
  })

  it('takes an atom or a tuple as a request by method', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(Counter, [1])
    expect(await node.call(pid as Pid, new Tuple(new Atom('add'), 4))).toBe(5)
    expect(await node.call(pid as Pid, new Atom('heard'))).toEqual([])
    expect((await rejection(node.call(pid as Pid, [1, 2]))).code).toBe('undefined_method')
  })

  it('has no process in its constructor, and says so', async () => {
    class Early extends GenServer {
      constructor() {
        super()
        this.citadel.now()
      }
    }
    const { node } = testKernel()
    const error = await rejection(node.spawn(Early))
    expect(error.code).toBe('init_failed')
    expect((error.cause as CitadelError).message).toContain('init()')
  })
})

describe('spawn of a GenServer', () => {
  it('resolves when an asynchronous init has returned, and serves what came before', async () => {
    const { promise, open } = gate()
    class Slow extends GenServer {
      ready = false
      async init(): Promise<void> {
        await promise
        this.ready = true
      }
      isReady(): boolean {
        return this.ready
      }
    }
    const { node } = testKernel()
    let resolved = false
    const spawned = node.spawn(Slow, [], { name: 'slow' }).then((pid) => {
      resolved = true
      return pid
    })
    const asked = node.call('slow', 'isReady')
    await rest()
    expect(resolved).toBe(false)
    open()
    expect(await asked).toBe(true)
    expect((await spawned).equals(node.whereis('slow')!)).toBe(true)
  })

  it('rejects init_failed with reason and cause, and frees the name', async () => {
    class Bad extends GenServer {
      init(): void {
        throw new Error('no disk')
      }
    }
    const { node } = testKernel()
    const error = await rejection(node.spawn(Bad, [], { name: 'bad', link: true }))
    expect(error.code).toBe('init_failed')
    expect((error.cause as Error).message).toBe('no disk')
    expect(error.reason).toEqual({ error: error.cause })
    expect(node.whereis('bad')).toBe(undefined)
    // The spawner hears of it here, and not by an exit signal as well.
    await expect(node.receive({ timeoutMs: 20 })).rejects.toMatchObject({ code: 'timeout' })
  })

  it('rejects init_failed when the process is stopped during init', async () => {
    class Endless extends GenServer {
      init(): Promise<void> {
        return new Promise(() => {})
      }
    }
    const { node } = testKernel()
    const spawned = rejection(node.spawn(Endless, [], { name: 'endless' }))
    await rest()
    node.exit(node.whereis('endless')!, 'no patience')
    expect(await spawned).toMatchObject({ code: 'init_failed', reason: 'no patience' })
  })

  it('rejects name_taken with the pid that has the name', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(Counter, [], { name: 'one' })
    const error = await rejection(node.spawn(Counter, [], { name: 'one' }))
    expect(error.code).toBe('name_taken')
    expect(error.pid).toBe(pid)
    node.exit(pid, 'kill')
    await node.spawn(Counter, [], { name: 'one' })
  })

  it('gives no pid twice, though slots are used again', async () => {
    const { node } = testKernel()
    const first = await node.spawn(Counter)
    node.exit(first, 'kill')
    const second = await node.spawn(Counter)
    expect(second.id).toBe(first.id)
    expect(second.equals(first)).toBe(false)
    expect(node.isAlive(first)).toBe(false)
    expect(node.isAlive(second)).toBe(true)
    expect((await rejection(node.call(first, 'add', 1))).code).toBe('noproc')
  })

  it('refuses what is neither class nor function', async () => {
    const { node } = testKernel()
    // @ts-expect-error not a class
    expect((await rejection(node.spawn({}))).code).toBe('bad_argument')
    class Stranger {}
    // @ts-expect-error not a GenServer
    const error = await rejection(node.spawn(Stranger))
    expect(error.message).toContain('Stranger does not extend GenServer')
  })
})
