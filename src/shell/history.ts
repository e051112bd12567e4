/** Where the lines typed at the prompt are kept: the user's state folder, as XDG has it. */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/** Lines kept. */
export const HISTORY_LINES = 1_000

export function historyFile(variables: NodeJS.ProcessEnv): string {
  const { XDG_STATE_HOME: state } = variables
  const base =
    state && isAbsolute(state) ? state : join(variables.HOME || homedir(), '.local/state')
  return join(base, 'citadel', 'shell_history')
}

/** The file, in a folder that exists; undefined when there cannot be one. */
export function prepareHistory(variables: NodeJS.ProcessEnv): string | undefined {
  const file = historyFile(variables)
  try {
    mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 })
    // Lines may hold secrets, and the file may be older than this rule.
    if (existsSync(file)) chmodSync(file, 0o600)
    return file
  } catch {
    // A home that cannot be written to must not keep anyone from using the shell.
    return undefined
  }
}

/**
 * Keeps the lines, newest first. Node.js does so a little after each line, and may not get to it when
 * the session ends right after the last.
 */
export function saveHistory(file: string, lines: readonly string[]): void {
  try {
    writeFileSync(file, lines.slice(0, HISTORY_LINES).join('\n'), { mode: 0o600 })
  } catch {
    // As above: history is a comfort.
  }
}
