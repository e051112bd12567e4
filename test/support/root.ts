/** The folder of the project, from its sources as from what is compiled of them. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = folderWith('package.json', dirname(fileURLToPath(import.meta.url)))

function folderWith(file: string, from: string): string {
  if (existsSync(join(from, file))) return from
  const above = dirname(from)
  if (above === from) throw new Error(`no folder above has a ${file}`)
  return folderWith(file, above)
}
