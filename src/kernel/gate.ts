/**
 * Keeps the order of messages to a process that has just come from another node. What a node sends
 * to it directly waits until that node's marker has come by the old way; docs/decisions/0010-handoff.md
 * says why. What was passed on by the old node is never held back.
 */

import type { Detour, Process } from '../process/process.js'
import type { Core } from './core.js'

/** Something to do with the process later; it must find out itself whether the process still lives. */
type Delivery = () => void

export class Gate implements Detour {
  readonly #core: Core
  readonly #process: Process
  readonly #refuse: (item: unknown) => void
  /** What came from nodes whose marker has not come, by node. */
  readonly #held = new Map<string, { deliveries: Delivery[]; bytes: number }>()
  #count = 0
  #bytes = 0
  #passing = false
  readonly #waiting: (() => void)[] = []

  constructor(
    core: Core,
    process: Process,
    /** The node that passes on what was sent to the old pid. */
    readonly via: string,
    awaited: readonly string[],
    readonly openAt: number,
    /** Nobody is left to take this item. */
    refuse: (item: unknown) => void,
  ) {
    this.#core = core
    this.#process = process
    this.#refuse = refuse
    for (const node of awaited) this.#held.set(node, { deliveries: [], bytes: 0 })
  }

  get isOpen(): boolean {
    return this.#held.size === 0
  }

  /** Calls back once, when nothing is held back any more. */
  onceOpen(callback: () => void): void {
    this.#waiting.push(callback)
  }

  /** From a process of this node, or let in from another one. */
  take(item: unknown, bytes: number): boolean {
    const deliver = (): void => {
      if (this.#process.ended || !this.#core.admit(this.#process, item, bytes)) this.#refuse(item)
    }
    if (this.#passing || !this.#held.has(this.#core.name)) {
      return this.#core.admit(this.#process, item, bytes)
    }
    return this.hold(this.#core.name, deliver, bytes) !== 'full'
  }

  /** From a process of another node: held back, to be carried out now, or refused. */
  hold(node: string, deliver: Delivery, bytes: number): 'held' | 'now' | 'full' {
    const held = this.#held.get(node)
    if (held === undefined) return 'now'
    if (this.#count >= this.#core.mailboxMax) return 'full'
    const isHeavy = this.#bytes + bytes > this.#core.mailboxMaxBytes
    if (isHeavy && bytes > 0 && this.#bytes > 0) return 'full'
    this.#count++
    this.#bytes += bytes
    held.bytes += bytes
    held.deliveries.push(deliver)
    return 'held'
  }

  /** What came by the old way goes straight in. */
  pass(deliver: Delivery): void {
    this.#passing = true
    try {
      deliver()
    } finally {
      this.#passing = false
    }
  }

  /** All that `node` sent by the old way has come, or will not come any more. */
  marked(node: string): void {
    const held = this.#held.get(node)
    if (held === undefined) return
    this.#held.delete(node)
    this.#count -= held.deliveries.length
    this.#bytes -= held.bytes
    for (const deliver of held.deliveries) this.pass(deliver)
    if (!this.isOpen) return
    for (const callback of this.#waiting.splice(0)) callback()
  }

  openAll(): void {
    for (const node of [...this.#held.keys()]) this.marked(node)
  }
}
