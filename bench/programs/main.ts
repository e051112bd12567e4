/** One node of our side: started by name, runs the commands that its parent sends, one at a time. */
import { Citadel } from '../../src/citadel.js'
import type { Command } from '../benchmark.js'
import { failoverCommands } from './failover.js'
import { joinCommands } from './joining.js'
import { localCommands } from './local.js'
import { moveCommands } from './moves.js'
import { nodeCommands, REMOTE, Remote } from './nodes.js'
import { ownerCommands } from './owner-death.js'
import { propagationCommands } from './propagation.js'
import { registryCommands } from './registry.js'
import { remoteCommands } from './remote.js'
import { Child, Worker } from './servers.js'
import { stallCommands } from './stalls.js'
import { supervisorCommands } from './supervisor.js'

export type Run = (citadel: Citadel, ...args: never[]) => Promise<number>

const commands: Readonly<Record<string, Run>> = {
  ...nodeCommands,
  ...localCommands,
  ...remoteCommands,
  ...registryCommands,
  ...supervisorCommands,
  ...moveCommands,
  ...failoverCommands,
  ...propagationCommands,
  ...joinCommands,
  ...ownerCommands,
  ...stallCommands,
}

const [name, epmdPort] = process.argv.slice(2)
const citadel = await Citadel.start({
  name,
  cookie: 'bench',
  epmdPort: Number(epmdPort),
  modules: { Worker, Child },
  mailboxMax: 1_000_000,
})

async function run([command, ...args]: Command): Promise<number> {
  const found = commands[command]
  if (!found) throw new Error(`no command ${command}`)
  return found(citadel, ...(args as never[]))
}

await citadel.spawn(Remote, [run], { name: REMOTE })

async function answer(command: Command): Promise<void> {
  try {
    process.send!({ value: await run(command) })
  } catch (error) {
    process.send!({ error: error instanceof Error ? error.stack : String(error) })
  }
}

process.on('message', (command: Command) => void answer(command))
process.on('disconnect', () => process.exit(0))
