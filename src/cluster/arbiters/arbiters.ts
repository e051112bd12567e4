/**
 * The arbiters that nodes carry out among themselves, put together: the mesh's homes, and a quorum.
 * Others, such as etcd, come from whoever makes the driver of the scopes.
 */
import type { Lease } from '../../base/lease.js'
import type { Logger } from '../../base/log.js'
import type { ClaimTable } from '../tables/claim-table.js'
import type { Scope } from '../tables/scope.js'
import type { Arbiter } from './arbiter.js'
import { Claimant } from './mesh-claimant.js'
import { Home } from './mesh-home.js'
import type { QuorumSize } from './quorum.js'
import { QuorumClaimant } from './quorum-claimant.js'
import { Beats } from './quorum-driver.js'
import type { ViewTracker } from './view.js'

/** What the driver gives to an arbiter. */
export interface ArbiterParts {
  readonly self: { readonly node: string; readonly creation: number }
  readonly views: ViewTracker
  readonly log: Logger
  now(): number
  table(scope: string): ClaimTable
  /** All scopes of claims there are. */
  claimScopes(): Iterable<Scope<'c'>>
  /** Whether a member can be reached; true of this node. */
  isUp(node: string): boolean
  /** Whether the rows of a member are all here. */
  synced(node: string): boolean
  /** Whether this node has looked for others since it started. */
  hasLooked(): boolean
  sendRenewal(node: string, beat: number): void
  /** The arbiter has something to send, or wants `tick` earlier than it said. */
  changed(): void
}

export interface Decider {
  readonly arbiter: Arbiter
  /** In quorum mode. */
  readonly beats?: Beats
}

export type ArbiterFactory = (parts: ArbiterParts) => Decider

export const meshArbiter: ArbiterFactory = (parts) => {
  const tables = (scope: string): ClaimTable => parts.table(scope)
  const peers = {
    reachable: (node: string) => parts.isUp(node),
    synced: (node: string) => parts.synced(node),
    hasLooked: () => parts.hasLooked(),
  }
  const home = new Home(parts.views, tables)
  return { arbiter: new Claimant(parts.self, parts.views, home, tables, peers) }
}

export const quorumArbiter =
  (size: QuorumSize, lease: Lease): ArbiterFactory =>
  (parts) => {
    const { self, log, views } = parts
    const tables = (scope: string): ClaimTable => parts.table(scope)
    const beats = new Beats({
      self: self.node,
      size,
      lease,
      log,
      now: () => parts.now(),
      synced: (node) => parts.synced(node),
      *claims(node) {
        for (const { table, replica } of parts.claimScopes()) {
          const rows = replica.origin(node)?.rows
          if (rows) yield { table, rows: rows as never }
        }
      },
      table: tables,
      sendRenewal: (node, beat) => parts.sendRenewal(node, beat),
    })
    const reachable = () => views.current.members.filter(({ node }) => parts.isUp(node))
    const { quorum, acceptor } = beats
    return { arbiter: new QuorumClaimant(self, quorum, lease, acceptor, tables, reachable), beats }
  }
