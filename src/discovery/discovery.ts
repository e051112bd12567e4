/**
 * The Discovery port: where a node learns which others there are. What it answers are hints, never
 * facts: the handshake decides who a node is, and losing the discovery service hurts no running
 * cluster. Implementations are held to one behaviour by `test/contract/discovery.contract.ts`.
 */
/** Whether a row of a discovery service can be the name of a node. Others are left out. */
export { isNodeName } from '../base/node-name.js'

export interface DiscoveredNode {
  /** `name@host` */
  readonly name: string
  /** Where it listens, as URIs (`tcp://10.0.0.7:40113`), if known; else EPMD on its host is asked. */
  readonly addresses?: readonly string[]
}

export interface Discovery {
  /**
   * Makes this node findable from now on, until `withdraw`. Resolves when it was tried; an
   * unreachable service is logged, not thrown, and tried again until it works.
   */
  announce(self: DiscoveredNode): Promise<void>
  /** Makes this node unfindable, as far as the service can be reached. Never rejects. */
  withdraw(): Promise<void>
  /**
   * The nodes listed now, this one included, by name. When the service cannot be reached: those
   * listed last. Rejects `discovery_failed` only when nothing was ever read.
   */
  members(): Promise<DiscoveredNode[]>
  /** Ends all activity. Withdraws nothing. */
  close(): Promise<void>
}

/** Sorted by name, each name once: what `members()` answers. */
export function sortedNodes(nodes: Iterable<DiscoveredNode>): DiscoveredNode[] {
  const byName = new Map<string, DiscoveredNode>()
  for (const node of nodes) if (!byName.has(node.name)) byName.set(node.name, node)
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}
