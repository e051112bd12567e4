/** What users may give to `Citadel.start`, and what of it is checked before anything starts. */
import { inspect } from 'node:util'
import { CitadelError } from './base/errors.js'
import type { Logger } from './base/log.js'
import type { World } from './base/world.js'
import type { ArbiterOption } from './cluster/arbiter-options.js'
import type { ServerModule } from './cluster/process-port.js'
import type { Resolve } from './cluster/registry.js'
import type { DiscoveryOption } from './discovery/discovery-options.js'
import type { Environment } from './environment.js'

export interface CitadelOptions {
  /** `name@host`; a free one on 127.0.0.1 unless given. */
  name?: string
  /** What all nodes of a cluster share. Else `CITADEL_COOKIE`, else Erlang's cookie file. */
  cookie?: string
  /** Classes that this node can start for every distributed supervisor it joins. */
  modules?: Readonly<Record<string, ServerModule>>
  /** How nodes find each other; see docs/discovery.md. Else `CITADEL_REDIS_URL`, else none. */
  discovery?: DiscoveryOption
  /** Nodes find those of their own domain only. Else `CITADEL_DOMAIN`, else `default`. */
  domain?: string
  /**
   * Which of two owners of a registry key stays, `a` or `b`, that a partition has left: `a`, the one with
   * the later epoch, unless given. It must answer the same on all nodes. With an arbiter that never
   * leaves two owners it is not asked.
   */
  resolve?: Resolve
  /** Who decides that a key is yours: the nodes among themselves (`mesh`), a majority of them, or etcd. */
  arbiter?: ArbiterOption
  /** Where warnings and errors go; standard error unless given. */
  logger?: Logger
  /** Where to listen: the host of the name, or loopback, and a free port unless given. */
  listen?: { host?: string; port?: number }
  /** Allows an address that other machines can reach, without TLS. */
  insecure?: boolean
  /** The port of EPMD; else `ERL_EPMD_PORT`, else 4369. */
  epmdPort?: number
  /** Sends local messages through the codec too, so that what cannot cross a wire fails here. */
  strictMessages?: boolean
  /** Messages a mailbox holds before calls to it reject `overloaded`; 100,000 unless given. */
  mailboxMax?: number
  /** This node's share of children relative to the others; 1 unless given. */
  weight?: number
  /** What this node is for: supervisors that ask for a role run their children on nodes that have it. */
  roles?: readonly string[]
  /** Updates kept per scope for nodes that missed some; 20,000 unless given. */
  logMax?: number
  /** Time, chance and network: the simulator's, in tests. */
  world?: World
  environment?: Environment
}

export interface StopOptions {
  /** How long handing children over and answering the last calls may take in all; 25,000 ms. */
  budgetMs?: number
}

export function listenAddress(
  { listen = {}, insecure }: CitadelOptions,
  host: string,
): { host: string; port: number } {
  const address = {
    host: listen.host ?? (isLoopback(host) ? host : '127.0.0.1'),
    port: listen.port ?? 0,
  }
  if (!insecure && !isLoopback(address.host)) {
    throw new CitadelError(
      'bad_argument',
      `Listening on ${address.host} lets other machines in, in clear text; pass { insecure: true } if you mean it.`,
    )
  }
  return address
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

/** @throws CitadelError `bad_argument` for what is not understood. */
export function checkOptions(options: CitadelOptions): void {
  const { tls } = options as CitadelOptions & { tls?: unknown }
  if (tls !== undefined) {
    throw new CitadelError(
      'bad_argument',
      'This release has no TLS yet; keep to loopback or a private network.',
    )
  }
  checkNames(options)
  checkValues(options)
}

/** All there are: a compiler sees to it that none is missing. */
const NAMES: Readonly<Record<keyof CitadelOptions, true>> = {
  name: true,
  cookie: true,
  modules: true,
  discovery: true,
  domain: true,
  resolve: true,
  arbiter: true,
  logger: true,
  listen: true,
  insecure: true,
  epmdPort: true,
  strictMessages: true,
  mailboxMax: true,
  weight: true,
  roles: true,
  logMax: true,
  world: true,
  environment: true,
}
/** What belongs into another option, by how it is meant there. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  quorum: "{ arbiter: { type: 'mesh', quorum: { size: 3 } } }",
  endpoints: "{ arbiter: { type: 'etcd', endpoints: ['http://127.0.0.1:2379'] } }",
  redis: '{ discovery: { url } }',
}

/** An option that is passed over in silence, such as a misspelt arbiter, would cost more than an error. */
function checkNames(options: CitadelOptions): void {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(NAMES, name))
  if (unknown === undefined) return
  const advice = Object.hasOwn(ELSEWHERE, unknown)
    ? `: it is meant like ${ELSEWHERE[unknown]}`
    : `; there are ${Object.keys(NAMES).slice(0, -2).join(', ')}`
  throw new CitadelError('bad_argument', `Citadel.start has no option '${unknown}'${advice}.`)
}

function checkValues(options: CitadelOptions): void {
  const { cookie, weight, mailboxMax, logMax, epmdPort, listen } = options
  if (cookie !== undefined && (typeof cookie !== 'string' || cookie === '')) {
    throw new CitadelError('bad_argument', 'cookie is a string that is not empty.')
  }
  const check = (name: string, value: unknown, isValid: (n: number) => boolean, what: string) => {
    if (value === undefined || (typeof value === 'number' && isValid(value))) return
    throw new CitadelError('bad_argument', `${name} is ${what}, not ${inspect(value)}.`)
  }
  const isCount = (n: number) => n >= 1 && (Number.isInteger(n) || n === Number.POSITIVE_INFINITY)
  const isPort = (n: number) => Number.isInteger(n) && n >= 0 && n <= 65_535
  check('weight', weight, (n) => n >= 0 && Number.isFinite(n), 'a number from 0')
  check('mailboxMax', mailboxMax, isCount, 'a whole number from 1')
  check('logMax', logMax, isCount, 'a whole number from 1')
  check('epmdPort', epmdPort, (n) => isPort(n) && n > 0, 'a port, 1 to 65535')
  check('listen.port', listen?.port, isPort, 'a port, 0 to 65535')
}
