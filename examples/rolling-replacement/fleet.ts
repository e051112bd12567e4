/**
 * The OS processes of a run: its nodes and the client. They have an EPMD port and a cookie of their
 * own, and none of them is left when the conductor ends, however it ends.
 */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { extname } from 'node:path'
import type { Driver } from './driver.js'
import type { CounterNode } from './node.js'
import { Program } from './verbs.js'

const WAIT_MS = 60_000
const LOOK_EVERY_MS = 100
/** How much longer than its budget a node may take to end. */
const ENDING_MS = 15_000
/** How long a program may take to end when nobody asks it any more. */
const LINGER_MS = 3_000

export class Fleet {
  readonly #programs = new Set<Pick<Program<unknown>, 'process' | 'ended'>>()
  readonly #environment: NodeJS.ProcessEnv
  readonly #budgetMs: number
  readonly #say: (line: string) => void

  private constructor(epmdPort: number, budgetMs: number, say: (line: string) => void) {
    this.#budgetMs = budgetMs
    this.#say = say
    this.#environment = {
      ...process.env,
      CITADEL_COOKIE: randomBytes(16).toString('hex'),
      ERL_EPMD_PORT: String(epmdPort),
    }
    process.once('exit', () => this.#killAll())
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => process.exit(1))
    }
  }

  static async make(budgetMs: number, say: (line: string) => void): Promise<Fleet> {
    return new Fleet(await freePort(), budgetMs, say)
  }

  node(name: string): Promise<Program<CounterNode>> {
    return this.#start<CounterNode>(name, 'node', String(this.#budgetMs))
  }

  driver(): Promise<Program<Driver>> {
    return this.#start<Driver>('client', 'driver')
  }

  /** The signal that asks a node to leave. Answers how it ended, which must be within its budget. */
  async leave(node: Program<CounterNode>): Promise<number | string> {
    node.kill('SIGTERM')
    const limitMs = this.#budgetMs + ENDING_MS
    return within(limitMs, `${node.name} has ended`, node.ended)
  }

  /** Programs end by themselves when the conductor lets go of them. */
  async close(): Promise<void> {
    const programs = [...this.#programs]
    for (const { process } of programs) if (process.connected) process.disconnect()
    const late = setTimeout(() => this.#killAll(), LINGER_MS)
    await Promise.all(programs.map(({ ended }) => ended))
    clearTimeout(late)
  }

  #killAll(): void {
    for (const { process } of this.#programs) process.kill('SIGKILL')
  }

  async #start<T>(name: string, file: string, ...args: string[]): Promise<Program<T>> {
    const url = new URL(`./${file}${extname(import.meta.url)}`, import.meta.url)
    const all = [`${name}@127.0.0.1`, ...args]
    const program = new Program<T>(name, url, all, this.#environment, this.#say)
    this.#programs.add(program)
    void program.ended.then(() => this.#programs.delete(program))
    return within(WAIT_MS, `${name} has started`, program.started())
  }
}

/** Looks until it holds. Rejects after a minute. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + WAIT_MS
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw tooLong(what, WAIT_MS)
    await sleep(LOOK_EVERY_MS)
  }
}

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms))

async function within<T>(limitMs: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tooLong(what, limitMs)), limitMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

const tooLong = (what: string, limitMs: number): Error =>
  new Error(`after ${limitMs / 1_000} s it is still not so that ${what}`)

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
