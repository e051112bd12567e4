/** Commands within one node. */
import type { Citadel } from '../../src/citadel.js'
import type { Pid } from '../../src/term/pid.js'
import { inParallel, nextTurn, perSecond } from './nodes.js'
import { Counter, Worker } from './servers.js'

const SENDS_PER_TURN = 10_000

/** One process sends, and lets others run now and then, as it must. */
async function sendRate(citadel: Citadel, total: number, make: () => unknown): Promise<number> {
  const pid = await citadel.spawn(Counter)
  await citadel.call(pid, 'expect', total)
  const startedAt = performance.now()
  for (let sent = 0; sent < total; sent += SENDS_PER_TURN) {
    const now = Math.min(SENDS_PER_TURN, total - sent)
    for (let i = 0; i < now; i++) citadel.send(pid, make())
    await nextTurn()
  }
  await citadel.call(pid, 'counted')
  const rate = perSecond(total, startedAt)
  citadel.exit(pid, 'kill')
  return rate
}

const collect = (): void => (globalThis as unknown as { gc(): void }).gc()

async function settledHeap(): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 50))
  collect()
  collect()
  return process.memoryUsage().heapUsed
}

function endAll(citadel: Citadel, pids: readonly Pid<Worker>[]): void {
  for (const pid of pids) citadel.exit(pid, 'kill')
}

export const localCommands = {
  local_send_bytes(citadel: Citadel, total: number): Promise<number> {
    const message = 'x'.repeat(100)
    return sendRate(citadel, total, () => message)
  },

  local_send_map(citadel: Citadel, total: number): Promise<number> {
    return sendRate(citadel, total, () => ({ type: 'tick', n: 1 }))
  },

  async local_call(citadel: Citadel, callers: number, total: number): Promise<number> {
    const pid = await citadel.spawn(Worker)
    const startedAt = performance.now()
    await inParallel(callers, total, (i) => citadel.call(pid, 'add', i))
    const rate = perSecond(total, startedAt)
    citadel.exit(pid, 'kill')
    return rate
  },

  async spawn(citadel: Citadel, total: number): Promise<number> {
    const pids: Pid<Worker>[] = []
    const startedAt = performance.now()
    for (let i = 0; i < total; i++) pids.push(await citadel.spawn(Worker))
    const rate = perSecond(total, startedAt)
    endAll(citadel, pids)
    return rate
  },

  async idle_bytes(citadel: Citadel, total: number): Promise<number> {
    const pids: Pid<Worker>[] = new Array(total)
    const before = await settledHeap()
    for (let i = 0; i < total; i++) pids[i] = await citadel.spawn(Worker)
    const bytes = ((await settledHeap()) - before) / total
    endAll(citadel, pids)
    return bytes
  },
}
