/**
 * SIGSTOP of a program, and the certainty that it has stopped: the signal stops a program of
 * several threads a little later than `kill` returns, and until then it still answers.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** Far more than it takes on a busy machine. */
const LIMIT_MS = 5_000

/** Sends SIGSTOP to `pid`, and returns when each of its threads stands still. */
export function freezeProgram(pid: number): void {
  process.kill(pid, 'SIGSTOP')
  const until = performance.now() + LIMIT_MS
  while (!standsStill(pid)) {
    if (performance.now() > until) throw new Error(`the program ${pid} did not stop`)
  }
}

/** The same beside a guard, which continues it when its own input ends without a word: with the test's process. */
export function freezeUnderGuard(pid: number): ChildProcess {
  const script = 'read -r word || kill -CONT "$1"'
  const guard = spawn('sh', ['-c', script, 'guard', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  freezeProgram(pid)
  return guard
}

function standsStill(pid: number): boolean {
  const tasks = `/proc/${pid}/task`
  return readdirSync(tasks).every((task) => /\) [TtZX] /.test(stat(`${tasks}/${task}/stat`)))
}

/** A thread that ends meanwhile stands still as well. */
function stat(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '() X '
  }
}
