/**
 * Who waits for which node to be connected: the promises behind `connect`. They never reject; why
 * it did not work is kept for `lastConnectError`, of the last thousand nodes at most.
 */
import type { CitadelError } from '../base/errors.js'

const ERRORS_MAX = 1_000

interface Waiting {
  resolves: ((connected: boolean) => void)[]
  /** After a dial that gave way to one by the peer: until when that one is awaited. */
  until: number | undefined
}

export class ConnectWaiters {
  private readonly waiting = new Map<string, Waiting>()
  private readonly errors = new Map<string, CitadelError>()

  wait(node: string): Promise<boolean> {
    return new Promise((resolve) => {
      const known = this.waiting.get(node)
      if (known) known.resolves.push(resolve)
      else this.waiting.set(node, { resolves: [resolve], until: undefined })
    })
  }

  has(node: string): boolean {
    return this.waiting.has(node)
  }

  connected(node: string): void {
    this.errors.delete(node)
    this.settle(node, true)
  }

  failed(node: string, error: CitadelError): void {
    if (!this.errors.has(node) && this.errors.size >= ERRORS_MAX) {
      this.errors.delete(this.errors.keys().next().value!)
    }
    this.errors.set(node, error)
    this.settle(node, false)
  }

  /** The peer's own dial goes first: its end is awaited until then. */
  giveWay(node: string, error: CitadelError, until: number): void {
    const waiting = this.waiting.get(node)
    if (!waiting) return
    waiting.until = until
    this.errors.set(node, error)
  }

  /** Those whose time is up, unless `isPending` says that something still goes on. */
  tick(now: number, isPending: (node: string) => boolean): void {
    for (const [node, { until }] of this.waiting) {
      if (until !== undefined && now >= until && !isPending(node)) this.settle(node, false)
    }
  }

  stop(): void {
    for (const node of [...this.waiting.keys()]) this.settle(node, false)
  }

  errorOf(node: string): CitadelError | undefined {
    return this.errors.get(node)
  }

  private settle(node: string, connected: boolean): void {
    const waiting = this.waiting.get(node)
    this.waiting.delete(node)
    for (const resolve of waiting?.resolves ?? []) resolve(connected)
  }
}
