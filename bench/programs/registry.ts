/** Commands on the registry. */
import type { CitadelError } from '../../src/base/errors.js'
import type { Citadel } from '../../src/citadel.js'
import type { Pid } from '../../src/term/pid.js'
import { inParallel, perSecond, runOn } from './nodes.js'
import { Worker } from './servers.js'

const OWNERS = 1_000

/** A string of its own, as one that came over a wire: not the object that is the key in the table. */
const name = (i: number): string => Buffer.from(`user:${i}`).toString('latin1')

async function owners(citadel: Citadel, count: number): Promise<Pid<Worker>[]> {
  return Promise.all(Array.from({ length: count }, () => citadel.spawn(Worker)))
}

let fresh = 0
let registrars: Pid<Worker>[] = []

export const registryCommands = {
  async fill(citadel: Citadel, entries: number): Promise<number> {
    const pids = await owners(citadel, OWNERS)
    await inParallel(1_000, entries, (i) => citadel.registry.register(name(i), pids[i % OWNERS]!))
    return citadel.registry.size
  },

  async lookup(citadel: Citadel, entries: number, total: number): Promise<number> {
    const names = Array.from({ length: total }, () => name(Math.floor(Math.random() * entries)))
    const startedAt = performance.now()
    for (const key of names) if (!citadel.registry.findByKey(key)) throw new Error(`no ${key}`)
    return ((performance.now() - startedAt) * 1e6) / total
  },

  async lookup_hot(citadel: Citadel, entries: number, total: number): Promise<number> {
    const key = name(entries >> 1)
    const startedAt = performance.now()
    for (let i = 0; i < total; i++) if (!citadel.registry.findByKey(key)) throw new Error('none')
    return ((performance.now() - startedAt) * 1e6) / total
  },

  async register(citadel: Citadel, callers: number, total: number): Promise<number> {
    if (registrars.length < callers) registrars = await owners(citadel, callers)
    const startedAt = performance.now()
    await inParallel(callers, total, (i) =>
      citadel.registry.register(`fresh:${fresh++}`, registrars[i % callers]!),
    )
    const rate = perSecond(total, startedAt)
    for (const node of citadel.nodes()) await runOn(citadel, node, 'refused', `fresh:${fresh - 1}`)
    return rate
  },

  /** Whether this node refuses a key that another one has given out: what is measured is unique. */
  async refused(citadel: Citadel, key: string): Promise<number> {
    const pid = await citadel.spawn(Worker)
    const outcome = await citadel.registry.register(key, pid).then(
      () => 'granted',
      (error: CitadelError) => error.code,
    )
    citadel.exit(pid, 'kill')
    if (outcome !== 'already_registered') throw new Error(`${key} is not unique: ${outcome}`)
    return 1
  },
}
