/**
 * The conductor's side of one node: starts its process, asks it, stops or kills it. Every question
 * ends, with an answer, an error or at its deadline.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { machineTime } from './chat.js'
import type { DemoNode } from './demo-node.js'
import type { Answer, Question } from './node.js'

const ASK_MS = 20_000
const STOP_MS = 5_000
const LOG_LINES_MAX = 20

interface Asked {
  resolve(value: unknown): void
  reject(error: Error): void
  readonly timer: NodeJS.Timeout
}

export class NodeProcess {
  readonly fullName: string
  /** Warnings and errors of the node, the last ones. */
  readonly log: string[] = []
  readonly #child: ChildProcess
  readonly #gone: Promise<unknown>
  readonly #asked = new Map<number, Asked>()
  #lastId = 0
  #failure: Error | undefined

  constructor(
    /** `n1` */
    readonly name: string,
    environment: NodeJS.ProcessEnv,
  ) {
    this.fullName = `${name}@127.0.0.1`
    const program = fileURLToPath(new URL(`./node${extname(import.meta.url)}`, import.meta.url))
    const stdio: ('ignore' | 'pipe' | 'ipc')[] = ['ignore', 'ignore', 'pipe', 'ipc']
    this.#child = fork(program, [this.fullName], { env: environment, stdio })
    this.#gone = once(this.#child, 'exit')
    this.#child.on('exit', () => this.fail(new Error(`${name} has ended`)))
    this.#child.on('error', (error) => this.fail(error))
    this.#child.on('message', (answer: Answer) => this.#receive(answer))
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#keep(text))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** Resolves when the node runs. */
  async started(): Promise<void> {
    await this.#expect(0)
  }

  async ask<Verb extends keyof DemoNode>(
    verb: Verb,
    ...args: Parameters<DemoNode[Verb]>
  ): Promise<Awaited<ReturnType<DemoNode[Verb]>>> {
    if (this.#failure) throw this.#failure
    const id = ++this.#lastId
    const answer = this.#expect(id)
    this.#send({ id, verb, args })
    return (await answer) as Awaited<ReturnType<DemoNode[Verb]>>
  }

  /** No question is answered any more. */
  fail(error: Error): void {
    this.#failure ??= error
    for (const id of [...this.#asked.keys()]) this.#take(id)?.reject(error)
  }

  /** SIGKILL. Answers the machine's time right before it. */
  async kill(): Promise<number> {
    const killedAt = machineTime()
    this.killNow()
    await this.#gone
    return killedAt
  }

  killNow(): void {
    if (!this.hasEnded) this.#child.kill('SIGKILL')
  }

  /** Lets the node say goodbye; kills it when that takes too long. Resolves when it is gone. */
  async stop(): Promise<void> {
    if (this.hasEnded) return
    const deadline = setTimeout(() => this.killNow(), STOP_MS)
    this.#failure = undefined
    // A node that cannot stop is killed, so its error is of no use.
    await this.ask('stop').catch(() => {})
    this.killNow()
    await this.#gone
    clearTimeout(deadline)
  }

  #expect(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const late = new Error(`${this.name} did not answer within ${ASK_MS / 1_000} s`)
      const timer = setTimeout(() => this.#take(id)?.reject(late), ASK_MS)
      this.#asked.set(id, { resolve, reject, timer })
    })
  }

  #send(question: Question): void {
    if (!this.#child.connected) return this.fail(new Error(`${this.name} has ended`))
    // The answer to a send that fails is that the node has ended.
    this.#child.send(question, (error) => error && this.fail(error))
  }

  #receive(answer: Answer): void {
    if (answer.type === 'log') return this.#keep(answer.line)
    const asked = this.#take(answer.id)
    if (answer.type === 'answer') asked?.resolve(answer.value)
    else asked?.reject(new Error(answer.message))
  }

  #take(id: number): Asked | undefined {
    const asked = this.#asked.get(id)
    this.#asked.delete(id)
    clearTimeout(asked?.timer)
    return asked
  }

  #keep(text: string): void {
    for (const line of text.split('\n')) if (line.trim()) this.log.push(line)
    this.log.splice(0, Math.max(0, this.log.length - LOG_LINES_MAX))
  }
}
