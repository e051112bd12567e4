/**
 * A cluster of real processes: each node is an operating-system process with its own memory, all
 * share an EPMD port, a cookie and a scratch folder of their own. Nothing outlives the test: a node
 * ends when the test's process does, a frozen one is thawed by a guard for that.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CitadelError, type ErrorCode } from '../../src/base/errors.js'
import { decodeTerm, encodeTerm } from '../../src/term/codec.js'
import { compiled } from './compiled.js'
import { eventually } from './eventually.js'
import { freePort } from './free-port.js'
import { freezeUnderGuard } from './freeze.js'
import type { Command, NodeContext, Report, StartCommand } from './node-program.js'
import { type Scratch, scratch } from './scratch.js'
import type { JournalLine } from './workers.js'

export interface NodeOptions extends Partial<StartCommand['options']> {
  supervise?: boolean
}

/** Where a node runs: the host of its name, and what its program is started through. */
export interface Place {
  readonly host: string
  readonly through: readonly string[]
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

const PROGRAM = compiled(new URL('./node-program.ts', import.meta.url))
const START_MS = 60_000
const REPLY_MS = 60_000

/** One node, seen from the test. */
export class TestNode {
  /** What the node logged: `warn ...`, `error ...`. */
  readonly log: string[] = []
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  readonly #exited: Promise<unknown>
  #lastId = 0
  #guard: ChildProcess | undefined

  constructor(
    readonly name: string,
    env: NodeJS.ProcessEnv,
    through: readonly string[] = [],
  ) {
    const [program, ...words] = [...through, process.execPath, PROGRAM]
    this.#child = spawn(program!, words, {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      serialization: 'advanced',
      env,
    })
    this.#exited = once(this.#child, 'exit')
    this.#child.on('message', (message: Report) => this.#report(message))
    this.#child.once('exit', () => this.#failAll())
  }

  get pid(): number {
    return this.#child.pid!
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  async start(options: StartCommand['options'], supervise: boolean): Promise<void> {
    const started = this.#wait(0, START_MS, 'the start')
    this.#tell({ type: 'start', options, supervise })
    await started
  }

  /**
   * Runs `body` in the node's process and answers its result. It is sent as text: it may use its
   * arguments only, and both arguments and result must be able to cross a wire.
   */
  run<A extends unknown[], R>(
    body: (context: NodeContext, ...args: A) => R,
    ...args: A
  ): Promise<Awaited<R>> {
    const id = ++this.#lastId
    const result = this.#wait(id, REPLY_MS, `${body}`)
    this.#tell({ type: 'run', id, body: `${body}`, args: encodeTerm(args) })
    return result as Promise<Awaited<R>>
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    if (!this.hasEnded) this.#child.kill('SIGKILL')
    await this.#exited
    this.#guard?.stdin?.end()
  }

  /** SIGSTOP. */
  freeze(): void {
    this.#guard = freezeUnderGuard(this.pid)
  }

  /** SIGCONT. */
  thaw(): void {
    this.#child.kill('SIGCONT')
    this.#guard?.stdin?.end('done\n')
    this.#guard = undefined
  }

  /** An orderly stop, as a deploy does. */
  async stop(): Promise<void> {
    if (!this.hasEnded) this.#tell({ type: 'stop' })
    await this.#exited
  }

  /** Names of the nodes this one has declared dead, one for each time. */
  deaths(): Promise<string[]> {
    return this.run(({ events }) =>
      events.filter(({ type }) => type === 'dead').map(({ node }) => node),
    )
  }

  #tell(command: Command): void {
    this.#child.send(command, (error) => {
      if (error) this.#failAll()
    })
  }

  #wait(id: number, timeoutMs: number, what: string): Promise<unknown> {
    if (this.hasEnded) return Promise.reject(new Error(`${this.name} has ended`))
    return new Promise((resolve, reject) => {
      const late = new Error(`${this.name} did not answer within ${timeoutMs} ms: ${what}`)
      const timer = setTimeout(() => this.#settle(id)?.reject(late), timeoutMs)
      this.#waiting.set(id, {
        resolve: (value) => {
          clearTimeout(timer)
          resolve(value)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      })
    })
  }

  #report(report: Report): void {
    switch (report.type) {
      case 'log':
        this.log.push(report.line)
        break
      case 'started':
        this.#settle(0)?.resolve(undefined)
        break
      case 'failed':
        this.#settle(0)?.reject(new CitadelError(report.code as ErrorCode, report.message))
        break
      case 'done':
        this.#settle(report.id)?.resolve(decodeTerm(report.result))
        break
      case 'error': {
        const details = report.pid ? { pid: decodeTerm(report.pid) } : {}
        const error = new CitadelError(report.code as ErrorCode, report.message, details)
        this.#settle(report.id)?.reject(error)
        break
      }
      case 'stopped':
        break
    }
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    return waiting
  }

  #failAll(): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(`${this.name} has ended`))
    this.#waiting.clear()
  }
}

const onLoopback = (_name: string): Place => ({ host: '127.0.0.1', through: [] })

export class TestCluster {
  readonly nodes: TestNode[] = []
  readonly cookie = 'cluster test'
  readonly #spares = new Set<TestNode>()
  readonly #folder: Scratch
  readonly #options: NodeOptions

  private constructor(
    readonly epmdPort: number,
    options: NodeOptions,
    private readonly place: (name: string) => Place,
  ) {
    this.#folder = scratch('cluster')
    this.#options = options
  }

