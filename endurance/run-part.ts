/** Runs one part: a part that fails in the middle is a violation like any other. */
import type { Part, PartContext, PartResult } from './part.js'

export interface Outcome extends PartResult {
  readonly name: string
  /** How long it took, starts included. */
  readonly minutes: number
}

export async function runPart(part: Part, context: PartContext): Promise<Outcome> {
  const from = performance.now()
  const result = await part.run(context).catch((error: unknown): PartResult => {
    const cause = error instanceof Error && error.cause ? ` (${String(error.cause)})` : ''
    return { figures: [], violations: [`it failed: ${String(error)}${cause}`] }
  })
  return { name: part.name, minutes: (performance.now() - from) / 60_000, ...result }
}
