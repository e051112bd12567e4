/** What test nodes run: classes that write down each start, so that a test can count. */
import { appendFileSync } from 'node:fs'
import { GenServer } from '../../src/process/gen-server.js'
import type { Pid } from '../../src/term/pid.js'

/** Every start and every orderly end of a worker, one line each, shared by all nodes of a test. */
export interface JournalLine {
  what: 'init' | 'end'
  id: string
  node: string
  /** The machine's monotonic clock, in milliseconds. */
  at: number
}

const journal = process.env.CITADEL_TEST_JOURNAL

function note(what: JournalLine['what'], id: unknown, node: string): void {
  if (!journal) return
  const at = Number(process.hrtime.bigint() / 1_000n) / 1_000
  // One write call each: lines of several processes do not mix.
  appendFileSync(journal, `${JSON.stringify({ what, id: String(id), node, at })}\n`)
}

const started: { id: unknown; pid: Pid }[] = []

/** The ids of the workers that live, whether a supervisor knows of them or not. */
export function runningWorkers(isAlive: (pid: Pid) => boolean): unknown[] {
  const alive = started.filter(({ pid }) => isAlive(pid))
  started.splice(0, started.length, ...alive)
  return alive.map(({ id }) => id)
}

function forget(pid: Pid): void {
  const at = started.findIndex((one) => one.pid.equals(pid))
  if (at >= 0) started.splice(at, 1)
}

export class Worker extends GenServer {
  #id: unknown
  protected count = 0

  init(id: unknown): void {
    this.#id = id
    started.push({ id, pid: this.self as Pid })
    note('init', id, this.citadel.name)
  }

  id(): unknown {
    return this.#id
  }

  where(): string {
    return this.citadel.name
  }

  /** Counts up; the count is the worker's state. */
  next(): number {
    return ++this.count
  }

  echo(value: unknown): unknown {
    return value
  }

  crash(): void {
    throw new Error('crashed as asked')
  }

  finish(): void {
    this.citadel.exit(this.self, 'normal')
  }

  async rest(ms: number): Promise<void> {
    await this.citadel.sleep(ms)
  }

  terminate(reason: unknown): void {
    note('end', this.#id, this.citadel.name)
    // Its pid only passes on from now on.
    const isMoved = typeof reason === 'object' && reason !== null && 'moved' in reason
    if (isMoved) forget(this.self as Pid)
  }
}

/** Takes its count along when it moves. */
export class Carried extends Worker {
  put(count: number): void {
    this.count = count
  }

  value(): number {
    return this.count
  }

  handoff(): number {
    return this.count
  }

  takeover(count: number): void {
    this.count = count
  }
}

/** Fails at its start when told so. */
export class Fragile extends Worker {
  override init(id: unknown): void {
    if (String(id).startsWith('bad')) throw new Error('cannot start')
    super.init(id)
  }
}

/** Ends its program a moment after it has begun. */
export class Deadly extends Worker {
  override init(id: unknown): void {
    super.init(id)
    setTimeout(() => void Promise.reject(new Error('nobody catches this')), 50)
  }
}
