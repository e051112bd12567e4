/**
 * The programs that tests start are compiled once, before the tests: each start of a TypeScript
 * program would compile all of it again, which takes longer than most of what they do.
 */
import { execFileSync } from 'node:child_process'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ROOT } from './root.js'

/** Where the program stands that is compiled from a source of `test/support/`. */
export function compiled(source: URL): string {
  const file = relative(ROOT, fileURLToPath(source)).replace(/\.ts$/, '.js')
  return join(ROOT, '.cache', 'programs', file)
}

/** What vitest calls before all tests that start such programs. */
export default function compilePrograms(): void {
  const prepare = [join(ROOT, 'scripts', 'prepare.mjs'), '--programs']
  execFileSync(process.execPath, prepare, { stdio: ['ignore', 'ignore', 'inherit'] })
}
