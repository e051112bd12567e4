/**
 * The address of a process, as in Erlang: the node it lives on, a slot (`id`), how often that slot
 * was used before (`serial`), and which start of the node it belongs to (`creation`). Two pids are
 * the same process when all four are equal; use `equals`, or `key` in maps of one node's pids.
 */
import { shown } from '../base/describe.js'

declare const message: unique symbol

export class Pid<T = unknown> {
  declare readonly [message]: T

  constructor(
    readonly node: string,
    readonly id: number,
    readonly serial: number,
    readonly creation: number,
  ) {}

  equals(other: Pid): boolean {
    return (
      this === other ||
      (this.id === other.id &&
        this.serial === other.serial &&
        this.creation === other.creation &&
        this.node === other.node)
    )
  }

  /** Unique among the pids of one start of one node. A number wherever it fits exactly. */
  get key(): number | string {
    return this.serial < 0x100000
      ? this.serial * 0x1_0000_0000 + this.id
      : `${this.serial}.${this.id}`
  }

  /** `<n1@127.0.0.1.80.0>`: for logs. */
  toString(): string {
    return `<${this.node}.${this.id}.${this.serial}>`
  }

  [shown](): string {
    return this.toString()
  }
}
