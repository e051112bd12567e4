/**
 * How long the event loop of this node stood still: a timer due every millisecond notes how late it
 * is, by the clock and by the processor time of the JavaScript thread. On a machine that others use
 * as well the second says what the node itself did. A stretch includes the millisecond until the
 * timer was due, and the system counts processor time to within some 4 ms.
 */
import { openSync, readSync } from 'node:fs'
import type { Citadel } from '../../src/citadel.js'
import { machineTime } from './servers.js'

interface Stretch {
  readonly endedAt: number
  readonly wallMs: number
  readonly cpuMs: number
}

const EVERY_MS = 1
const KEPT_FROM_MS = 3
const KEPT_MAX = 100_000

const stretches: Stretch[] = []
let watching: NodeJS.Timeout | undefined

/** Processor time of the main thread, where the system tells it, else of the whole program. */
function processorTime(): () => number {
  try {
    const file = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r')
    const text = Buffer.alloc(64)
    return () =>
      Number.parseInt(text.toString('latin1', 0, readSync(file, text, 0, 64, 0)), 10) / 1e6
  } catch {
    return () => process.cpuUsage().user / 1e3
  }
}

function watch(): void {
  let at = machineTime()
  let used = threadTime()
  watching = setInterval(() => {
    const [now, usedNow] = [machineTime(), threadTime()]
    const stretch = { endedAt: now, wallMs: now - at, cpuMs: usedNow - used }
    if (stretch.wallMs > KEPT_FROM_MS && stretches.length < KEPT_MAX) stretches.push(stretch)
    at = now
    used = usedNow
  }, EVERY_MS)
  watching.unref()
}

/** A count of the JavaScript thread's processor time, in milliseconds. */
export const threadTime = processorTime()

export const stallCommands = {
  async watch_stalls(): Promise<number> {
    if (!watching) watch()
    return 1
  },

  /** The longest stretch that ended after that time of the machine's clock. */
  async longest_stall(_: Citadel, since: number, by: 'wall' | 'cpu'): Promise<number> {
    const length = ({ wallMs, cpuMs }: Stretch): number => (by === 'wall' ? wallMs : cpuMs)
    return Math.max(0, ...stretches.filter(({ endedAt }) => endedAt > since).map(length))
  },
}
