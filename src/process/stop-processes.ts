/**
 * The end of a node: the processes that nobody else stops get `shutdown`, latest first, and
 * supervisors stop their own; what is left gets `shutdown` too; what outlasts the time is killed.
 */
import type { Core } from './core.js'
import { FunctionProcess } from './function-process.js'
import type { Host, Process } from './process.js'

export async function stopProcesses(core: Core, host: Host, timeoutMs: number): Promise<void> {
  const deadline = core.clock.now() + timeoutMs
  const isTop = ({ parent }: Process) =>
    parent === undefined || parent.equals(core.root.pid) || core.table.find(parent) === undefined
  await stopAll(core, host, others(core).filter(isTop), deadline)
  await stopAll(core, host, others(core), deadline)
  for (const process of others(core)) host.bury(process, 'killed')
}

const others = (core: Core): Process[] =>
  [...core.table].filter((process) => process !== core.root).reverse()

/** Resolves when all have ended, or at the deadline. */
function stopAll(core: Core, host: Host, processes: Process[], deadline: number): Promise<void> {
  return new Promise((resolve) => {
    let left = processes.length
    const timer = core.clock.after(Math.max(0, deadline - core.clock.now()), resolve)
    const oneEnded = () => {
      if (--left > 0) return
      timer.cancel()
      resolve()
    }
    for (const process of processes) {
      if (host.watchExit(process.pid, oneEnded) === undefined) oneEnded()
      askToStop(process, core, 'shutdown')
    }
    if (processes.length === 0) {
      timer.cancel()
      resolve()
    }
  })
}

/** Servers stop even when they trap exits; a function that traps them is told, and may clean up. */
export function askToStop(process: Process, core: Core, reason: unknown): void {
  if (process instanceof FunctionProcess) process.exitSignal(core.root.pid, reason, true)
  else process.leave(reason, false)
}
