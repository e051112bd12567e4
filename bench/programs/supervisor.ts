/** Commands on a distributed supervisor. */
import type { Citadel } from '../../src/citadel.js'
import { inParallel, perSecond, until } from './nodes.js'
import { Worker } from './servers.js'

const NAME = 'bench'
let nextId = 0

export const supervisorCommands = {
  async join(citadel: Citadel): Promise<number> {
    await citadel.supervisor(NAME)
    return 1
  },

  /** Resolves when this node sees all others as members. */
  async supervisors(citadel: Citadel): Promise<number> {
    const supervisor = await citadel.supervisor(NAME)
    const joined = (): boolean => supervisor.nodes().length === citadel.nodes().length + 1
    await until(joined, 'the other nodes did not join')
    return supervisor.nodes().length
  },

  async start_child(citadel: Citadel, callers: number, total: number): Promise<number> {
    const supervisor = await citadel.supervisor(NAME)
    const startedAt = performance.now()
    await inParallel(callers, total, () => supervisor.startChild(Worker, [], { id: nextId++ }))
    return perSecond(total, startedAt)
  },
}
