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
    const epoch = this.citadel.registry.lookup(this.#key)?.epoch ?? -1
    const stamp = { key: this.#key, pid: String(this.self), epoch, at }
    appendFileSync(stampFile(journal), `${JSON.stringify(stamp)}\n`)
  }
}
