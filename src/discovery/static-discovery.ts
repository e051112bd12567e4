/** A fixed list of nodes, given by the user. The node itself counts as listed while announced. */
import { CitadelError } from '../base/errors.js'
import { type DiscoveredNode, type Discovery, isNodeName, sortedNodes } from './discovery.js'

export class StaticDiscovery implements Discovery {
  readonly #nodes: DiscoveredNode[]
  #self: DiscoveredNode | undefined

  constructor(nodes: Iterable<string | DiscoveredNode>) {
    this.#nodes = [...nodes].map((node) => (typeof node === 'string' ? { name: node } : node))
    for (const { name } of this.#nodes) {
      if (!isNodeName(name)) throw badName(name)
    }
  }

  async announce(self: DiscoveredNode): Promise<void> {
    this.#self = self
  }

  async withdraw(): Promise<void> {
    this.#self = undefined
  }

  async members(): Promise<DiscoveredNode[]> {
    return sortedNodes(this.#self === undefined ? this.#nodes : [this.#self, ...this.#nodes])
  }

  async close(): Promise<void> {}
}

function badName(name: unknown): CitadelError {
  return new CitadelError(
    'bad_argument',
    `${JSON.stringify(name)} is not the name of a node: write it as 'name@host', ` +
      "for example 'n1@127.0.0.1'",
  )
}
