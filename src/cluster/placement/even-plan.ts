/**
 * How many children must move from which member to which other, so that no two that may run the same
 * ones are further apart than `maxSkew`. A pure function of who runs what, with no more moves than are
 * needed. What is left of a plan, when some of its moves have been made, is the plan for the new state:
 * so each node makes it by itself, carries out the part that begins there, and no two move too many.
 */
import type { Weighted } from './placement.js'

/** A child, as far as it matters here. */
export interface EvenChild {
  readonly node: string
  /** Those that may run it, sorted by name. */
  readonly takers: readonly Weighted[]
  readonly isMovable: boolean
}

export interface Flow {
  readonly kind: string
  readonly from: string
  readonly to: string
  readonly count: number
}

/** Children that the same members may run. */
interface Kind {
  readonly name: string
  readonly takers: ReadonlyMap<string, Weighted>
  /** How many of them may move, by where they run. */
  readonly movable: Map<string, number>
  /** How many more each member has of them by the plan. */
  readonly change: Map<string, number>
}

interface Step {
  readonly kind: Kind
  readonly from: string
  readonly level: number
  readonly to: string
}

export class EvenPlan {
  private readonly children = new Map<string, number>()
  private readonly kinds = new Map<string, Kind>()

  add({ node, takers, isMovable }: EvenChild): void {
    plus(this.children, node, 1)
    if (!isMovable) return
    const name = kindOf(takers)
    let kind = this.kinds.get(name)
    if (!kind) {
      const byName = new Map(takers.map((taker) => [taker.node, taker]))
      kind = { name, takers: byName, movable: new Map(), change: new Map() }
      this.kinds.set(name, kind)
    }
    plus(kind.movable, node, 1)
  }

  /** To be asked once. */
  flows(maxSkew: number): Flow[] {
    // With less, two members would give each other the same child for ever.
    const skew = Math.max(1, maxSkew)
    const kinds = [...this.kinds.values()].sort((a, b) => order(a.name, b.name))
    for (let step = this.next(kinds, skew); step; step = this.next(kinds, skew)) {
      const { kind, from, to } = step
      for (const [node, by] of [[from, -1] as const, [to, 1] as const]) {
        plus(this.children, node, by)
        plus(kind.movable, node, by)
        plus(kind.change, node, by)
      }
    }
    return kinds.flatMap(paired)
  }

  /** From the fullest member that is too full; undefined: none is. */
  private next(kinds: readonly Kind[], skew: number): Step | undefined {
    let best: Step | undefined
    for (const kind of kinds) {
      const from = this.fullest(kind)
      if (!from || (best && best.level >= from.level)) continue
      const to = this.emptiest(kind, skew)
      if (to && from.level > to.level)
        best = { kind, from: from.node, level: from.level, to: to.node }
    }
    return best
  }

  private fullest({ movable, takers }: Kind): Level | undefined {
    let best: Level | undefined
    for (const [node, count] of movable) {
      if (count <= 0) continue
      const taker = takers.get(node)
      // Whoever may not run them any more gives all away.
      const level = taker ? this.count(node) / taker.weight : Number.POSITIVE_INFINITY
      const isFirst = best?.level === level && node < best.node
      if (!best || level > best.level || isFirst) best = { node, level }
    }
    return best
  }

  private emptiest({ takers }: Kind, skew: number): Level | undefined {
    let best: Level | undefined
    for (const { node, weight } of takers.values()) {
      const level = (this.count(node) + skew) / weight
      if (!best || level < best.level) best = { node, level }
    }
    return best
  }

  private count(node: string): number {
    return this.children.get(node) ?? 0
  }
}

interface Level {
  readonly node: string
  readonly level: number
}

/** The same for all children that the same members may run. */
export const kindOf = (takers: readonly Weighted[]): string =>
  JSON.stringify(takers.map(({ node }) => node))

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function plus(counts: Map<string, number>, node: string, by: number): void {
  counts.set(node, (counts.get(node) ?? 0) + by)
}

/**
 * Who gives to whom: those that give and those that get are gone through by name, the first to the
 * first. What is left after some of the moves is paired in the same way as before.
 */
function paired({ name: kind, change }: Kind): Flow[] {
  const nodes = [...change].filter(([, by]) => by !== 0).sort(([a], [b]) => order(a, b))
  const getters = nodes.filter(([, by]) => by > 0)
  const flows: Flow[] = []
  let at = 0
  let room = getters[0]?.[1] ?? 0
  for (const [from, by] of nodes) {
    for (let left = -by; left > 0; ) {
      const count = Math.min(left, room)
      flows.push({ kind, from, to: getters[at]![0], count })
      left -= count
      room -= count
      if (room === 0) room = getters[++at]?.[1] ?? 0
    }
  }
  return flows
}
