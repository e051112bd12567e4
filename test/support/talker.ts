/**
 * A child that owns a key and tells a witness on another node about all it does: at each handler that
 * starts, in the middle of one, and while it waits in one. Each handler that starts is stamped too, at
 * once: what a handler sends leaves the process only when it gives the loop a turn.
 */
import { appendFileSync } from 'node:fs'
import { GenServer } from '../../src/process/gen-server.js'
import type { Pid } from '../../src/term/pid.js'
import { now } from './notes.js'
import { stampFile } from './stamps.js'

/** What its node is frozen in the middle of. */
export type TalkerState = 'idle' | 'in a handler' | 'parked on an await'

const TICK_MS = 10
const STEP_MS = 1
const journal = process.env.CITADEL_TEST_JOURNAL

export class Talker extends GenServer {
  #key = ''
  #epoch = 0
  #witness!: Pid

  async init(id: string): Promise<void> {
    const { registry } = this.citadel
    this.#key = `key of ${id}`
    await registry.register(this.#key, this.self)
    this.#epoch = registry.lookup(this.#key)!.epoch
    this.#witness = await registry.whenRegistered('witness')
    this.citadel.sendInterval(this.self, 'tick', TICK_MS)
  }

  handleInfo(): void {
    this.#begun('idle')
    this.#say('idle')
  }

  /** For calls from elsewhere. */
  poke(): string {
    this.#begun('idle')
    return 'poked'
  }

  /** Does not give the loop a turn for so long. */
  busy(ms: number): void {
    this.#begun('in a handler')
    const end = performance.now() + ms
    for (let next = 0; performance.now() < end; ) {
      if (performance.now() < next) continue
      next = performance.now() + STEP_MS
      this.#say('in a handler')
    }
  }

  async wait(ms: number): Promise<void> {
    this.#begun('parked on an await')
    const end = performance.now() + ms
    while (performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, STEP_MS))
      this.#say('parked on an await')
    }
  }

  #begun(doing: TalkerState): void {
    const at = now()
    if (!journal) return
    const stamp = { key: this.#key, pid: String(this.self), epoch: this.#epoch, at, doing }
    appendFileSync(stampFile(journal), `${JSON.stringify(stamp)}\n`)
  }

  #say(doing: TalkerState): void {
    this.citadel.send(this.#witness, [this.#key, String(this.self), doing])
  }
}
