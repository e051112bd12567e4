/**
 * Questions between the conductor and its programs, over the channel that Node.js gives a forked
 * process. A program is an object whose methods are its questions.
 */
import { type ChildProcess, fork } from 'node:child_process'

interface Question {
  readonly id: number
  readonly verb: string
  readonly args: readonly unknown[]
}

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

type Verbs<T> = { [K in keyof T]: T[K] extends (...args: never[]) => unknown ? K : never }[keyof T]
type Method<T, K extends keyof T> = T[K] extends (...args: infer A) => infer R
  ? { args: A; result: Awaited<R> }
  : never

/** The program's side: answers until the conductor is gone, and ends with it. */
export function answerQuestions(program: object): void {
  const methods = program as Record<string, (...args: readonly unknown[]) => unknown>
  process.on('disconnect', () => process.exit(1))
  if (!process.connected) process.exit(1)
  process.on('message', async ({ id, verb, args }: Question) => {
    const tell = (answer: Answer): void => void (process.connected && process.send!(answer))
    try {
      tell({ id, value: await methods[verb]!(...args) })
    } catch (error) {
      tell({ id, error: error instanceof Error ? error.message : String(error) })
    }
  })
  process.send!({ id: 0 } satisfies Answer)
}

/** The conductor's side of one program. */
export class Program<T> {
  readonly process: ChildProcess
  /** Its exit status, or the signal that ended it. */
  readonly ended: Promise<number | string>
  readonly #asked = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  #lastId = 0
  /** What it answers when it runs. */
  readonly #running: Promise<unknown>

  constructor(
    readonly name: string,
    file: URL,
    args: readonly string[],
    environment: NodeJS.ProcessEnv,
    say: (line: string) => void,
  ) {
    const stdio: ('ignore' | 'pipe' | 'ipc')[] = ['ignore', 'ignore', 'pipe', 'ipc']
    this.process = fork(file, args, { env: environment, stdio })
    this.#running = this.#expect(0)
    this.ended = new Promise((resolve) => {
      this.process.once('exit', (status, signal) => resolve(status ?? signal ?? 'unknown'))
    })
    void this.ended.then((how) => this.#fail(new Error(`${name} has ended (${how})`)))
    this.process.on('error', (error) => this.#fail(error))
    this.process.on('message', ({ id, value, error }: Answer) => {
      const asked = this.#asked.get(id)
      this.#asked.delete(id)
      if (error === undefined) asked?.resolve(value)
      else asked?.reject(new Error(`${name}: ${error}`))
    })
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.split('\n')) if (line.trim()) say(`${name} | ${line}`)
    })
  }

  async started(): Promise<this> {
    await this.#running
    return this
  }

  async ask<K extends Verbs<T>>(
    verb: K,
    ...args: Method<T, K>['args']
  ): Promise<Method<T, K>['result']> {
    const id = ++this.#lastId
    const answer = this.#expect(id)
    this.process.send({ id, verb: verb as string, args }, (error) => error && this.#fail(error))
    return answer as Promise<Method<T, K>['result']>
  }

  kill(signal: NodeJS.Signals): void {
    this.process.kill(signal)
  }

  #expect(id: number): Promise<unknown> {
    const answer = new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject }))
    // Whoever waits for it hears; a program that is stopped while nobody waits is no news.
    answer.catch(() => undefined)
    return answer
  }

  #fail(error: Error): void {
    for (const { reject } of this.#asked.values()) reject(error)
    this.#asked.clear()
  }
}
