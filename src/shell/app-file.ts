/**
 * The user's file: a module whose exports are at hand in the shell, and whose GenServer classes the
 * node can start for every distributed supervisor, under the names they are exported by.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { CitadelError } from '../base/errors.js'
import type { ServerModule } from '../kernel/process-port.js'
import { GenServer } from '../process/gen-server.js'

export type Exports = Readonly<Record<string, unknown>>

/** @throws CitadelError `bad_argument` when it is not there or does not load. */
export async function loadFile(file: string): Promise<Exports> {
  const path = resolve(file)
  if (!existsSync(path)) {
    throw new CitadelError('bad_argument', `There is no file ${file}; give the path of a module.`)
  }
  try {
    return { ...((await import(pathToFileURL(path).href)) as Exports) }
  } catch (cause) {
    throw new CitadelError('bad_argument', `${file} does not load: ${reasonOf(cause)}.`, { cause })
  }
}

/** The classes among the exports that can be started as children. */
export function serverModules(exports: Exports): Record<string, ServerModule> {
  const found: Record<string, ServerModule> = {}
  for (const [name, value] of Object.entries(exports)) {
    if (name !== 'default' && isServer(value)) found[name] = value
  }
  return found
}

export const isServer = (value: unknown): value is ServerModule =>
  typeof value === 'function' && value.prototype instanceof GenServer

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  if ((cause as NodeJS.ErrnoException).code === 'ERR_UNKNOWN_FILE_EXTENSION') {
    return 'Node.js cannot read this kind of file; compile TypeScript first, or run a later Node.js'
  }
  return cause.message.split('\n')[0]?.replace(/\.$/, '') ?? ''
}
