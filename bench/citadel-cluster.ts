/**
 * Our side: each node in an OS process of its own, compiled as for a release, driven over the
 * channel between parent and child.
 */
import type { ChildProcess } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command, Side } from './benchmark.js'
import { type BenchNode, Cluster } from './cluster.js'
import type { Machine } from './machine.js'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '..')
const PROGRAM = join(root, '.cache', 'bench', 'bench', 'programs', 'main.js')

/** What the children run: compiled by tsc, since a just-in-time loader would slow closures down. */
export async function compilePrograms(machine: Machine): Promise<void> {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  await machine.run(process.execPath, [tsc, '-p', join(here, 'programs', 'tsconfig.json')])
}

export async function startCitadel(
  machine: Machine,
  side: Side,
  nodeFlags: readonly string[],
): Promise<Cluster> {
  const epmdPort = await machine.freePort()
  const start = (name: string): BenchNode => {
    const child = machine.start(
      process.execPath,
      ['--expose-gc', ...nodeFlags, PROGRAM, name, String(epmdPort)],
      { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
    )
    return { child, ask: (command) => ask(child, command) }
  }
  return new Cluster({ machine, prefix: 'n', start }).prepare(side)
}

interface Answer {
  readonly value?: number
  readonly error?: string
}

function ask(child: ChildProcess, command: Command): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('message', ({ value, error }: Answer) => {
      if (value === undefined) reject(new Error(error))
      else resolve(value)
    })
    child.send(command)
  })
}
