/**
 * Whether a history of concurrent operations has an order that explains it: each takes effect at one
 * moment between its call and its end, and comes out as the model says. The search is Wing and
 * Gong's, with the memory of Lowe: a set of operations done and the state they led to are looked at
 * once. What ended before anything later began is settled on its own, so the cost is bounded by how
 * many operations run side by side.
 */

export interface Operation<What> {
  /** When it was called, on a clock that never shows the same time twice. */
  readonly call: number
  /** When it ended. Infinity: it has not, and may have had its effect or not. */
  readonly end: number
  readonly what: What
}

export interface Model<State, What> {
  readonly initial: State
  /** The states that may come after it. None: there it cannot come out as it did. */
  step(state: State, operation: Operation<What>): readonly State[]
  /** Two states with the same text are the same. */
  describe(state: State): string
}

export type Verdict<State, What> =
  /** The states that it can have led to. */
  | { readonly type: 'explained'; readonly states: readonly State[] }
  /** These ran side by side, from one of the states before, and no order of them comes out like this. */
  | {
      readonly type: 'impossible'
      readonly operations: readonly Operation<What>[]
      readonly before: readonly State[]
    }
  /** Too much ran side by side to tell. */
  | { readonly type: 'unknown' }

/** How many pairs of operations done and state are looked at. */
const LOOKS_MAX = 200_000

export function explain<State, What>(
  history: readonly Operation<What>[],
  model: Model<State, What>,
  looksMax = LOOKS_MAX,
): Verdict<State, What> {
  let states: readonly State[] = [model.initial]
  let looksLeft = looksMax
  for (const operations of sideBySide(history)) {
    const search = new Search(operations, model, looksLeft)
    const after = search.from(states)
    if (search.looksLeft < 0) return { type: 'unknown' }
    if (after.length === 0) return { type: 'impossible', operations, before: states }
    looksLeft = search.looksLeft
    states = after
  }
  return { type: 'explained', states }
}

/** Cuts a history wherever everything before has ended. */
function sideBySide<What>(history: readonly Operation<What>[]): Operation<What>[][] {
  const parts: Operation<What>[][] = []
  let until = Number.NEGATIVE_INFINITY
  for (const operation of [...history].sort((one, other) => one.call - other.call)) {
    if (operation.call > until || parts.length === 0) parts.push([])
    parts.at(-1)!.push(operation)
    until = Math.max(until, operation.end)
  }
  return parts
}

interface Look<State> {
  /** A bit for each operation that has taken effect. */
  readonly done: bigint
  readonly state: State
}

class Search<State, What> {
  private readonly seen = new Set<string>()
  private readonly waiting: Look<State>[] = []
  /** All that must have taken effect at the end. */
  private readonly due: bigint

  constructor(
    private readonly operations: readonly Operation<What>[],
    private readonly model: Model<State, What>,
    public looksLeft: number,
  ) {
    let due = 0n
    for (const [at, { end }] of operations.entries())
      if (end < Number.POSITIVE_INFINITY) due |= bit(at)
    this.due = due
  }

  /** Every state that these operations can lead to. */
  from(states: readonly State[]): State[] {
    const last = new Map<string, State>()
    for (const state of states) this.visit(0n, state)
    for (let look = this.waiting.pop(); look && this.looksLeft >= 0; look = this.waiting.pop()) {
      const { done, state } = look
      if ((done & this.due) === this.due) last.set(this.model.describe(state), state)
      this.goOn(look)
    }
    return [...last.values()]
  }

  private goOn({ done, state }: Look<State>): void {
    const soonest = this.soonestEnd(done)
    for (const [at, operation] of this.operations.entries()) {
      // Whatever ended before this one was called comes before it.
      if ((done & bit(at)) !== 0n || operation.call > soonest) continue
      for (const after of this.model.step(state, operation)) this.visit(done | bit(at), after)
    }
  }

  private soonestEnd(done: bigint): number {
    let soonest = Number.POSITIVE_INFINITY
    for (const [at, { end }] of this.operations.entries()) {
      if ((done & bit(at)) === 0n) soonest = Math.min(soonest, end)
    }
    return soonest
  }

  private visit(done: bigint, state: State): void {
    const look = `${done} ${this.model.describe(state)}`
    if (this.seen.has(look)) return
    this.seen.add(look)
    this.looksLeft--
    this.waiting.push({ done, state })
  }
}

const bit = (at: number): bigint => 1n << BigInt(at)
