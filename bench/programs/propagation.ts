/** Commands on how soon other nodes see a new name, given to the first node. */
import type { Citadel } from '../../src/citadel.js'
import { runOn, until } from './nodes.js'
import { machineTime, Worker } from './servers.js'

const PREFIX = 'seen:'

/** When this node saw the name of that number, by the clock that all programs of a machine share. */
const seenAt = new Map<number, number>()
/** Of the last names: from the call of `register`, and from its answer, in microseconds, in order. */
const delays = { call: new Float64Array(), answer: new Float64Array() }
let fresh = 0

async function watchNames(citadel: Citadel): Promise<void> {
  for await (const { key } of citadel.registry.watch({ prefix: PREFIX })) {
    seenAt.set(Number((key as string).slice(PREFIX.length)), machineTime())
  }
}

export const propagationCommands = {
  async watch_names(citadel: Citadel): Promise<number> {
    void watchNames(citadel)
    return 1
  },

  async seen_at(_: Citadel, i: number): Promise<number> {
    await until(() => seenAt.has(i), 'a name was never seen')
    return seenAt.get(i)!
  },

  /** So many names, one after the other. Answers how many. */
  async propagate(citadel: Citadel, total: number): Promise<number> {
    const second = citadel.nodes()[0]!
    const pid = await citadel.spawn(Worker)
    const first = fresh
    const called = new Float64Array(total)
    const answered = new Float64Array(total)
    for (let i = 0; i < total; i++) {
      called[i] = machineTime()
      await citadel.registry.register(`${PREFIX}${fresh++}`, pid)
      answered[i] = machineTime()
    }
    for (let i = 0; i < total; i++) {
      const at = await runOn(citadel, second, 'seen_at', first + i)
      called[i] = (at - called[i]!) * 1_000
      answered[i] = (at - answered[i]!) * 1_000
    }
    Object.assign(delays, { call: called.sort(), answer: answered.sort() })
    citadel.exit(pid, 'kill')
    return total
  },

  /** A percentile; the first one asked for makes the names. */
  async propagation(
    citadel: Citadel,
    since: 'call' | 'answer',
    percent: number,
    total: number,
  ): Promise<number> {
    if (total > 0) await propagationCommands.propagate(citadel, total)
    return delays[since][Math.floor((delays[since].length * percent) / 100)]!
  },
}
