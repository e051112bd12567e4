/** What a person sees while it goes on: a line for each event, and one each half second. */
import type { Driver } from './driver.js'
import type { CounterNode } from './node.js'
import type { Stall } from './stall-watch.js'
import { type NodeStall, worstStall } from './survey.js'
import type { Program } from './verbs.js'

const EVERY_MS = 500

export class Progress {
  readonly #startedAt = performance.now()
  readonly #worst: [what: string, stalls: string][] = []
  #timer: NodeJS.Timeout | undefined
  #doing = 'load alone'

  /** The stalls of each part of the run, in words. */
  get worst(): readonly (readonly [what: string, stalls: string])[] {
    return this.#worst
  }

  note(line: string): void {
    process.stdout.write(`${this.#now()}  ${line}\n`)
  }

  doing(what: string): void {
    this.#doing = what
  }

  stalls(what: string, stalls: readonly NodeStall[], client: Stall): void {
    const all = `${worstStall(stalls)}; client ${client.longestMs.toFixed(0)} ms`
    this.#worst.push([what, all])
  }

  /** From now on a line each half second: children per node, calls, latency. */
  watch(driver: Program<Driver>, nodes: readonly Program<CounterNode>[]): void {
    let asking = false
    this.#timer = setInterval(async () => {
      if (asking) return
      asking = true
      await this.#look(driver, nodes)
      asking = false
    }, EVERY_MS)
  }

  end(): void {
    clearInterval(this.#timer)
  }

  async #look(driver: Program<Driver>, nodes: readonly Program<CounterNode>[]): Promise<void> {
    const counts = nodes.map(async (node) => {
      // One that is ending, or not up yet, does not say.
      const count = await node.ask('children').catch(() => undefined)
      return `${node.name} ${String(count ?? '-').padStart(4)}`
    })
    const calls = await driver.ask('recent').catch(() => undefined)
    if (!calls) return
    const { p50, p99, max, failed } = calls
    const latency = [p50, p99, max].map((ms) => ms.toFixed(ms < 10 ? 1 : 0).padStart(5)).join('')
    const children = (await Promise.all(counts)).join('  ')
    this.note(
      `${this.#doing.padEnd(11)} ${children}  ${String(calls.calls).padStart(5)} calls, ` +
        `${failed} failed, p50 p99 max ${latency} ms`,
    )
  }

  #now(): string {
    return `${((performance.now() - this.#startedAt) / 1_000).toFixed(1).padStart(5)} s`
  }
}
