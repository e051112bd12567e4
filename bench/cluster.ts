/** A cluster of one side while it runs: commands go to its first node, one at a time. */
import type { ChildProcess } from 'node:child_process'
import type { Command, Side } from './benchmark.js'
import type { Machine } from './machine.js'

/** How to talk to one node's OS process. */
export interface BenchNode {
  readonly child: ChildProcess
  ask(command: Command): Promise<number>
}

const PATIENCE_MS = 120_000

export class Cluster {
  constructor(
    private readonly machine: Machine,
    private readonly nodes: readonly BenchNode[],
    /** Other processes that end with the cluster. */
    private readonly others: readonly ChildProcess[] = [],
  ) {}

  /** Runs a command on the first node. Rejects when it fails, or its process ends or says nothing. */
  async ask(command: Command): Promise<number> {
    return withinPatience(this.nodes[0]!, command)
  }

  /** Connects the first node to the others and prepares them. */
  async prepare(side: Side, names: readonly string[]): Promise<this> {
    for (const node of this.nodes) await withinPatience(node, ['ready'])
    for (let i = 0; i < names.length - 1; i++) {
      await withinPatience(this.nodes[i]!, ['connect', ...names.slice(i + 1)])
    }
    for (const command of side.setupEach ?? []) {
      for (const node of this.nodes) await withinPatience(node, command)
    }
    for (const command of side.setup ?? []) await this.ask(command)
    return this
  }

  async close(): Promise<void> {
    const children = [...this.nodes.map(({ child }) => child), ...this.others]
    await Promise.all(children.map((child) => this.machine.stop(child)))
  }
}

function withinPatience({ child, ask }: BenchNode, command: Command): Promise<number> {
  return new Promise((resolve, reject) => {
    const over = (error: Error | undefined, value = 0): void => {
      clearTimeout(timer)
      child.off('exit', ended)
      if (error) reject(error)
      else resolve(value)
    }
    const ended = (): void => over(new Error(`its process ended during ${command.join(' ')}`))
    const late = (): void => over(new Error(`no answer to ${command.join(' ')}`))
    const timer = setTimeout(late, PATIENCE_MS)
    child.once('exit', ended)
    ask(command).then((value) => over(undefined, value), over)
  })
}
