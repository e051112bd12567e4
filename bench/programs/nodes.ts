/** Commands that put a cluster together, and what the others share. */
import type { Citadel } from '../../src/citadel.js'
import { GenServer } from '../../src/process/gen-server.js'
import type { Pid } from '../../src/term/pid.js'
import type { Command } from '../benchmark.js'
import { type Counter, Starter, type Worker } from './servers.js'

const STARTER = 'bench_starter'
export const REMOTE = 'bench_remote'
const REMOTE_MS = 110_000

/** Runs a command on its node for the first one. */
export class Remote extends GenServer {
  #run!: (command: Command) => Promise<number>

  init(run: (command: Command) => Promise<number>): void {
    this.#run = run
  }

  run(command: Command): Promise<number> {
    return this.#run(command)
  }
}

export function runOn(citadel: Citadel, node: string, ...command: Command): Promise<number> {
  const patient = citadel.with({ timeoutMs: REMOTE_MS })
  return patient.call({ name: REMOTE, node }, 'run', command) as Promise<number>
}

export const nodeCommands = {
  async ready(citadel: Citadel): Promise<number> {
    await citadel.spawn(Starter, [], { name: STARTER })
    return 1
  },

  /** The first node dials the others, who then find each other. */
  async connect(citadel: Citadel, ...names: string[]): Promise<number> {
    const isFirst = citadel.nodes().length === 0
    for (const name of names) {
      if (isFirst) await citadel.connect(name)
      await until(() => citadel.nodes().includes(name), `${name} cannot be reached`)
    }
    return citadel.nodes().length
  },
}

export async function until(
  holds: () => boolean,
  otherwise: string,
  waitMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + waitMs
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(otherwise)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
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
