/** What would end the program of a real node: it must never happen in a simulated one (I22). */
import { describe } from '../src/base/describe.js'

/** Tells of each uncaught exception and unhandled rejection. Answers how to stop watching. */
export function watchUncaught(told: (what: string) => void): () => void {
  const exception = (error: unknown): void => told(`an uncaught exception: ${describe(error)}`)
  const rejection = (error: unknown): void => told(`an unhandled rejection: ${describe(error)}`)
  process.on('uncaughtException', exception).on('unhandledRejection', rejection)
  return () => {
    process.off('uncaughtException', exception).off('unhandledRejection', rejection)
  }
}
