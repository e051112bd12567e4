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

export interface ClusterParts {
  readonly machine: Machine
  /** Of node names: so many of these letters, `n1@127.0.0.1` and on. */
  readonly prefix: string
  start(name: string): BenchNode
  /** Other processes that end with the cluster. */
  readonly others?: readonly ChildProcess[]
}

export class Cluster {
  private readonly nodes: BenchNode[] = []
  private started = 0

  constructor(private readonly parts: ClusterParts) {}

  /** Runs a command on the first node. Rejects when it fails, or its process ends or says nothing. */
  async ask(command: Command): Promise<number> {
    return withinPatience(this.nodes[0]!, command)
  }

  /** Starts the nodes, connects them and prepares them. */
  async prepare(side: Side): Promise<this> {
    const names = Array.from({ length: side.nodes }, () => this.startNode())
    for (const node of this.nodes) await withinPatience(node, ['ready'])
    for (const command of side.alone ?? []) {
      await Promise.all(this.nodes.map((node) => withinPatience(node, command)))
    }
    for (let i = 0; i < names.length - 1; i++) {
      await withinPatience(this.nodes[i]!, ['connect', ...names.slice(i + 1)])
    }
    for (const command of side.setupEach ?? []) {
      for (const node of this.nodes) await withinPatience(node, command)
    }
    for (const command of side.setup ?? []) await this.ask(command)
    return this
  }

  /** A further node, which knows of nobody yet, as a cluster of its own to ask and to close. */
  async newcomer(): Promise<Cluster> {
    const alone = new Cluster({ ...this.parts, others: [] })
    alone.started = this.started++
    return alone.prepare({ nodes: 1 })
  }

  async close(): Promise<void> {
    const { machine, others = [] } = this.parts
    const children = [...this.nodes.map(({ child }) => child), ...others]
    await Promise.all(children.map((child) => machine.stop(child)))
  }

  private startNode(): string {
    const name = `${this.parts.prefix}${++this.started}@127.0.0.1`
    this.nodes.push(this.parts.start(name))
    return name
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
