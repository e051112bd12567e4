/**
 * Who waits until others have applied what this node wrote: one other member, or all that were up
 * when the wait began. A member that is lost is waited for no longer.
 */
interface Waiter {
  readonly scope: string
  readonly seq: number
  /** Those still to answer; undefined: any one will do. */
  readonly missing: Set<string> | undefined
  readonly resolve: () => void
}

export class Acknowledgements {
  private readonly waiters = new Set<Waiter>()

  get size(): number {
    return this.waiters.size
  }

  /** Resolves when update `seq` of a scope is applied by any member, or by all of `members`. */
  wait(scope: string, seq: number, members?: Iterable<string>): Promise<void> {
    return new Promise((resolve) => {
      const missing = members && new Set(members)
      this.waiters.add({ scope, seq, missing, resolve })
    })
  }

  /** `node` has applied a scope up to `seq`. */
  acknowledged(node: string, scope: string, seq: number): void {
    if (this.waiters.size === 0) return
    for (const waiter of this.waiters) {
      if (waiter.scope === scope && waiter.seq <= seq) this.heard(waiter, node)
    }
  }

  /** `node` is not a member any more, or not reachable. */
  lost(node: string): void {
    for (const waiter of this.waiters) if (waiter.missing?.has(node)) this.heard(waiter, node)
  }

  /** Nobody is left to wait for. */
  releaseAll(): void {
    for (const { resolve } of this.waiters) resolve()
    this.waiters.clear()
  }

  private heard(waiter: Waiter, node: string): void {
    waiter.missing?.delete(node)
    if (waiter.missing !== undefined && waiter.missing.size > 0) return
    this.waiters.delete(waiter)
    waiter.resolve()
  }
}
