/** `citadel demo`: runs the demonstration as a program of its own, and answers its exit status. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CitadelError } from '../base/errors.js'

const PROGRAM = fileURLToPath(new URL('../demo/main.js', import.meta.url))

export async function runDemo(): Promise<number> {
  if (!existsSync(PROGRAM)) {
    throw new CitadelError('not_found', 'The demo is not built; run npm run build first.')
  }
  const demo = spawn(process.execPath, [PROGRAM], { stdio: 'inherit' })
  const pass = (signal: NodeJS.Signals): void => void demo.kill(signal)
  process.once('SIGTERM', pass)
  // A terminal sends Ctrl-C to both: the demo ends first, and this waits for it.
  process.on('SIGINT', () => {})
  const [status] = (await once(demo, 'exit')) as [number | null]
  return status ?? 1
}
