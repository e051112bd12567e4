/**
 * Checks of the checkers. A real run is recorded as the ledgers see it; then the same seed runs again
 * with *shadows* beside the ledgers: each is a fresh ledger that is told the same story, but for one
 * corruption. The run itself is not touched, so its ledgers must find nothing and each shadow must.
 */
import type { InvariantId } from '../../simulator/checks/invariants.js'
import type { Ledgers } from '../../simulator/checks/ledgers.js'
import { Oracle } from '../../simulator/checks/oracle.js'

/** Sees the same cluster and tells nobody, so that the trace stays as it is. */
export class ShadowOracle extends Oracle {
  override tell(): void {}
}

export interface Told {
  readonly method: string
  /** The how-manieth call of this method. */
  readonly n: number
  readonly args: unknown[]
  readonly at: number
}

export interface Event {
  readonly method: string
  readonly args: unknown[]
}

/** Something that was told, and what the ledger answered. */
export interface Recorded extends Told {
  readonly result: unknown
}

export interface Corruption {
  readonly what: string
  readonly method: string
  readonly n: number
  /** What the shadow is told instead. */
  change(told: Told, oracle: Oracle): Event[]
  /** After so many more calls of the method the held one is told. */
  readonly holdFor?: number
  /** Told at the very end, before the last check. */
  readonly late?: boolean
  readonly breaks: readonly InvariantId[]
}

export interface Verdict {
  readonly checker: string
  readonly what: string
  readonly breaks: readonly InvariantId[]
  readonly found: InvariantId | undefined
}

type Method = (...args: unknown[]) => unknown
type Listener = (told: Told, result: unknown) => void

/** Tells whoever listens what the ledger is told from outside. */
export function overhear(
  ledger: object,
  methods: readonly string[],
  now: () => number,
  listen: Listener,
): void {
  const object = ledger as Record<string, Method>
  let depth = 0
  for (const method of methods) {
    const right = object[method]!.bind(ledger)
    let n = 0
    object[method] = (...args) => {
      if (depth > 0) return right(...args)
      depth++
      try {
        const result = right(...args)
        listen({ method, n: n++, args, at: now() }, result)
        return result
      } finally {
        depth--
      }
    }
  }
}

export class Shadow {
  readonly oracle: ShadowOracle
  private readonly ledger: Record<string, Method>
  private readonly counterparts = new Map<unknown, unknown>()
  private held: Event[] = []
  private left = 0

  constructor(
    readonly checker: string,
    { oracle }: Ledgers,
    make: (oracle: Oracle) => object,
    readonly corruption: Corruption,
  ) {
    this.oracle = new ShadowOracle(oracle.cluster)
    this.ledger = make(this.oracle) as Record<string, Method>
  }

  hear(told: Told, result: unknown): void {
    const { corruption } = this
    const { method, n, args } = told
    if (method !== corruption.method || n !== corruption.n) {
      this.tell(method, args, result)
    } else {
      const instead = corruption.change(told, this.oracle)
      if (corruption.holdFor !== undefined || corruption.late) {
        this.held = instead
        this.left = corruption.holdFor ?? Number.POSITIVE_INFINITY
      } else for (const one of instead) this.tell(one.method, one.args, result)
      return
    }
    if (method !== corruption.method || this.held.length === 0 || --this.left > 0) return
    this.letGo()
  }

  letGo(): void {
    for (const { method, args } of this.held.splice(0)) this.tell(method, args, undefined)
  }

  get verdict(): Verdict {
    const { checker, corruption, oracle } = this
    const { what, breaks } = corruption
    return { checker, what, breaks, found: oracle.breach?.invariant }
  }

  private tell(method: string, args: readonly unknown[], result: unknown): void {
    const own = args.map((arg) => this.counterparts.get(arg) ?? arg)
    const answer = this.ledger[method]!(...own)
    if (typeof result === 'object' && result !== null && !this.counterparts.has(result)) {
      this.counterparts.set(result, answer)
    }
  }
}

/** So many of them, spread from the first to the last. */
export function spread<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items]
  return Array.from({ length: most }, (_, at) => items[Math.floor((at * items.length) / most)]!)
}
