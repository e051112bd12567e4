import { AsyncLocalStorage } from 'node:async_hooks'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { GenServer } from '../../../src/process/gen-server.js'
import type { Pid } from '../../../src/term/pid.js'
import { rest, testKernel } from '../../support/test-kernel.js'
import { Wires } from '../../support/wired-kernels.js'

const storage = new AsyncLocalStorage<number>()
const COUNT = 300

/** Says in which context it runs, and keeps what it saw where nobody waits. */
class Seer extends GenServer {
  #seen: unknown[] = []
  #inner: Pid | undefined

  init(inner?: Pid): void {
    this.#inner = inner
    this.#seen.push(storage.getStore())
  }

  now(): unknown {
    return storage.getStore()
  }

  async later(): Promise<unknown[]> {
    const before = storage.getStore()
    await Promise.resolve()
    await new Promise((resolve) => setImmediate(resolve))
    return [before, storage.getStore()]
  }

  through(): Promise<unknown> {
    return this.citadel.call(this.#inner!, 'now')
  }

  note(): void {
    this.#seen.push(storage.getStore())
  }

  enters(): void {
    storage.enterWith(-1)
  }

  handleInfo(): void {
    this.note()
  }

  timed(): void {
    this.citadel.sendAfter(this.self, 'later', 1)
  }

  async child(): Promise<unknown> {
    const pid = await this.citadel.spawn(Seer)
    return this.citadel.call(pid, 'seen')
  }

  seen(): unknown[] {
    return this.#seen.splice(0)
  }
}

const numbers = Array.from({ length: COUNT }, (_, i) => i)

describe('AsyncLocalStorage', () => {
  test('one node: 300 calls of one turn each run in the context of their caller', async () => {
    const { node } = testKernel()
    const inner = await node.spawn(Seer)
    const pid = await node.spawn(Seer, [inner])
    const answers = await Promise.all(
      numbers.map((i) =>
        storage.run(i, async () => {
          const now = await node.call(pid, 'now')
          const later = (await node.call(pid, 'later')) as unknown[]
          const through = await node.call(pid, 'through')
          return [now, ...later, through, storage.getStore()]
        }),
      ),
    )
    expect(answers).toEqual(numbers.map((i) => [i, i, i, i, i]))
  })

  test('one node: so do those of 300 requests by HTTP', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(Seer)
    const server = createServer((request, response) => {
      void storage.run(Number(request.url?.slice(1)), async () => {
        const handler = await node.call(pid, 'later')
        response.end(JSON.stringify([handler, storage.getStore()]))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const answers = await Promise.all(
      numbers.map(async (i) => (await fetch(`http://127.0.0.1:${port}/${i}`)).json()),
    )
    server.close()
    expect(answers).toEqual(numbers.map((i) => [[i, i], i]))
  })

  test('one node: casts run in the context of who cast, messages, timers and starts in none', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(Seer)
    expect(await node.call(pid, 'seen')).toEqual([undefined])
    for (const i of [1, 2, 3]) storage.run(i, () => node.cast(pid, 'note'))
    await rest()
    expect(await node.call(pid, 'seen')).toEqual([1, 2, 3])
    for (const i of [1, 2, 3]) storage.run(i, () => node.send(pid, 'message'))
    await rest()
    expect(await node.call(pid, 'seen')).toEqual([undefined, undefined, undefined])
    await storage.run(7, () => node.call(pid, 'timed'))
    let seen: unknown[] = []
    while (seen.length === 0) {
      await rest()
      seen = await node.call(pid, 'seen')
    }
    expect(seen).toEqual([undefined])
    expect(await storage.run(8, () => node.call(pid, 'child'))).toEqual([undefined])
  })

  test('one node: a handler that enters a context leaves it to nobody', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(Seer)
    storage.run(1, () => node.cast(pid, 'enters'))
    node.cast(pid, 'enters')
    expect(await Promise.all([node.call(pid, 'now'), node.call(pid, 'now')])).toEqual([
      undefined,
      undefined,
    ])
    node.send(pid, 'message')
    await rest()
    expect((await node.call(pid, 'seen')).at(-1)).toBeUndefined()
    expect(storage.getStore()).toBeUndefined()
  })

  test('one node: the context of its start is that of what has no caller', async () => {
    const { node } = storage.run(42, () => testKernel())
    const pid = await node.spawn(Seer)
    node.send(pid, 'message')
    await rest()
    expect(await node.call(pid, 'seen')).toEqual([42, 42])
    expect(await storage.run(1, () => node.call(pid, 'now'))).toBe(1)
  })

  test('two nodes: the handler of a call from elsewhere sees no local context', async () => {
    const wires = new Wires()
    const one = wires.node('n1@127.0.0.1').node
    const two = wires.node('n2@127.0.0.1').node
    const pid = await two.spawn(Seer)
    const local = numbers.map((i) => storage.run(i, () => two.call(pid, 'now')))
    const remote = numbers.map((i) =>
      storage.run(i, async () => [await one.call(pid, 'later'), storage.getStore()]),
    )
    expect(await Promise.all(local)).toEqual(numbers)
    expect(await Promise.all(remote)).toEqual(numbers.map((i) => [[undefined, undefined], i]))
  })
})
