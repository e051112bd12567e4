/**
 * A Discovery that a user has written, as the node speaks to it: what it throws or never answers is
 * told once and holds nobody up, and only what can be a node is taken from its list.
 */
import type { Clock } from '../base/clock.js'
import { describe, fieldOf } from '../base/describe.js'
import { CitadelError } from '../base/errors.js'
import { logFailure } from '../base/guard.js'
import type { Logger } from '../base/log.js'
import { QuietLog } from '../base/quiet-log.js'
import { type DiscoveredNode, type Discovery, isNodeName, sortedNodes } from './discovery.js'

/** How long any answer may take. */
const ANSWER_MS = 5_000
/** Of a list, and of the addresses of one node, no more is read. */
const NODES_MAX = 10_000
const ADDRESSES_MAX = 100

export class GuardedDiscovery implements Discovery {
  readonly #given: Discovery
  readonly #clock: Clock
  readonly #log: Logger
  readonly #quiet: QuietLog

  constructor(given: Discovery, { clock, log }: { clock: Clock; log: Logger }) {
    this.#given = given
    this.#clock = clock
    this.#log = log
    this.#quiet = new QuietLog(log, clock)
  }

  announce(self: DiscoveredNode): Promise<void> {
    return this.#tried('announce', () => this.#given.announce(self))
  }

  withdraw(): Promise<void> {
    return this.#tried('withdraw', () => this.#given.withdraw())
  }

  close(): Promise<void> {
    return this.#tried('close', () => this.#given.close())
  }

  async members(): Promise<DiscoveredNode[]> {
    try {
      return this.#nodes(await this.#inTime(() => this.#given.members()))
    } catch (cause) {
      const sentence = `members() of the discovery that was given failed: ${describe(cause)}`
      throw new CitadelError('discovery_failed', sentence, { cause })
    }
  }

  async #tried(method: string, work: () => unknown): Promise<void> {
    try {
      await this.#inTime(work)
    } catch (error) {
      logFailure(this.#log, `${method}() of the discovery that was given`, error)
    }
  }

  #inTime(work: () => unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(ANSWER_MS, () => {
        reject(new CitadelError('timeout', `it did not answer within ${ANSWER_MS} ms`))
      })
      const answer = (async () => work())()
      answer.then(resolve, reject).finally(() => timer.cancel())
    })
  }

  #nodes(listed: unknown): DiscoveredNode[] {
    if (!Array.isArray(listed)) throw new TypeError(`it answered ${describe(listed)}, not a list`)
    const nodes: DiscoveredNode[] = []
    for (const row of listed.slice(0, NODES_MAX) as unknown[]) {
      const node = nodeOf(row)
      if (node) nodes.push(node)
      else this.#quiet.warn('row', `discovery: ${describe(row)} is not { name: 'node@host' }`)
    }
    return sortedNodes(nodes)
  }
}

function nodeOf(row: unknown): DiscoveredNode | undefined {
  const name = fieldOf(row, 'name')
  if (typeof name !== 'string' || !isNodeName(name)) return undefined
  const addresses = fieldOf(row, 'addresses')
  if (!Array.isArray(addresses)) return { name }
  const texts = (addresses.slice(0, ADDRESSES_MAX) as unknown[]).filter(isText)
  return { name, addresses: texts }
}

const isText = (value: unknown): value is string => typeof value === 'string'
