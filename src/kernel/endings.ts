/**
 * How a process ends, step by step, in an order others may rely on: it is gone from the table and
 * its rows are removed before anyone hears of it; its calls fail; then links and monitors fire. Ends
 * that cause further ends are worked off in a loop, so that long chains of links need no stack.
 */
import { CitadelError } from '../base/errors.js'
import { logFailure } from '../base/guard.js'
import { describeReason, errorOf } from '../process/exit-reason.js'
import type { Detour, Process } from '../process/process.js'
import type { Answers } from './answers.js'
import type { Core } from './core.js'
import type { Links } from './links.js'
import type { Monitors } from './monitors.js'

/** Where messages to the dead go. */
const nowhere: Detour = { take: () => false }

interface End {
  process: Process
  reason: unknown
}

export class Endings {
  /** Processes that have ended since the node started. */
  count = 0
  readonly #core: Core
  readonly #answers: Answers
  readonly #links: Links
  readonly #monitors: Monitors
  readonly #due: End[] = []
  #working = false

  constructor(core: Core, answers: Answers, links: Links, monitors: Monitors) {
    this.#core = core
    this.#answers = answers
    this.#links = links
    this.#monitors = monitors
  }

  bury(process: Process, reason: unknown): void {
    if (process.status === 'ended') return
    process.status = 'ended'
    process.detour = nowhere
    this.#due.push({ process, reason })
    if (this.#working) return
    this.#working = true
    for (let next = 0; next < this.#due.length; next++) this.#endSafely(this.#due[next]!)
    this.#due.length = 0
    this.#working = false
  }

  /** An error of ours at one end must not keep the others from ending. */
  #endSafely(end: End): void {
    try {
      this.#end(end)
    } catch (error) {
      logFailure(this.#core.log, `telling the end of ${end.process.pid}`, error)
    }
  }

  #end({ process, reason }: End): void {
    this.count++
    this.#core.table.remove(process)
    if (process.isOwner) this.#core.fence.forget(process)
    this.#tellListeners(process, reason)
    this.#answers.ended(process, reason)
    if (process.starting !== undefined) this.#tellSpawner(process, reason)
    this.#links.ended(process, reason)
    this.#monitors.ended(process, reason)
    const ties = process.knownTies
    if (ties === undefined) return
    if (ties.timers !== undefined) for (const timer of ties.timers) timer.cancel()
    process.abort()
  }

  #tellListeners(process: Process, reason: unknown): void {
    const listeners = process.knownTies?.exitListeners
    if (listeners === undefined) return
    for (const listener of listeners) {
      try {
        listener(process.pid, reason)
      } catch (error) {
        logFailure(this.#core.log, `a listener for the end of ${process.pid}`, error)
      }
    }
  }

  /** Whoever waits for `spawn` hears of a failed start there, and not through a link as well. */
  #tellSpawner(process: Process, reason: unknown): void {
    const parent = process.parent && this.#core.table.find(process.parent)
    if (parent !== undefined) unlinkBoth(parent, process)
    const sentence = `${process.kind} did not start: ${describeReason(reason)}`
    process.starting?.reject(
      new CitadelError('init_failed', sentence, { reason, cause: errorOf(reason) }),
    )
    process.starting = undefined
  }
}

/** The ended process is no longer in the table, so the links cannot find it by pid. */
function unlinkBoth(one: Process, other: Process): void {
  one.knownTies?.links?.delete(other)
  other.knownTies?.links?.delete(one)
}
