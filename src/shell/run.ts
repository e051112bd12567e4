/**
 * `citadel run FILE`: a program as a node. The file's default export, if it is a function, is called
 * with the node; `Citadel.start()` in the file answers it. Runs until a signal ends it.
 */
import { isServer, loadFile, serverModules } from './app-file.js'
import { installInspection } from './format.js'
import type { ProgramNode } from './program-node.js'

/** Resolves when the default export has returned; the node may be stopped before. */
export async function runFile(file: string, program: ProgramNode): Promise<void> {
  installInspection()
  program.install()
  try {
    const exports = await loadFile(file)
    program.offer(serverModules(exports))
    const node = await program.start()
    const { default: main } = exports
    if (typeof main === 'function' && !isServer(main)) await main(node)
  } catch (error) {
    await program.stop()
    throw error
  }
}
