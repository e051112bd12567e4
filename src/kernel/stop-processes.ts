/**
 * The end of a node: the processes that nobody else stops get `shutdown`, latest first, and
 * supervisors stop their own; what is left gets `shutdown` too; what outlasts the time is killed.
 */
import type { Clock } from '../base/clock.js'
import { FunctionProcess } from '../process/function-process.js'
import type { Host, Process } from '../process/process.js'
import type { Core } from './core.js'

const SLICE_MS = 4
/** How often the clock is looked at. */
const CHECK_EVERY = 16

export async function stopProcesses(core: Core, host: Host, timeoutMs: number): Promise<void> {
  const deadline = core.clock.now() + timeoutMs
  const isTop = ({ parent }: Process) =>
    parent === undefined || parent.equals(core.root.pid) || core.table.find(parent) === undefined
  await stopAll(core, host, others(core).filter(isTop), deadline)
  await stopAll(core, host, others(core), deadline)
  await inSlices(core.clock, others(core), (process) => {
    if (!process.ended) host.bury(process, 'killed')
  })
}

const others = (core: Core): Process[] =>
  [...core.table].filter((process) => process !== core.root).reverse()

/** Resolves when all have been told and have ended, or at the deadline. */
async function stopAll(
  core: Core,
  host: Host,
  processes: readonly Process[],
  deadline: number,
): Promise<void> {
  let left = processes.length
  if (left === 0) return
  let allEnded = (): void => {}
  const over = new Promise<void>((resolve) => {
    allEnded = resolve
  })
  const timer = core.clock.after(Math.max(0, deadline - core.clock.now()), allEnded)
  const oneEnded = (): void => {
    if (--left === 0) allEnded()
  }
  await inSlices(core.clock, processes, (process) => {
    if (host.watchExit(process.pid, oneEnded) === undefined) oneEnded()
    askToStop(process, core, 'shutdown')
  })
  await over
  timer.cancel()
}

/**
 * A few milliseconds at a time, so that sockets and timers have their turns while a hundred thousand
 * processes end.
 */
async function inSlices(
  clock: Clock,
  processes: readonly Process[],
  work: (process: Process) => void,
): Promise<void> {
  let until = clock.now() + SLICE_MS
  for (const [at, process] of processes.entries()) {
    work(process)
    if (at % CHECK_EVERY !== CHECK_EVERY - 1 || clock.now() < until) continue
    await new Promise<void>((resolve) => clock.soon(resolve))
    until = clock.now() + SLICE_MS
  }
}

/** Servers stop even when they trap exits; a function that traps them is told, and may clean up. */
export function askToStop(process: Process, core: Core, reason: unknown): void {
  if (process instanceof FunctionProcess) process.exitSignal(core.root.pid, reason, true)
  else process.leave(reason, false)
}
