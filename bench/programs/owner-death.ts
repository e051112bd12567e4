/** Commands on the death of a node that owns many names, given to the first of three nodes. */
import type { Citadel } from '../../src/citadel.js'
import { inParallel, runOn, until } from './nodes.js'
import { machineTime, Worker } from './servers.js'
import { stallCommands } from './stalls.js'

const PARALLEL = 1_000
const LOOK_EVERY_MS = 1
const WAIT_MS = 60_000
const NAME = 'owned:0'

/** Of the last death: the longest stretches of the survivors, and when no name led anywhere. */
const told = new Map<string, number>()
let hiddenAt = 0

export const ownerCommands = {
  /** So many processes here, each with a name. */
  async fill_owners(citadel: Citadel, names: number): Promise<number> {
    await inParallel(PARALLEL, names, async (i) =>
      citadel.registry.register(`owned:${i}`, await citadel.spawn(Worker)),
    )
    return names
  },

  /** When the last name was gone here, by the clock of the machine. */
  async names_gone(citadel: Citadel): Promise<number> {
    const giveUpAt = machineTime() + WAIT_MS
    hiddenAt = 0
    while (citadel.registry.size > 0) {
      if (hiddenAt === 0 && !citadel.registry.findByKey(NAME)) hiddenAt = machineTime()
      if (machineTime() > giveUpAt) throw new Error(`${citadel.registry.size} names stay`)
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
    hiddenAt ||= machineTime()
    return machineTime()
  },

  /** When look-ups here stopped finding the names, in the last death. */
  async names_hidden(): Promise<number> {
    return hiddenAt
  },

  /** The third node gets so many names and SIGKILL: milliseconds until no survivor has any of them. */
  async kill_owner(citadel: Citadel, names: number): Promise<number> {
    const [second, third] = citadel.nodes() as [string, string]
    await runOn(citadel, third, 'fill_owners', names)
    await until(() => citadel.registry.size === names, 'names are missing')
    await runOn(citadel, second, 'see_rows', names)
    const pid = await runOn(citadel, third, 'os_pid')
    const goneThere = runOn(citadel, second, 'names_gone')
    const killedAt = machineTime()
    process.kill(pid, 'SIGKILL')
    const goneAt = Math.max(await ownerCommands.names_gone(citadel), await goneThere)
    const hiddenThere = await runOn(citadel, second, 'names_hidden')
    told.set('hidden', Math.max(hiddenAt, hiddenThere) - killedAt)
    for (const by of ['wall', 'cpu'] as const) {
      const here = await stallCommands.longest_stall(citadel, killedAt, by)
      told.set(by, Math.max(here, await runOn(citadel, second, 'longest_stall', killedAt, by)))
    }
    return goneAt - killedAt
  },

  async kill_told(_: Citadel, what: 'hidden' | 'wall' | 'cpu'): Promise<number> {
    return told.get(what)!
  },
}
