/**
 * A program started by a test, which never outlives it: a shell waits beside it and kills it by
 * its pid when the test's process is gone, however that ended.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export interface GuardedChild {
  readonly pid: number
  signal(name: NodeJS.Signals): void
  /** Kills it and resolves when it is gone. */
  kill(): Promise<void>
}

export interface GuardOptions {
  cwd?: string
  env?: NodeJS.ProcessEnv
  /** False: what it prints is shown. */
  quiet?: boolean
  /** A folder to remove when it has ended. */
  removes?: string
}

/** Its standard output starts with the pid; the standard input that ends is that of the test. */
const GUARD = [
  '"$@" </dev/null >&2 & pid=$!; echo $pid; read -r _; kill -9 $pid; wait $pid',
  '[ -z "$GUARD_REMOVES" ] || rm -rf "$GUARD_REMOVES"',
].join('\n')

export async function startGuarded(
  command: readonly string[],
  options: GuardOptions = {},
): Promise<GuardedChild> {
  const guard = spawn('sh', ['-c', GUARD, 'guard', ...command], {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...(options.env ?? process.env), GUARD_REMOVES: options.removes ?? '' },
    stdio: ['pipe', 'pipe', options.quiet === false ? 'inherit' : 'ignore'],
  })
  const gone = once(guard, 'exit')
  const pid = await pidFrom(guard)
  return {
    pid,
    signal: (name) => void process.kill(pid, name),
    kill: async () => {
      guard.stdin?.end()
      await gone
    },
  }
}

async function pidFrom(guard: ChildProcess): Promise<number> {
  const lines = createInterface({ input: guard.stdout! })
  for await (const line of lines) return Number(line)
  throw new Error('the program could not be started')
}
