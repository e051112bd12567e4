/**
 * A child that counts, takes its count along when it moves, and registers a key when it starts. When
 * asked it handles a message every few milliseconds and writes down each time that it did.
 */
import { appendFileSync } from 'node:fs'
import { stampFile } from './stamps.js'
import { Carried } from './workers.js'

export interface KeyedOptions {
  /** How often it writes down that it is there. */
  readonly stampMs?: number
}

const journal = process.env.CITADEL_TEST_JOURNAL

export class Keyed extends Carried {
  #key = ''

  override async init(id: unknown, { stampMs }: KeyedOptions = {}): Promise<void> {
    super.init(id)
    this.#key = `key of ${String(id)}`
    await this.citadel.registry.register(this.#key, this.self)
    if (stampMs !== undefined) this.citadel.sendInterval(this.self, 'stamp', stampMs)
  }

  handleInfo(message: unknown): void {
    // The time first: what the process does afterwards it may do late.
    const at = Number(process.hrtime.bigint()) / 1e6
    if (message !== 'stamp' || !journal) return
    const { child, registry } = this.citadel
    const stamps = [{ key: `child ${String(child!.id)}`, epoch: child!.epoch }]
    // It goes on without the key when that was not to be had in time, and owns it not until then.
    const owned = registry.lookup(this.#key)
    if (owned) stamps.push({ key: this.#key, epoch: owned.epoch })
    const pid = String(this.self)
    const lines = stamps.map((stamp) => `${JSON.stringify({ ...stamp, pid, at })}\n`)
    appendFileSync(stampFile(journal), lines.join(''))
  }
}
