/**
 * What stands in Redis, with the original's key names, so that both can share one server: a set of
 * names, and per node a key that expires unless its node lives. Our addresses are a key beside it.
 * Pure: the commands to write rows, and what rows read mean.
 *
 *     CITADEL:<domain>:nodes              set of names, never expires; dead names are pruned
 *     CITADEL:<domain>:node:<name>        OK, expires
 *     CITADEL:<domain>:node:<name>:addr   URIs with spaces between, expires
 */
import { type DiscoveredNode, isNodeName } from './discovery.js'
import type { RedisCommand } from './redis-connection.js'

/** Others may write here too: what is longer is not ours. */
const ADDRESSES_LENGTH_MAX = 4096
const ADDRESS = /^[a-z+]+:\/\/\S+$/

export interface Reading {
  /** Who is listed and alive. */
  nodes: DiscoveredNode[]
  /** Names in the set whose key is gone. */
  missing: string[]
}

export class RedisRows {
  readonly #prefix: string
  readonly #expiryMs: number

  constructor(domain: string, expiryMs: number) {
    this.#prefix = `CITADEL:${domain}`
    this.#expiryMs = expiryMs
  }

  /** All of it each time, so that an emptied Redis is filled again by the next heartbeat. */
  announce(self: DiscoveredNode): RedisCommand[] {
    const expiry = ['PX', String(this.#expiryMs)]
    const commands: RedisCommand[] = [
      ['SADD', this.#set, self.name],
      ['SET', this.#key(self.name), 'OK', ...expiry],
    ]
    const addresses = self.addresses ?? []
    if (addresses.length > 0) {
      commands.push(['SET', this.#addressKey(self.name), addresses.join(' '), ...expiry])
    }
    return commands
  }

  withdraw(name: string): RedisCommand[] {
    return [
      ['SREM', this.#set, name],
      ['DEL', this.#key(name), this.#addressKey(name)],
    ]
  }

  prune(names: readonly string[]): RedisCommand {
    return ['SREM', this.#set, ...names]
  }

  listNames(): RedisCommand {
    return ['SMEMBERS', this.#set]
  }

  /** The names of nodes in an answer to `listNames`. */
  namesIn(answer: unknown, namesMax: number): string[] {
    return Array.isArray(answer) ? answer.filter(isNodeName).slice(0, namesMax) : []
  }

  readNodes(names: readonly string[]): RedisCommand {
    return ['MGET', ...names.flatMap((name) => [this.#key(name), this.#addressKey(name)])]
  }

  /** What an answer to `readNodes` says. */
  reading(names: readonly string[], answer: unknown): Reading {
    const values: unknown[] = Array.isArray(answer) ? answer : []
    const reading: Reading = { nodes: [], missing: [] }
    names.forEach((name, index) => {
      const alive = values[index * 2] !== null && values[index * 2] !== undefined
      if (!alive) reading.missing.push(name)
      else reading.nodes.push(nodeOf(name, values[index * 2 + 1]))
    })
    return reading
  }

  get #set(): string {
    return `${this.#prefix}:nodes`
  }

  #key(name: string): string {
    return `${this.#prefix}:node:${name}`
  }

  #addressKey(name: string): string {
    return `${this.#prefix}:node:${name}:addr`
  }
}

function nodeOf(name: string, row: unknown): DiscoveredNode {
  if (typeof row !== 'string' || row.length > ADDRESSES_LENGTH_MAX) return { name }
  const addresses = row.split(/\s+/).filter((address) => ADDRESS.test(address))
  return addresses.length > 0 ? { name, addresses } : { name }
}
