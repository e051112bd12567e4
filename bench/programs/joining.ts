/** Commands on a node that comes to a cluster with many rows. */
import type { Citadel } from '../../src/citadel.js'
import { inParallel, runOn, until } from './nodes.js'
import { machineTime, Worker } from './servers.js'
import { stallCommands, threadTime } from './stalls.js'

const OWNERS = 1_000
const PARALLEL = 1_000
const LOOK_EVERY_MS = 1
const WAIT_MS = 60_000

/** Of the last join: the longest stretches on old nodes and new, and the processor time used here. */
const told = new Map<string, number>()

export const joinCommands = {
  /** So many keys of this node alone, each of them one of 1,000 processes'. */
  async fill_own(citadel: Citadel, rows: number): Promise<number> {
    const pids = await Promise.all(Array.from({ length: OWNERS }, () => citadel.spawn(Worker)))
    const register = (i: number): Promise<unknown> =>
      citadel.registry.register(`${citadel.name}:${i}`, pids[i % OWNERS]!)
    await inParallel(PARALLEL, rows, register)
    return citadel.registry.size
  },

  async see_rows(citadel: Citadel, rows: number): Promise<number> {
    const hasAll = (): boolean => citadel.registry.size === rows
    await until(hasAll, `not ${rows} rows, but ${citadel.registry.size}`, WAIT_MS)
    return rows
  },

  /** Milliseconds from when this node, which knows nobody, dials `first` until it has all rows. */
  async join_rows(citadel: Citadel, first: string, rows: number): Promise<number> {
    await stallCommands.watch_stalls()
    const startedAt = machineTime()
    const usedBefore = threadTime()
    await citadel.connect(first)
    while (citadel.registry.size < rows) {
      if (machineTime() - startedAt > WAIT_MS) throw new Error(`only ${citadel.registry.size} rows`)
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
    const tookMs = machineTime() - startedAt
    told.set('used', threadTime() - usedBefore)
    for (const by of ['wall', 'cpu'] as const) {
      const there = citadel
        .nodes()
        .map((node) => runOn(citadel, node, 'longest_stall', startedAt, by))
      told.set(`old ${by}`, Math.max(...(await Promise.all(there))))
      told.set(`new ${by}`, await stallCommands.longest_stall(citadel, startedAt, by))
    }
    return tookMs
  },

  async join_stall(_: Citadel, who: 'old' | 'new', by: 'wall' | 'cpu'): Promise<number> {
    return told.get(`${who} ${by}`)!
  },

  /** Processor time of the new node's JavaScript thread: what the join takes where nothing else runs. */
  async join_used(): Promise<number> {
    return told.get('used')!
  },
}
