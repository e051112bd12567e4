/**
 * `citadel shell`: starts a node, loads the user's file, and runs a session until its input ends.
 * The node stops with it, and nothing is left behind.
 */
import { createRequire } from 'node:module'
import type { Logger } from '../base/log.js'
import type { Citadel } from '../citadel.js'
import { stderrLogger } from '../loggers.js'
import { loadFile, serverModules } from './app-file.js'
import { silenceLoaderWarning } from './evaluator.js'
import { installInspection } from './format.js'
import { prepareHistory } from './history.js'
import { runLines } from './line-input.js'
import { defined, ProgramNode } from './program-node.js'
import { Session } from './session.js'
import { runTerminal } from './terminal.js'

export interface NodeFlags {
  name?: string
  cookie?: string
  epmdPort?: number
  domain?: string
  /** How long handing children over may take when the node stops. */
  drainMs?: number
}

export interface ShellFlags extends NodeFlags {
  /** Keep the lines that are typed for the next time. */
  history: boolean
  /** Show banner and prompts although the input is no terminal. */
  interactive?: boolean
  /** Stop at the first statement that fails, with status 1. */
  strict?: boolean
}

/** Where the text of a session goes; a terminal puts something in between. */
interface Output {
  write(text: string): void
}

/** Answers the exit status. `left` resolves when the session must end before its input does. */
export async function runShell(
  file: string | undefined,
  flags: ShellFlags,
  left: Promise<void>,
): Promise<number> {
  installInspection()
  silenceLoaderWarning()
  const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true
  const output: Output = { write: (text) => void process.stdout.write(text) }
  const program = new ProgramNode({
    ...nodeOptions(flags),
    logger: isTerminal ? loggerTo(output) : stderrLogger,
  })
  program.install()
  let session: Session | undefined
  try {
    const exports = file === undefined ? {} : await loadFile(file)
    program.offer(serverModules(exports))
    const node = await program.start()
    const colors = isTerminal && !process.env.NO_COLOR
    const write = (text: string): void => output.write(text)
    session = await Session.start({ node, exports, colors, write })
    program.present = sessionView(session)
    reportStrayErrors(session)
    const conversation = converse(session, { node, flags, isTerminal, output })
    return await Promise.race([conversation, left.then(() => 0)])
  } finally {
    session?.close()
    await program.stop({ budgetMs: flags.drainMs })
  }
}

export function nodeOptions({ name, cookie, epmdPort, domain }: NodeFlags): NodeFlags {
  return defined({ name, cookie, epmdPort, domain })
}

/** `Citadel.start()` answers the node with the verbs of the shell's process. */
const sessionView = (session: Session) => (): Citadel => session.citadel

interface Conversation {
  node: Citadel
  flags: ShellFlags
  isTerminal: boolean
  output: Output
}

async function converse(session: Session, conversation: Conversation): Promise<number> {
  const { node, flags, isTerminal, output } = conversation
  const prompt = { first: `${node.name}> `, more: '... ' }
  const isShown = isTerminal || flags.interactive === true
  if (isShown) output.write(banner(node.name))
  if (isTerminal) {
    await runTerminal(session, {
      input: process.stdin,
      output: process.stdout,
      prompt: prompt.first,
      historyFile: flags.history ? prepareHistory(process.env) : undefined,
      writer: (write) => {
        output.write = write
      },
    })
    return 0
  }
  const ok = await runLines(session, {
    input: process.stdin,
    prompt: isShown ? prompt : undefined,
    strict: flags.strict === true,
    write: (text) => output.write(text),
  })
  return ok ? 0 : 1
}

/** What goes wrong outside of any statement, in a timer for example, is shown and ends nothing. */
function reportStrayErrors(session: Session): void {
  process.on('uncaughtException', (error) => session.fail(error))
  process.on('unhandledRejection', (error) => session.fail(error))
}

export function citadelVersion(): string {
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }
  return version
}

const banner = (name: string): string =>
  `Citadel ${citadelVersion()} on Node.js ${process.versions.node}: this is ${name}. ` +
  'Leave with .exit or Ctrl-D; docs/shell.md tells more.\n'

function loggerTo(output: Output): Logger {
  const line = (level: string, message: string, details: unknown): void => {
    // The message says already what an error among the details would say.
    const more = details === undefined || details instanceof Error ? '' : ` ${String(details)}`
    output.write(`[citadel] ${level}: ${message}${more}\n`)
  }
  return {
    debug() {},
    info() {},
    warn: (message, details) => line('warning', message, details),
    error: (message, details) => line('error', message, details),
  }
}
