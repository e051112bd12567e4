/**
 * The part of the driver that only quorum mode has: numbers the heads to each member, renews those of
 * others once all they had written before is here, and holds back what a death would free until no
 * promise is in the way.
 */
import type { Lease } from '../../base/lease.js'
import type { Logger } from '../../base/log.js'
import type { Claim, ClaimTable } from '../tables/claim-table.js'
import { Quorum, type QuorumSize } from './quorum.js'
import { Acceptor } from './quorum-acceptor.js'

export interface BeatsParts {
  readonly self: string
  readonly size: QuorumSize
  readonly lease: Lease
  readonly log: Logger
  now(): number
  /** Whether the rows of a member are all here. */
  synced(node: string): boolean
  /** All tables of claims, with what a node has in each. */
  claims(node: string): Iterable<{ table: ClaimTable; rows: ReadonlyMap<string, Claim> }>
  table(scope: string): ClaimTable
  sendRenewal(node: string, beat: number): void
}

export class Beats {
  readonly quorum: Quorum
  readonly acceptor: Acceptor
  /** The latest beat of each member that is to be renewed. */
  private readonly pending = new Map<string, number>()
  /** Members that are dead, and to whom a promise was made: which start of them. */
  private readonly dying = new Map<string, number>()

  constructor(private readonly parts: BeatsParts) {
    const { self, size, lease } = parts
    this.quorum = new Quorum(size, lease, parts.now())
    this.acceptor = new Acceptor(self, this.quorum, (scope) => parts.table(scope))
  }

  up(node: string, creation: number): void {
    this.dying.delete(node)
    if (this.quorum.nodeUp(node, creation, this.parts.now())) return
    const { size } = this.parts.size
    this.parts.log.error(
      `${node} has come as one node more than the quorum is for (size ${size}): it gets no keys from this one. Stop a node, or start all with a larger size.`,
    )
  }

  down(node: string): void {
    this.pending.delete(node)
    this.quorum.nodeDown(node)
  }

  /** Which start of a node is dead and keeps its keys for now. */
  dyingAs(node: string): number | undefined {
    return this.dying.get(node)
  }

  /** True: its keys stay its own for now, and `due` tells when they do not any more. */
  keepsKeys(node: string, creation: number): boolean {
    if (!this.quorum.isPromised(node, this.parts.now())) return false
    this.dying.set(node, creation)
    return true
  }

  /** The dead to whom no promise binds this node any more. */
  due(): [node: string, creation: number][] {
    const now = this.parts.now()
    return [...this.dying].filter(([node]) => !this.quorum.isPromised(node, now))
  }

  /** When the next of them is due. */
  get dueAt(): number | undefined {
    const times = [...this.dying.keys()].map((node) => this.quorum.promisedUntil(node))
    return times.length === 0 ? undefined : Math.min(...times)
  }

  gone(node: string): void {
    this.dying.delete(node)
    this.pending.delete(node)
    this.quorum.nodeGone(node, this.parts.now())
  }

  /** The number that goes out with the heads to `node`. */
  next(node: string): number {
    return this.quorum.beatTo(node, this.parts.now())
  }

  came(node: string, beat: number): void {
    this.quorum.beatFrom(node, beat)
    if (beat > 0 && this.quorum.serves(node)) this.pending.set(node, beat)
    this.renewAll()
  }

  renewed(node: string, beat: number): void {
    this.quorum.renewedBy(node, beat, this.parts.now())
  }

  /** Renews what can be renewed by now. */
  renewAll(): void {
    const now = this.parts.now()
    if (this.pending.size === 0 || !this.quorum.isReady(now)) return
    for (const [node, beat] of this.pending) {
      if (!this.parts.synced(node) || this.isContested(node, now)) continue
      this.pending.delete(node)
      this.quorum.promise(node, now)
      this.parts.sendRenewal(node, beat)
    }
  }

  private isContested(node: string, now: number): boolean {
    for (const { table, rows } of this.parts.claims(node)) {
      if (!this.acceptor.mayRenew(node, table, rows, now)) return true
    }
    return false
  }
}
