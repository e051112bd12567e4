/** Local figures: messages into a GenServer per second, and calls of one per second. */
import { systemClock } from '../src/base/system-clock.js'
import { systemRandom } from '../src/base/system-random.js'
import { GenServer } from '../src/process/gen-server.js'
import { Kernel } from '../src/process/kernel.js'

class Counter extends GenServer {
  #left = 0
  #done: () => void = () => {}

  expect(count: number, done: () => void): void {
    this.#left = count
    this.#done = done
  }

  handleInfo(_message: unknown): void {
    if (--this.#left === 0) this.#done()
  }

  add(n: number): number {
    return n + 1
  }
}

class Idle extends GenServer {
  count = 0
}

const newKernel = (): Kernel =>
  new Kernel({
    name: 'bench@127.0.0.1',
    creation: 1,
    clock: systemClock,
    random: systemRandom(),
    mailboxMax: 1_000_000,
  })

/** Sends of a small object from the root process to one server; sent and handled, per second. */
export async function localSend(total = 4_000_000, batch = 10_000): Promise<number> {
  const kernel = newKernel()
  const pid = await kernel.root.spawn(Counter)
  const message = { type: 'tick', n: 1 }
  const start = performance.now()
  for (let sent = 0; sent < total; sent += batch) {
    await new Promise<void>((resolve) => {
      void kernel.root.call(pid, 'expect', batch, resolve).then(() => {
        for (let i = 0; i < batch; i++) kernel.root.send(pid, message)
      })
    })
  }
  const seconds = (performance.now() - start) / 1_000
  await kernel.stop()
  return total / seconds
}

/** Calls answered per second with so many callers, each waiting for its answer before the next call. */
export async function localCall(concurrency: number, total = 1_000_000): Promise<number> {
  const kernel = newKernel()
  const pid = await kernel.root.spawn(Counter)
  let left = total
  const caller = async () => {
    while (left-- > 0) await kernel.root.call(pid, 'add', 1)
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: concurrency }, caller))
  const seconds = (performance.now() - start) / 1_000
  await kernel.stop()
  return total / seconds
}

/** Heap bytes of an idle server, over `count` of them. */
export async function idleProcessBytes(count = 100_000): Promise<number> {
  const kernel = newKernel()
  const collect = (globalThis as { gc?: () => void }).gc ?? (() => {})
  collect()
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < count; i++) await kernel.root.spawn(Idle)
  collect()
  const bytes = (process.memoryUsage().heapUsed - before) / count
  await kernel.stop()
  return bytes
}
