/** Commands that put a cluster together, and what the others share. */
import type { Citadel } from '../../src/citadel.js'
import type { Destination } from '../../src/process/destination.js'
import type { Pid } from '../../src/term/pid.js'
import { type Counter, Starter, type Worker } from './servers.js'

const STARTER = 'bench_starter'

export const nodeCommands = {
  async ready(citadel: Citadel): Promise<number> {
    await citadel.spawn(Starter, [], { name: STARTER })
    return 1
  },

  async connect(citadel: Citadel, ...names: string[]): Promise<number> {
    for (const name of names) {
      if (!(await citadel.connect(name))) throw new Error(`${name} cannot be reached`)
    }
    return citadel.nodes().length
  },
}

/** A server on the first of the other nodes. */
export async function startElsewhere<T extends Worker | Counter>(
  citadel: Citadel,
  kind: 'worker' | 'counter',
): Promise<Pid<T>> {
  const node = citadel.nodes()[0]!
  return (await citadel.call({ name: STARTER, node }, 'start', kind)) as unknown as Pid<T>
}

export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export const perSecond = (total: number, startedAt: number): number =>
  total / ((performance.now() - startedAt) / 1_000)

/** So many callers, each of which waits for `work` before it goes on. */
export async function inParallel(
  callers: number,
  total: number,
  work: (i: number) => Promise<unknown>,
): Promise<void> {
  let next = 0
  const caller = async (): Promise<void> => {
    while (next < total) await work(next++)
  }
  await Promise.all(Array.from({ length: callers }, caller))
}

export type WorkerAt = Destination<Worker>
