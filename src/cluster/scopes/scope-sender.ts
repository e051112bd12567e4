/** What the scopes of a node send to its members: updates, heads, claims; encoded once for all. */

import type { QuietLog } from '../../base/quiet-log.js'
import type { Encoded } from '../../distribution/control-writer.js'
import type { Arbiter } from '../arbiters/arbiter.js'
import type { Beats } from '../arbiters/quorum-driver.js'
import type { ViewTracker } from '../arbiters/view.js'
import { ClaimTable } from '../tables/claim-table.js'
import type { Scope } from '../tables/scope.js'
import type { ScopeMessage } from './scope-message.js'
import type { ScopeSet } from './scope-set.js'

export const SCOPES_ENDPOINT = 'citadel_scopes'
const CLAIMS_PER_MESSAGE = 500

export interface SenderMesh {
  encode(message: unknown): Encoded
  sendEncoded(node: string, endpoint: string, encoded: Encoded): boolean
}

export class ScopeSender {
  constructor(
    private readonly mesh: SenderMesh,
    private readonly views: ViewTracker,
    private readonly scopes: Pick<ScopeSet, 'replicas' | 'told'>,
    /** The members that can be reached. */
    private readonly up: ReadonlySet<string>,
    private readonly log: QuietLog,
  ) {}

  /** What the replicas have written, and what they want to say. */
  updates(): void {
    for (const replica of this.scopes.replicas()) {
      replica.flush()
      this.drain(replica)
    }
  }

  drain({ outgoing }: Scope['replica']): void {
    for (const { to, message } of outgoing) {
      if (to === undefined) this.broadcast(message)
      else this.send(to, message)
    }
    outgoing.length = 0
  }

  /** To one member, or to all that are up. Rows go first, so that no report overtakes them. */
  heads(arbiter: Arbiter, beats: Beats | undefined, to?: string): void {
    this.updates()
    const view = this.views.current.id
    const oldest = arbiter.oldestRequest()
    const told = [...this.scopes.told()]
    for (const node of to === undefined ? this.up : [to]) {
      const heads = told.map(([name, { replica, table }]) => {
        const { living, all } = replica.digests
        const mark = table instanceof ClaimTable ? table.epochMax : living
        return [name, replica.out.seq, replica.applied(node), mark, all] as const
      })
      this.send(node, ['h', view, heads, oldest, beats?.next(node) ?? 0])
    }
  }

  /** In parts, so that who gets them, and this node when it gets the answers, can do other work between. */
  requests({ requests }: Arbiter): void {
    for (const [node, list] of requests) {
      for (let i = 0; i < list.length; i += CLAIMS_PER_MESSAGE) {
        this.send(node, ['q', list.slice(i, i + CLAIMS_PER_MESSAGE)])
      }
    }
    requests.clear()
  }

  private broadcast(message: ScopeMessage): void {
    if (this.up.size === 0) return
    const encoded = this.encoded(message)
    if (!encoded) return
    for (const node of this.up) this.mesh.sendEncoded(node, SCOPES_ENDPOINT, encoded)
  }

  /** How many bytes the message has. */
  send(node: string, message: ScopeMessage): number {
    const encoded = this.encoded(message)
    if (!encoded) return 0
    this.mesh.sendEncoded(node, SCOPES_ENDPOINT, encoded)
    return encoded.bytes.length
  }

  /** Rows are copies that nobody can change, so all of them can be sent; if one cannot, the others go on. */
  private encoded(message: ScopeMessage): Encoded | undefined {
    try {
      return this.mesh.encode(message)
    } catch (error) {
      this.log.failure('rows', `Rows of ${String(message[1])} cannot be sent`, error)
      return undefined
    }
  }
}
