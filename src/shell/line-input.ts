/**
 * A session whose lines come from a pipe or a file: each statement is run when it is complete, one
 * after the other. With prompts, for programs that talk to the shell as a person would.
 */
import type { Readable } from 'node:stream'
import type { Session } from './session.js'

export interface LineInputOptions {
  input: Readable
  /** Shown before each line; none for plain pipes. */
  prompt?: { first: string; more: string }
  /** Stop at the first statement that fails. */
  strict: boolean
  write(text: string): void
}

/** Characters of one statement: more is taken for a file fed in by mistake. */
const STATEMENT_MAX = 1_000_000

/** Runs all that comes in. False: a statement has failed and `strict` is on. */
export async function runLines(session: Session, options: LineInputOptions): Promise<boolean> {
  const { prompt, strict, write } = options
  let pending = ''
  const ask = (): void => write((pending === '' ? prompt?.first : prompt?.more) ?? '')
  ask()
  for await (const line of linesOf(options.input)) {
    if (line.trim() === '.exit') return true
    pending += `${line}\n`
    if (!(await runPending())) return false
    ask()
  }
  if (pending.trim() === '') return true
  session.fail(new SyntaxError('the input ended in the middle of a statement'))
  return !strict

  async function runPending(): Promise<boolean> {
    const result = await session.run(pending)
    if (result === 'incomplete' && pending.length <= STATEMENT_MAX) return true
    if (result === 'incomplete') {
      session.fail(new SyntaxError(`a statement has at most ${STATEMENT_MAX} characters`))
    }
    pending = ''
    return result === 'done' || !strict
  }
}

async function* linesOf(input: Readable): AsyncGenerator<string> {
  input.setEncoding('utf8')
  let rest = ''
  for await (const chunk of input) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield line.replace(/\r$/, '')
  }
  if (rest !== '') yield rest
}
