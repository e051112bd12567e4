/**
 * Nodes by DNS, as a Kubernetes headless service lists them: one A or AAAA record per node, or SRV
 * records with a port each. DNS is kept by somebody else, so announcing changes nothing there.
 * Asked anew each time; an answer is never kept longer than the service fails to answer.
 */
import { Resolver } from 'node:dns/promises'
import { CitadelError } from '../base/errors.js'
import { type DiscoveredNode, type Discovery, isNodeName, sortedNodes } from './discovery.js'

/** The part of `node:dns/promises` that is used. */
export interface DnsResolver {
  resolve4(name: string): Promise<string[]>
  resolve6(name: string): Promise<string[]>
  resolveSrv(name: string): Promise<{ name: string; port: number }[]>
}

export interface DnsDiscoveryOptions {
  /** What to look up: `citadel.default.svc.cluster.local`. */
  name: string
  /** The part of the nodes' names before the `@`. Default: that of the node announced. */
  node?: string | undefined
  /** Addresses (the default), or SRV records. */
  type?: 'A' | 'SRV' | undefined
  /** The port all nodes listen on, if it is fixed; else EPMD on their hosts is asked. */
  port?: number | undefined
  resolver?: DnsResolver | undefined
}

/** "No such name" is an answer: there are no nodes. Everything else is a failure to answer. */
const EMPTY_CODES: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'ENODATA'])
const ASK_TIMEOUT_MS = 1000
const ASK_TRIES = 2

export class DnsDiscovery implements Discovery {
  readonly #options: DnsDiscoveryOptions
  readonly #resolver: DnsResolver
  #self: DiscoveredNode | undefined
  #known: DiscoveredNode[] | undefined

  constructor(options: DnsDiscoveryOptions) {
    this.#options = options
    this.#resolver = options.resolver ?? new Resolver({ timeout: ASK_TIMEOUT_MS, tries: ASK_TRIES })
  }

  async announce(self: DiscoveredNode): Promise<void> {
    this.#self = self
  }

  async withdraw(): Promise<void> {
    this.#self = undefined
  }

  async members(): Promise<DiscoveredNode[]> {
    try {
      this.#known = await this.#ask()
    } catch (cause) {
      if (this.#known === undefined) throw this.#unanswered(cause)
    }
    return sortedNodes(this.#self === undefined ? this.#known : [this.#self, ...this.#known])
  }

  async close(): Promise<void> {}

  async #ask(): Promise<DiscoveredNode[]> {
    const { name, port, type = 'A' } = this.#options
    if (type === 'SRV') {
      const records = await orEmpty(this.#resolver.resolveSrv(name))
      return this.#nodes(records.map((record) => ({ host: record.name, port: record.port })))
    }
    const both = await Promise.all([
      orEmpty(this.#resolver.resolve4(name)),
      orEmpty(this.#resolver.resolve6(name)),
    ])
    return this.#nodes(both.flat().map((host) => ({ host, port })))
  }

  #nodes(hosts: { host: string; port: number | undefined }[]): DiscoveredNode[] {
    const own = this.#self?.name
    const node = this.#options.node ?? own?.slice(0, own.indexOf('@')) ?? 'citadel'
    const rows: DiscoveredNode[] = []
    for (const { host, port } of hosts) {
      const name = `${node}@${host}`
      if (!isNodeName(name)) continue
      const where = host.includes(':') ? `[${host}]` : host
      rows.push(port === undefined ? { name } : { name, addresses: [`tcp://${where}:${port}`] })
    }
    return rows
  }

  #unanswered(cause: unknown): CitadelError {
    return new CitadelError(
      'discovery_failed',
      `DNS does not answer for ${this.#options.name}: check the name in \`discovery.dns\` and ` +
        'the resolver of this machine; the node goes on asking',
      { cause },
    )
  }
}

async function orEmpty<T>(answer: Promise<T[]>): Promise<T[]> {
  try {
    return await answer
  } catch (error) {
    if (EMPTY_CODES.has((error as NodeJS.ErrnoException).code)) return []
    throw error
  }
}
