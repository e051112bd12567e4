/**
 * The fence around owners: processes that may act only while their node has its lease. When it has
 * ended they end with `lease_lost`, without another line of theirs being run, and whatever they ask
 * of the node is refused, however late the end is found out. docs/decisions/0013-the-fence.md.
 */
import type { Clock } from '../base/clock.js'
import type { Lease } from '../base/lease.js'
import type { Process } from '../process/process.js'

export const LEASE_LOST = 'lease_lost'

export class Fence {
  readonly #lease: Lease | undefined
  readonly #clock: Clock
  readonly #bury: (process: Process, reason: unknown) => void
  readonly #owners = new Set<Process>()
  /** Those that own themselves, so to say: supervised children. */
  readonly #lifelong = new WeakSet<Process>()

  constructor(
    lease: Lease | undefined,
    clock: Clock,
    bury: (process: Process, reason: unknown) => void,
  ) {
    this.#lease = lease
    this.#clock = clock
    this.#bury = bury
    lease?.onEnd(() => this.#fall())
  }

  /** False: the node has a lease, and there are processes that must not depend on it. */
  get isOpen(): boolean {
    return this.#lease === undefined
  }

  /** `lifelong`: whatever keys it has, until it is released. Without a lease that means nothing. */
  own(process: Process, lifelong: boolean): void {
    if (this.#lease === undefined || process.ended) return
    process.isOwner = true
    this.#owners.add(process)
    if (lifelong) this.#lifelong.add(process)
    this.holds(process)
  }

  /** It owns no key any more. */
  disown(process: Process): void {
    if (!this.#lifelong.has(process)) this.release(process)
  }

  /** It goes on whatever becomes of the lease: another node's process has taken over from it. */
  release(process: Process): void {
    if (process.ended) return
    this.#owners.delete(process)
    process.isOwner = false
  }

  forget(process: Process): void {
    this.#owners.delete(process)
  }

  /** Whether an owner may act now. If not, it has ended when this returns. */
  holds(process: Process): boolean {
    // In the middle of the end the lease is over already, and some owners have not ended yet.
    if (this.#lease?.check(this.#clock.now()) !== false) return true
    this.#bury(process, LEASE_LOST)
    return false
  }

  #fall(): void {
    for (const process of [...this.#owners]) this.#bury(process, LEASE_LOST)
  }
}
