/**
 * The command `citadel` as a program of its own, as a person or a script would use it: with its own
 * home folder and EPMD port. It ends when the test's process does, for its input ends with it.
 */

import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { eventually } from './eventually.js'
import { ROOT } from './root.js'

const MAIN = `${ROOT}/dist/shell/main.js`
const PATIENCE_MS = 20_000

/** Compiles src/ when it has changed. */
export function buildOnce(): void {
  execFileSync(process.execPath, [`${ROOT}/scripts/prepare.mjs`, '--build'], { stdio: 'pipe' })
}

export interface Surroundings {
  epmdPort: number
  home: string
  env?: Record<string, string>
}

export class ShellProgram {
  stdout = ''
  stderr = ''
  private readonly child: ChildProcessWithoutNullStreams
  private readonly closed: Promise<number>
  private taken = 0

  constructor(args: readonly string[], surroundings: Surroundings) {
    this.child = spawn(process.execPath, [MAIN, ...args], {
      cwd: ROOT,
      env: environment(surroundings),
    })
    this.child.stdout.setEncoding('utf8').on('data', (text) => {
      this.stdout += text
    })
    this.child.stderr.setEncoding('utf8').on('data', (text) => {
      this.stderr += text
    })
    this.child.stdin.on('error', () => {})
    this.closed = new Promise((resolve) => {
      this.child.on('close', (status) => resolve(status ?? -1))
    })
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  /** Types one line and answers what is printed until the next prompt, `name> `. */
  async line(text: string): Promise<string> {
    this.child.stdin.write(`${text}\n`)
    return this.prompted()
  }

  /** Waits for the next prompt and answers what was printed before it. */
  async prompted(): Promise<string> {
    const prompt = /(?:^|\n)\S+@\S+> $/
    const unread = (): string => this.stdout.slice(this.taken)
    await eventually(() => prompt.test(unread()), {
      what: 'a prompt',
      timeoutMs: PATIENCE_MS,
    }).catch((cause) => {
      throw new Error(`no prompt, but ${JSON.stringify(unread())} ${this.stderr}`, { cause })
    })
    const text = unread().replace(prompt, '')
    this.taken = this.stdout.length
    return text
  }

  write(text: string): void {
    this.child.stdin.write(text)
  }

  /** Ends its input and answers its exit status. */
  end(text = ''): Promise<number> {
    this.child.stdin.end(text)
    return this.closed
  }

  signal(name: NodeJS.Signals): Promise<number> {
    this.child.kill(name)
    return this.closed
  }

  async kill(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL')
    await this.closed
  }
}

export function environment({ epmdPort, home, env }: Surroundings): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    HOME: home,
    ERL_EPMD_PORT: String(epmdPort),
    CITADEL_COOKIE: 'shell-test',
    ...env,
  }
}
