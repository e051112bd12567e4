/**
 * Where processes that have moved are now, by their old pids: what this node has learned of moves.
 * Bounded: of each node so many of the latest are kept. One that was forgotten is still reached
 * through the old node, as long as that passes on.
 */
import type { Pid } from '../term/pid.js'

interface Entry {
  readonly from: Pid
  readonly to: Pid
}

const PER_NODE_MAX = 20_000
/** A child that moves to and fro is followed so many times. */
const STEPS_MAX = 32

export class Redirects {
  readonly #nodes = new Map<string, Map<number | string, Entry>>()

  /** Where the process is now; undefined: nothing is known of a move. */
  of(pid: Pid): Pid | undefined {
    if (this.#nodes.size === 0) return undefined
    let to = this.#step(pid)
    for (let step = 0; to !== undefined && step < STEPS_MAX; step++) {
      const next = this.#step(to)
      if (next === undefined) break
      to = next
    }
    return to
  }

  /** Where it moved to from there, not regarding later moves. */
  next(pid: Pid): Pid | undefined {
    return this.#step(pid)
  }

  /** False: known already. */
  add(from: Pid, to: Pid): boolean {
    if (this.#step(from)?.equals(to)) return false
    let entries = this.#nodes.get(from.node)
    if (entries === undefined) {
      entries = new Map()
      this.#nodes.set(from.node, entries)
    }
    // A pid that another start of the node used counts no more.
    entries.delete(from.key)
    entries.set(from.key, { from, to })
    if (entries.size > PER_NODE_MAX) entries.delete(entries.keys().next().value!)
    return true
  }

  forget(from: Pid): void {
    if (this.#step(from) !== undefined) this.#nodes.get(from.node)?.delete(from.key)
  }

  #step(pid: Pid): Pid | undefined {
    const entry = this.#nodes.get(pid.node)?.get(pid.key)
    return entry?.from.equals(pid) === true ? entry.to : undefined
  }
}
