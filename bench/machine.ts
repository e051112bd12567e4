/**
 * What a run takes from the machine and gives back: a scratch folder, free ports and child
 * processes. `close` ends every child, also when the run is interrupted.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const LINGER_MS = 5_000

export class Machine {
  readonly scratch = mkdtempSync(join(tmpdir(), 'citadel-bench-'))
  readonly #children = new Set<ChildProcess>()

  constructor() {
    process.once('exit', () => this.#killAll())
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => process.exit(130))
    }
  }

  start(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
    const child = spawn(command, args, options)
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    // Without a listener a missing program would end the run; who waits for it sees it exit.
    child.once('error', () => this.#children.delete(child))
    return child
  }

  /** Lets it end by itself, as it does when nobody is left to drive it, or ends it. */
  async stop(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    if (child.connected) child.disconnect()
    else if (child.stdin) child.stdin.end()
    else child.kill('SIGKILL')
    const late = setTimeout(() => child.kill('SIGKILL'), LINGER_MS)
    await ended
    clearTimeout(late)
  }

  /** Runs to its end; its output, or an error with it. */
  run(command: string, args: readonly string[], options: SpawnOptions = {}): Promise<string> {
    const child = this.start(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout!.on('data', (text) => (output += text))
    child.stderr!.on('data', (text) => (output += text))
    return new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code) =>
        code === 0 ? resolve(output) : reject(new Error(`${command} failed:\n${output}`)),
      )
    })
  }

  freePort(): Promise<number> {
    const server = createServer()
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, '127.0.0.1', () => {
        const { port } = server.address() as { port: number }
        server.close(() => resolve(port))
      })
    })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#children].map((child) => this.stop(child)))
    rmSync(this.scratch, { recursive: true, force: true })
  }

  #killAll(): void {
    for (const child of this.#children) child.kill('SIGKILL')
    rmSync(this.scratch, { recursive: true, force: true })
  }
}
