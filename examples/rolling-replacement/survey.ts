/** What the nodes say when all of them are asked: what really runs there, and how they stalled. */
import type { CounterNode } from './node.js'
import type { Stall } from './stall-watch.js'
import type { Program } from './verbs.js'

export interface Places {
  /** Ids that run nowhere. */
  readonly lost: readonly number[]
  /** Ids that run more than once. */
  readonly doubled: readonly number[]
  /** When each was started, on the machine's clock. */
  readonly startedAt: ReadonlyMap<number, number>
}

/** The processes themselves are counted, not what the supervisor knows of them. */
export async function places(
  nodes: readonly Program<CounterNode>[],
  children: number,
): Promise<Places> {
  const startedAt = new Map<number, number>()
  const doubled: number[] = []
  for (const living of await Promise.all(nodes.map((node) => node.ask('living')))) {
    for (const [id, at] of living) {
      if (startedAt.has(id)) doubled.push(id)
      startedAt.set(id, at)
    }
  }
  const ids = Array.from({ length: children }, (_, id) => id)
  return { startedAt, doubled, lost: ids.filter((id) => !startedAt.has(id)) }
}

export interface NodeStall extends Stall {
  readonly node: string
}

export function stallsOf(nodes: readonly Program<CounterNode>[]): Promise<NodeStall[]> {
  return Promise.all(nodes.map(async (node) => ({ node: node.name, ...(await node.ask('stall')) })))
}

/** The node that stalled longest, in words. */
export function worstStall(stalls: readonly NodeStall[]): string {
  const longest = stalls.reduce((a, b) => (b.longestMs > a.longestMs ? b : a))
  const busiest = stalls.reduce((a, b) => (b.ownMs > a.ownMs ? b : a))
  return (
    `longest ${longest.longestMs.toFixed(0)} ms (${longest.node}), ` +
    `of own work at most ${busiest.ownMs.toFixed(0)} ms (${busiest.node})`
  )
}
