/**
 * One shell session, however its lines come in: evaluates statements in order and writes what they
 * give as text. It owns the shell's process and the names bound for it.
 */
import type { Citadel } from '../citadel.js'
import { describeReason } from '../process/exit-reason.js'
import type { Exports } from './app-file.js'
import { bindName, bindNames } from './bindings.js'
import { evaluate } from './evaluator.js'
import { Formatter } from './format.js'
import { ShellProcess } from './shell-process.js'

export interface SessionOptions {
  node: Citadel
  exports: Exports
  colors: boolean
  write(text: string): void
}

export class Session {
  private last: unknown

  private constructor(
    private readonly shell: ShellProcess,
    private readonly formatter: Formatter,
    private readonly write: (text: string) => void,
  ) {}

  static async start({ node, exports, colors, write }: SessionOptions): Promise<Session> {
    const { name, creation } = node
    const formatter = new Formatter({ node: name, creation, colors })
    const print = (value: unknown): void => write(`${formatter.value(value)}\n`)
    const shell = await ShellProcess.start(node, (reason) => {
      write(`** the shell's process ended (${describeReason(reason)}); this is a new one: `)
      print(shell.citadel.pid)
    })
    const hidden = bindNames({ shell, exports, print })
    if (hidden.length > 0) write(`The file's own ${hidden.join(', ')} hides what Citadel binds.\n`)
    const session = new Session(shell, formatter, write)
    session.bindLast()
    return session
  }

  /** The node, as the shell's process sees it. */
  get citadel(): Citadel {
    return this.shell.citadel
  }

  /** `_` is the value of the last statement that had one. */
  bindLast(): void {
    bindName('_', () => this.last)
  }

  /** Runs one statement and writes its value or error. */
  async run(typed: string): Promise<'incomplete' | 'done' | 'failed'> {
    if (typed.trim() === '') return 'done'
    const outcome = await evaluate(typed)
    if (outcome.type === 'incomplete') return 'incomplete'
    if (outcome.type === 'error') {
      this.fail(outcome.error)
      return 'failed'
    }
    if (outcome.value !== undefined) this.last = outcome.value
    this.write(`${this.formatter.value(outcome.value)}\n`)
    return 'done'
  }

  fail(error: unknown): void {
    this.write(`${this.formatter.error(error)}\n`)
  }

  close(): void {
    this.shell.close()
  }
}
