/**
 * What real nodes write down for themselves while faults are injected: what they hear of each other
 * and when they stood still. All times are milliseconds of the machine's own monotonic clock, so
 * that notes of several processes can be compared.
 */
import type { TestNode } from './cluster.js'

/** The process did not run for `ms` until `at`. */
export interface Stall {
  readonly type: 'stall'
  readonly at: number
  readonly ms: number
}

/** The node heard of another one. */
export interface Heard {
  readonly type: 'up' | 'unreachable' | 'dead' | 'changed' | 'beamUp' | 'beamDown'
  readonly node: string
  readonly at: number
}

export type Note = Stall | Heard

const STALL_MS = 100
const STEP_MS = 20

export const now = (): number => Number(process.hrtime.bigint()) / 1e6

/** From now on the node notes what happens to it. */
export function noteAll(node: TestNode): Promise<void> {
  return node.run(
    ({ citadel, kept }, stallMs, stepMs) => {
      const notes: Record<string, unknown>[] = []
      kept.set('notes', notes)
      const clock = () => Number(process.hrtime.bigint()) / 1e6
      const collect = async () => {
        for await (const { type, node: other } of citadel.watchNodes()) {
          notes.push({ type, node: other, at: clock() })
        }
      }
      collect().catch((error) => notes.push({ type: 'failed', node: String(error), at: clock() }))
      let last = clock()
      setInterval(() => {
        const at = clock()
        const ms = at - last - stepMs
        if (ms > stallMs) notes.push({ type: 'stall', at, ms })
        last = at
      }, stepMs).unref()
    },
    STALL_MS,
    STEP_MS,
  )
}

export function readNotes(node: TestNode): Promise<Note[]> {
  return node.run(({ kept }) => kept.get('notes') as never) as Promise<Note[]>
}

/** Notes when this process stands still. */
export class StallWatch {
  readonly stalls: Stall[] = []
  #last = now()
  readonly #timer = setInterval(() => {
    const at = now()
    const ms = at - this.#last - STEP_MS
    if (ms > STALL_MS) this.stalls.push({ type: 'stall', at, ms })
    this.#last = at
  }, STEP_MS)

  constructor() {
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
