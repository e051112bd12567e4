/**
 * The program of one node of the demo: an operating-system process that does what the conductor
 * asks over IPC. It ends with the conductor, however that ends, and takes the scratch folder along.
 */
import { rmSync } from 'node:fs'
import type { Logger } from '../base/log.js'
import { DemoNode } from './demo-node.js'

export interface Question {
  readonly id: number
  readonly verb: keyof DemoNode
  readonly args: readonly unknown[]
}

export type Answer =
  | { type: 'answer'; id: number; value: unknown }
  | { type: 'error'; id: number; message: string }
  | { type: 'log'; line: string }

const [, , name = ''] = process.argv
const home = process.env.CITADEL_DEMO_HOME

const tell = (answer: Answer): void => {
  if (process.connected) process.send?.(answer)
}

const log =
  (level: string) =>
  (message: string, details?: unknown): void => {
    const more = details === undefined ? '' : ` ${JSON.stringify(details)}`
    tell({ type: 'log', line: `${level}: ${message}${more}` })
  }
const logger: Logger = { debug() {}, info() {}, warn: log('warning'), error: log('error') }

function endWithConductor(): void {
  if (home) rmSync(home, { recursive: true, force: true })
  process.exit(1)
}

/** Question 0 is answered when the node runs. */
async function answer(id: number, work: () => unknown): Promise<void> {
  try {
    tell({ type: 'answer', id, value: await work() })
  } catch (error) {
    tell({ type: 'error', id, message: error instanceof Error ? error.message : String(error) })
  }
}

process.on('disconnect', endWithConductor)
if (!process.connected) endWithConductor()
// Ctrl-C reaches every program of the terminal; the conductor decides what it means.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

const starting = DemoNode.start(name, logger)
void answer(0, async () => void (await starting))
process.on('message', ({ id, verb, args }: Question) => {
  void answer(id, async () => {
    const node = await starting
    return Reflect.apply(node[verb], node, args)
  })
})