  /** An empty one: nodes are added with `add`. Each is on loopback unless `place` says otherwise. */
  static async empty(options: NodeOptions = {}, place = onLoopback): Promise<TestCluster> {
    return new TestCluster(await freePort(), options, place)
  }

  /** `size` nodes `n1`, `n2`, ... that are connected, each a member of the supervisor `workers`. */
  static async start(
    size: number,
    options: NodeOptions = {},
    place = onLoopback,
  ): Promise<TestCluster> {
    const cluster = await TestCluster.empty(options, place)
    try {
      const names = Array.from({ length: size }, (_, index) => `n${index + 1}`)
      await Promise.all(names.map((name) => cluster.add(name)))
      await cluster.connect()
    } catch (error) {
      await cluster.stop()
      throw error
    }
    return cluster
  }

  /** Starts a node; `name` without host. */
  add(name: string, options: NodeOptions = {}): Promise<TestNode> {
    const node = this.#make(name)
    this.#insert(node)
    return this.#begin(node, options)
  }

  /** Starts a node that nobody counts or knows until it is admitted. */
  prepare(name: string, options: NodeOptions = {}): Promise<TestNode> {
    const node = this.#make(name)
    this.#spares.add(node)
    return this.#begin(node, options)
  }

  /** Connects a prepared node to the others and waits until all see it. */
  async admit(node: TestNode): Promise<void> {
    const [first] = this.alive
    this.#spares.delete(node)
    this.#insert(node)
    if (first) await node.run(({ citadel }, to) => citadel.connect(to), first.name)
    await this.settled()
  }

  #make(name: string): TestNode {
    const { host, through } = this.place(name)
    return new TestNode(`${name}@${host}`, this.#environment(), through)
  }

  #insert(node: TestNode): void {
    this.nodes.push(node)
    this.nodes.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async #begin(node: TestNode, options: NodeOptions): Promise<TestNode> {
    const { supervise = true, ...rest } = { ...this.#options, ...options }
    const { epmdPort, cookie } = this
    const host = node.name.slice(node.name.indexOf('@') + 1)
    await node.start({ name: node.name, cookie, epmdPort, listen: { host }, ...rest }, supervise)
    return node
  }

  /** Counts those that have ended no more: their names are free. */
  forgetDead(): void {
    this.nodes.splice(0, this.nodes.length, ...this.alive)
  }

  /** Connects all nodes and waits until each sees all others, supervisors included. */
  async connect(): Promise<void> {
    const [first, ...others] = this.alive
    for (const node of others) {
      await node.run(({ citadel }, to) => citadel.connect(to), first!.name)
    }
    await this.settled()
  }

  /** Until every living node is connected to every other and all agree on the supervisor's nodes. */
  async settled(timeoutMs = 30_000): Promise<void> {
    const wanted = this.alive.map(({ name }) => name)
    const supervised = this.#options.supervise ?? true
    for (const node of this.alive) {
      const seen = () =>
        node.run(
          ({ citadel, workers }, isSupervised) => [
            citadel.nodes(),
            isSupervised ? workers.nodes() : [],
          ],
          supervised,
        )
      const others = wanted.filter((name) => name !== node.name)
      const expected = JSON.stringify([others, supervised ? wanted : []])
      const holds = async () => JSON.stringify(await seen()) === expected
      await eventually(holds, { timeoutMs, everyMs: 20, what: `${node.name} sees ${expected}` })
    }
  }

  get alive(): TestNode[] {
    return this.nodes.filter((node) => !node.hasEnded)
  }

  node(index: number): TestNode {
    return this.nodes[index - 1]!
  }

  /** All starts and ends of workers so far. */
  journal(): JournalLine[] {
    const lines = readFileSync(this.journalPath, { encoding: 'utf8', flag: 'a+' }).split('\n')
    return lines.filter(Boolean).map((line) => JSON.parse(line) as JournalLine)
  }

  /** The ids of all workers that live on any node, sorted: an id twice is a child that runs twice. */
  async running(): Promise<unknown[]> {
    const perNode = await Promise.all(this.alive.map((node) => node.run((it) => it.running())))
    return perNode.flat().sort(byValue)
  }

  /** Starts the children with these ids, each asked of the next node in turn. */
  async startChildren(ids: readonly unknown[], nodes = this.alive): Promise<void> {
    const shares = nodes.map((_, index) => ids.filter((_, at) => at % nodes.length === index))
    await Promise.all(
      nodes.map((node, index) =>
        node.run(
          ({ workers, Worker }, share) =>
            Promise.all(share.map((id) => workers.startChild(Worker, [id], { id }))).then(
              () => undefined,
            ),
          shares[index]!,
        ),
      ),
    )
  }

  async stop(): Promise<void> {
    await Promise.all([...this.nodes, ...this.#spares].map((node) => node.kill()))
    this.#folder.remove()
  }

  get journalPath(): string {
    return join(this.#folder.path, 'journal')
  }

  #environment(): NodeJS.ProcessEnv {
    const { CITADEL_REDIS_URL: _url, CITADEL_DOMAIN: _domain, ...rest } = process.env
    const { path } = this.#folder
    return { ...rest, HOME: path, TMPDIR: path, CITADEL_TEST_JOURNAL: this.journalPath }
  }
}

const byValue = (a: unknown, b: unknown): number => {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  const [left, right] = [`${typeof a} ${a}`, `${typeof b} ${b}`]
  return left < right ? -1 : left > right ? 1 : 0
}

/** `[0, 1, ..., count - 1]` */
export const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
