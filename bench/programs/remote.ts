/** Commands between two nodes. */
import type { Citadel } from '../../src/citadel.js'
import { inParallel, nextTurn, perSecond, startElsewhere } from './nodes.js'
import type { Counter, Worker } from './servers.js'

const SENDS_PER_TURN = 1_000

export const remoteCommands = {
  async remote_send(citadel: Citadel, total: number): Promise<number> {
    const pid = await startElsewhere<Counter>(citadel, 'counter')
    await citadel.call(pid, 'expect', total)
    const message = 'x'.repeat(100)
    const startedAt = performance.now()
    for (let sent = 0; sent < total; ) {
      // False: the link is full, so wait, as a sender in Erlang is made to.
      if (!citadel.send(pid, message)) await nextTurn()
      else if (++sent % SENDS_PER_TURN === 0) await nextTurn()
    }
    await citadel.with({ timeoutMs: 60_000 }).call(pid, 'counted')
    const rate = perSecond(total, startedAt)
    citadel.exit(pid, 'kill')
    return rate
  },

  async remote_call(citadel: Citadel, callers: number, total: number): Promise<number> {
    const pid = await startElsewhere<Worker>(citadel, 'worker')
    const startedAt = performance.now()
    await inParallel(callers, total, (i) => citadel.call(pid, 'add', i))
    const rate = perSecond(total, startedAt)
    citadel.exit(pid, 'kill')
    return rate
  },

  async remote_call_p50(citadel: Citadel, total: number): Promise<number> {
    const pid = await startElsewhere<Worker>(citadel, 'worker')
    const times = new Float64Array(total)
    for (let i = 0; i < total; i++) {
      const startedAt = performance.now()
      await citadel.call(pid, 'add', i)
      times[i] = performance.now() - startedAt
    }
    citadel.exit(pid, 'kill')
    return times.sort()[total >> 1]! * 1_000
  },
}
