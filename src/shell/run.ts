/**
 * `citadel run FILE`: a program as a node. The file's default export, if it is a function, is called
 * with the node; `Citadel.start()` in the file answers it. Runs until a signal ends it.
 */
import { isServer, loadFile, serverModules } from './app-file.js'
import { installInspection } from './format.js'
import { ProgramNode } from './program-node.js'
import { type NodeFlags, nodeOptions } from './shell.js'

/** Resolves when the program runs; `stop` ends it. */
export async function runFile(file: string, flags: NodeFlags): Promise<{ stop(): Promise<void> }> {
  installInspection()
  const program = new ProgramNode(nodeOptions(flags))
  program.install()
  try {
    const exports = await loadFile(file)
    program.offer(serverModules(exports))
    const node = await program.start()
    const { default: main } = exports
    if (typeof main === 'function' && !isServer(main)) await main(node)
    return program
  } catch (error) {
    await program.stop()
    throw error
  }
}
