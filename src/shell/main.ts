#!/usr/bin/env node
/**
 * The command `citadel`. What it cannot do it says in one sentence: status 2 when it was asked the
 * wrong way, 1 when what it was asked for failed.
 */
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { CitadelError } from '../base/errors.js'
import { exitWith } from '../signals.js'
import { runDemo } from './demo.js'
import { leaveOnSignals } from './leaving.js'
import { ProgramNode } from './program-node.js'
import { runFile } from './run.js'
import { citadelVersion, type NodeFlags, nodeOptions, runShell, type ShellFlags } from './shell.js'

const program = new Command('citadel')
  .description('Processes, registry, groups and supervisor for clusters of Node.js programs')
  .version(citadelVersion())
  .helpCommand(false)
  .exitOverride()
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, 'citadel: ')),
  })

const shell = program
  .command('shell')
  .description('a prompt that is a process of a node; commands may be piped in')
  .argument('[file]', 'a module whose exports are at hand; its classes can be supervised children')
  .option('--no-history', 'do not keep the lines typed')
  .option('--interactive', 'show the prompt although the input is a pipe')
  .option('--strict', 'with piped input: stop at the first error, with status 1')
  .action(async (file: string | undefined, flags: ShellFlags) => {
    let leave = (): void => {}
    const left = new Promise<void>((resolve) => {
      leave = resolve
    })
    const ended = runShell(file, flags, left)
    const stop = (): Promise<unknown> => {
      leave()
      return ended
    }
    const leaving = leaveOnSignals({ stop }, flags.drainMs)
    const status = await ended
    if (!leaving.begun) await exitWith(status)
  })

const run = program
  .command('run')
  .description('runs a module as a node, until a signal ends it')
  .argument('<file>', 'its default export, if it is a function, is called with the node')
  .action(async (file: string, flags: NodeFlags) => {
    const node = new ProgramNode(nodeOptions(flags))
    const leaving = leaveOnSignals(node, flags.drainMs)
    try {
      await runFile(file, node)
    } catch (error) {
      // What the file was doing when the node was stopped fails, by design.
      const isDue = leaving.begun && error instanceof CitadelError && error.code === 'stopped'
      if (!isDue) throw error
    }
  })

program
  .command('demo')
  .description('shows a cluster of three nodes at work, and ends by itself')
  .action(async () => exitWith(await runDemo()))

for (const command of [shell, run]) {
  command
    .option('-n, --name <name>', 'the name of the node, such as n1@127.0.0.1')
    .option(
      '--cookie <cookie>',
      'what all nodes share; others see it in ps: better CITADEL_COOKIE_FILE, CITADEL_COOKIE or ~/.erlang.cookie',
    )
    .option('--epmd-port <port>', 'the port of EPMD; else ERL_EPMD_PORT, else 4369', port)
    .option('--domain <domain>', 'nodes find those of their domain; else CITADEL_DOMAIN')
    .option('--drain-ms <ms>', 'how long handing children over may take at the end; 25000', time)
}

function port(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0 && value < 65_536) return value
  throw new InvalidArgumentError('Give a port from 1 to 65535.')
}

function time(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isInteger(value) && value >= 0) return value
  throw new InvalidArgumentError('Give a whole number of milliseconds.')
}

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) await exitWith(error.exitCode === 0 ? 0 : 2)
  if (!(error instanceof CitadelError)) throw error
  process.stderr.write(`citadel: ${error.message}\n`)
  await exitWith(1)
}
