/** One node of our side: started by name, runs the commands that its parent sends, one at a time. */
import { Citadel } from '../../src/citadel.js'
import type { Command } from '../benchmark.js'
import { localCommands } from './local.js'
import { nodeCommands } from './nodes.js'
import { registryCommands } from './registry.js'
import { remoteCommands } from './remote.js'
import { Worker } from './servers.js'
import { supervisorCommands } from './supervisor.js'

export type Run = (citadel: Citadel, ...args: never[]) => Promise<number>

const commands: Readonly<Record<string, Run>> = {
  ...nodeCommands,
  ...localCommands,
  ...remoteCommands,
  ...registryCommands,
  ...supervisorCommands,
}

const [name, epmdPort] = process.argv.slice(2)
const citadel = await Citadel.start({
  name,
  cookie: 'bench',
  epmdPort: Number(epmdPort),
  modules: { Worker },
  mailboxMax: 1_000_000,
})

async function answer([command, ...args]: Command): Promise<void> {
  try {
    const run = commands[command]
    if (!run) throw new Error(`no command ${command}`)
    process.send!({ value: await run(citadel, ...(args as never[])) })
  } catch (error) {
    process.send!({ error: error instanceof Error ? error.stack : String(error) })
  }
}

process.on('message', (command: Command) => void answer(command))
process.on('disconnect', () => process.exit(0))
