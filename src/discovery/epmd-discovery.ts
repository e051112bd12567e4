/**
 * The nodes that the EPMD of this machine lists: every Erlang or Citadel node here. EPMD knows
 * them by itself, so announcing means nothing more than remembering which host they are on.
 */
import { CitadelError } from '../base/errors.js'
import { type DiscoveredNode, type Discovery, isNodeName, sortedNodes } from './discovery.js'

export interface EpmdDiscoveryOptions {
  /** Asks EPMD for the names it has, without hosts. */
  names(): Promise<Iterable<{ name: string }>>
  /** The host part of the names, unless the announced node has another. */
  host?: string
}

export class EpmdDiscovery implements Discovery {
  readonly #names: EpmdDiscoveryOptions['names']
  #host: string
  #self: DiscoveredNode | undefined
  #known: DiscoveredNode[] | undefined

  constructor(options: EpmdDiscoveryOptions) {
    this.#names = options.names
    this.#host = options.host ?? '127.0.0.1'
  }

  async announce(self: DiscoveredNode): Promise<void> {
    this.#self = self
    this.#host = self.name.slice(self.name.indexOf('@') + 1)
  }

  async withdraw(): Promise<void> {
    this.#self = undefined
  }

  async members(): Promise<DiscoveredNode[]> {
    try {
      this.#known = await this.#ask()
    } catch (cause) {
      if (this.#known === undefined) throw unanswered(cause)
    }
    return sortedNodes(this.#self === undefined ? this.#known : [this.#self, ...this.#known])
  }

  async close(): Promise<void> {}

  async #ask(): Promise<DiscoveredNode[]> {
    const rows: DiscoveredNode[] = []
    for (const { name } of await this.#names()) {
      const full = `${name}@${this.#host}`
      if (isNodeName(full)) rows.push({ name: full })
    }
    return rows
  }
}

function unanswered(cause: unknown): CitadelError {
  return new CitadelError(
    'discovery_failed',
    'EPMD on this machine does not answer: start it with `epmd -daemon`, or see that ' +
      'ERL_EPMD_PORT is the port it listens on',
    { cause },
  )
}
