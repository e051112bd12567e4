/**
 * The address of a process, as in Erlang: the node it lives on, a slot (`id`), how often that slot
 * was used before (`serial`), and which start of the node it belongs to (`creation`). Two pids are
 * the same process when all four are equal; use `equals`, or `key` in maps of one node's pids.
 */
import { isA, shown } from '../base/describe.js'
import { CitadelError } from '../base/errors.js'

declare const message: unique symbol

export class Pid<T = unknown> {
  declare readonly [message]: T

  constructor(
    readonly node: string,
    readonly id: number,
    readonly serial: number,
    readonly creation: number,
  ) {}

  /** Whatever is no pid is not equal to one. */
  equals(other: Pid): boolean {
    try {
      return (
        this === other ||
        (this.id === other.id &&
          this.serial === other.serial &&
          this.creation === other.creation &&
          this.node === other.node)
      )
    } catch {
      return false
    }
  }

  /** Unique among the pids of one start of one node. A number wherever it fits exactly. */
  get key(): number | string {
    try {
      return this.serial < 0x100000
        ? this.serial * 0x1_0000_0000 + this.id
        : `${this.serial}.${this.id}`
    } catch {
      return 'nonsense'
    }
  }

  /** `<n1@127.0.0.1.80.0>`: for logs. */
  toString(): string {
    try {
      return `<${this.node}.${this.id}.${this.serial}>`
    } catch {
      return '<a pid of nonsense>'
    }
  }

  [shown](): string {
    return this.toString()
  }
}

/** The creation of a start of a node, by chance. 0 to 3 are special in Erlang. */
export const creationOf = (random: number): number => (random < 4 ? random + 4 : random)

/** For what users hand in: one of its kind, made of what pids are made of. */
export function checkPid(pid: unknown, usage: string): asserts pid is Pid {
  if (isPid(pid)) return
  throw new CitadelError('bad_argument', `${usage} wants a Pid, as spawn gives it.`)
}

function isPid(pid: unknown): boolean {
  if (!isA(pid, Pid)) return false
  try {
    const { node, id, serial, creation } = pid
    return typeof node === 'string' && [id, serial, creation].every(isWord)
  } catch {
    return false
  }
}

const isWord = (value: unknown): boolean =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32
