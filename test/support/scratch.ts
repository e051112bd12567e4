/** A folder of its own for a test, removed when the test's process ends if not before. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Scratch {
  readonly path: string
  remove(): void
}

export function scratch(name = 'test'): Scratch {
  const path = mkdtempSync(join(tmpdir(), `citadel-${name}-`))
  const remove = (): void => {
    process.off('exit', remove)
    rmSync(path, { recursive: true, force: true })
  }
  process.on('exit', remove)
  return { path, remove }
}
