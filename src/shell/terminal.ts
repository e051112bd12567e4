/**
 * A session with a person at a terminal: line editing, completion and history by Node.js's own REPL.
 * Resolves when the person has left, with Ctrl-D, `.exit`, or Ctrl-C twice.
 */
import { once } from 'node:events'
import { type REPLEval, type REPLServer, Recoverable, type ReplOptions, start } from 'node:repl'
import type { ReadStream, WriteStream } from 'node:tty'
import { evaluate } from './evaluator.js'
import { HISTORY_LINES, saveHistory } from './history.js'
import { KeyGate } from './key-gate.js'
import type { Session } from './session.js'

export interface TerminalOptions {
  input: ReadStream
  output: WriteStream
  prompt: string
  /** Undefined: nothing is kept. */
  historyFile: string | undefined
  /** Called with what writes text without spoiling the line being typed. */
  writer(write: (text: string) => void): void
}

export async function runTerminal(session: Session, options: TerminalOptions): Promise<void> {
  const { input, output, prompt } = options
  let interrupt = (): void => {}
  const gate = new KeyGate(input, {
    interrupt: () => interrupt(),
    bell: (text) => output.write(text),
  })
  let running = false
  const runTyped: REPLEval = (typed, _context, _file, done) => {
    // Completion asks this way what the expression before the cursor is; a typed line has an end.
    if (!typed.endsWith('\n')) return void peek(typed, done)
    running = true
    gate.hold()
    const interrupted = new Promise<'interrupted'>((resolve) => {
      interrupt = () => resolve('interrupted')
    })
    void Promise.race([session.run(typed), interrupted]).then((result) => {
      running = false
      if (result === 'interrupted') output.write('** no longer waiting; the statement goes on\n')
      if (result === 'incomplete') done(new Recoverable(new SyntaxError('incomplete')), undefined)
      else done(null, undefined)
      gate.release()
    })
  }
  const settings: ReplOptions & { historySize: number } = {
    input: gate,
    output,
    prompt,
    terminal: true,
    useGlobal: true,
    ignoreUndefined: true,
    historySize: HISTORY_LINES,
    eval: runTyped,
  }
  const server = start(settings)
  session.bindLast()
  options.writer((text) => {
    if (running) output.write(text)
    else {
      output.write(`\r\u001b[K${text}`)
      server.prompt(true)
    }
  })
  if (options.historyFile) await loadHistory(server, options.historyFile)
  await once(server, 'exit')
  if (options.historyFile) saveHistory(options.historyFile, typedLines(server))
}

/** Newest first. Node.js has them, but its types do not tell. */
const typedLines = (server: REPLServer): readonly string[] =>
  (server as unknown as { history?: string[] }).history ?? []

async function peek(
  expression: string,
  done: (error: Error | null, value: unknown) => void,
): Promise<void> {
  const outcome = await evaluate(expression)
  done(null, outcome.type === 'value' ? outcome.value : undefined)
}

/** History is a comfort: without it the shell works as well. */
function loadHistory(server: REPLServer, file: string): Promise<void> {
  return new Promise((resolve) => server.setupHistory(file, () => resolve()))
}
