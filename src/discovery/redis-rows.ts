/**
 * What stands in Redis, with the original's key names, so that both can share one server: a set of
 * names, and per node a key that expires unless its node lives. Our addresses are a key beside it,
 * signed with the cookie, since anybody who can write to Redis could have a node dial him.
 * Pure: the commands to write rows, and what rows read mean. Others may have put anything there, of any size.
 *
 *     CITADEL:<domain>:nodes              set of names, never expires; dead names are pruned
 *     CITADEL:<domain>:node:<name>        OK, expires
 *     CITADEL:<domain>:node:<name>:addr   URIs with spaces between, `signed:<time>:<signature>`, expires
 */
import type { Cookie } from '../base/cookie.js'
import { type DiscoveredNode, isNodeName } from './discovery.js'
import type { RedisCommand } from './redis-connection.js'

/** Others may write here too: what is longer is not ours. */
const ADDRESSES_LENGTH_MAX = 4096
const ALIVE_LENGTH_MAX = 16
/** Names that Redis is asked for at a time. */
const SCAN_COUNT = 1_000
const ADDRESS = /^[a-z+]+:\/\/\S+$/
const SIGNED = /^(.*) signed:(\d{1,15}):([\w-]{43})$/s
const PURPOSE = 'addresses in Redis'
/** How far the clocks of two machines may differ, and how long an old row can be shown again. */
const SIGNED_FOR_MS = 600_000

export interface Reading {
  /** Who is listed and alive. */
  nodes: DiscoveredNode[]
  /** Names in the set whose key is gone. */
  missing: string[]
  /** Nodes whose addresses nobody with the cookie wrote lately: they are left out. */
  unsigned: string[]
}

export class RedisRows {
  readonly #domain: string
  readonly #prefix: string
  readonly #expiryMs: number
  readonly #cookie: Cookie | undefined

  constructor(domain: string, expiryMs: number, cookie?: Cookie) {
    this.#domain = domain
    this.#prefix = `CITADEL:${domain}`
    this.#expiryMs = expiryMs
    this.#cookie = cookie
  }

  /** All of it each time, so that an emptied Redis is filled again by the next heartbeat. */
  announce(self: DiscoveredNode, wallTime: number): RedisCommand[] {
    const expiry = ['PX', String(this.#expiryMs)]
    const commands: RedisCommand[] = [
      ['SADD', this.#set, self.name],
      ['SET', this.#key(self.name), 'OK', ...expiry],
    ]
    const addresses = self.addresses ?? []
    if (addresses.length > 0) {
      const row = this.#sign(self.name, addresses.join(' '), Math.round(wallTime))
      commands.push(['SET', this.#addressKey(self.name), row, ...expiry])
    }
    return commands
  }

  #sign(name: string, addresses: string, time: number): string {
    if (this.#cookie === undefined) return addresses
    const signature = this.#cookie.sign(PURPOSE, this.#signedText(name, addresses, time))
    return `${addresses} signed:${time}:${signature}`
  }

  #signedText(name: string, addresses: string, time: number): string {
    return [this.#domain, name, addresses, time].join('\n')
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

  /** A part of the names; from '0' on until that is the cursor again. */
  listNames(cursor: string): RedisCommand {
    return ['SSCAN', this.#set, cursor, 'COUNT', String(SCAN_COUNT)]
  }

  /** The names of nodes in an answer to `listNames`, and where to go on. */
  namesIn(answer: unknown): { names: string[]; cursor: string } {
    const [cursor, names] = Array.isArray(answer) ? answer : []
    return {
      names: Array.isArray(names) ? names.filter(isNodeName) : [],
      cursor: typeof cursor === 'string' ? cursor : '0',
    }
  }

  /** Two commands for each name, which cannot bring more than a little. */
  readNodes(names: readonly string[]): RedisCommand[] {
    return names.flatMap((name) => [
      ['GETRANGE', this.#key(name), '0', String(ALIVE_LENGTH_MAX)],
      ['GETRANGE', this.#addressKey(name), '0', String(ADDRESSES_LENGTH_MAX)],
    ])
  }

  /** What the answers to `readNodes` say. */
  reading(names: readonly string[], answers: readonly unknown[], wallTime: number): Reading {
    const reading: Reading = { nodes: [], missing: [], unsigned: [] }
    names.forEach((name, index) => {
      const row = answers[index * 2 + 1]
      if (!isText(answers[index * 2])) reading.missing.push(name)
      else if (!isText(row)) reading.nodes.push({ name })
      else {
        const addresses = this.#addressesIn(name, row, wallTime)
        if (addresses === undefined) reading.unsigned.push(name)
        reading.nodes.push(addresses?.length ? { name, addresses } : { name })
      }
    })
    return reading
  }

  /** Undefined: nobody who knows the cookie wrote them lately. */
  #addressesIn(name: string, row: string, wallTime: number): string[] | undefined {
    if (row.length > ADDRESSES_LENGTH_MAX) return undefined
    if (this.#cookie === undefined) return addressesOf(row)
    const [, addresses = '', time = '', signature = ''] = SIGNED.exec(row) ?? []
    const isRecent = Math.abs(wallTime - Number(time)) <= SIGNED_FOR_MS
    const text = this.#signedText(name, addresses, Number(time))
    if (!isRecent || !this.#cookie.isSignature(signature, PURPOSE, text)) return undefined
    return addressesOf(addresses)
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

/** A key that is not there is an empty text, or null. */
const isText = (answer: unknown): answer is string => typeof answer === 'string' && answer !== ''

const addressesOf = (row: string): string[] =>
  row.split(/\s+/).filter((address) => ADDRESS.test(address))
