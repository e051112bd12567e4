/** Who waits for the next change of a key's owner, with a deadline. Costs nothing while nobody does. */
import { onAbort } from '../../base/abort.js'
import type { Clock } from '../../base/clock.js'
import type { ClaimChange } from '../tables/claim-table.js'

/** Why a wait is over, other than by the change. */
export type WaitEnd = 'timeout' | 'aborted' | 'stopped'

type Wake = (end: ClaimChange | WaitEnd) => void

export class KeyWaits {
  private readonly waiting = new Map<string, Set<Wake>>()
  private closed = false

  constructor(private readonly clock: Clock) {}

  changed(change: ClaimChange): void {
    if (this.waiting.size > 0) for (const wake of this.of(change.id)) wake(change)
  }

  /** The next change of the key, or why it is not waited for any more. */
  next(id: string, ms: number, signal?: AbortSignal): Promise<ClaimChange | WaitEnd> {
    if (signal?.aborted) return Promise.resolve('aborted')
    if (this.closed) return Promise.resolve('stopped')
    return new Promise((resolve) => {
      const wake: Wake = (end) => {
        timer.cancel()
        deaf?.()
        const wakes = this.waiting.get(id)
        wakes?.delete(wake)
        if (wakes?.size === 0) this.waiting.delete(id)
        resolve(end)
      }
      const deaf = signal && onAbort(signal, () => wake('aborted'))
      const timer = this.clock.after(Math.max(0, ms), () => wake('timeout'))
      const wakes = this.waiting.get(id)
      if (wakes) wakes.add(wake)
      else this.waiting.set(id, new Set([wake]))
    })
  }

  close(): void {
    this.closed = true
    for (const id of [...this.waiting.keys()]) for (const wake of this.of(id)) wake('stopped')
  }

  private of(id: string): Wake[] {
    return [...(this.waiting.get(id) ?? [])]
  }
}
