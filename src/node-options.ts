/** What users may give to `Citadel.start`, and what of it is checked before anything starts. */
import { describeQuoted } from './base/describe.js'
import { CitadelError } from './base/errors.js'
import type { Logger } from './base/log.js'
import { numberFrom, type Rules, readOptions, rule } from './base/options.js'
import type { World } from './base/world.js'
import type { ArbiterOption } from './cluster/arbiters/arbiter-options.js'
import type { Resolve } from './cluster/registry/registry.js'
import type { DiscoveryOption } from './discovery/discovery-options.js'
import type { Environment } from './environment.js'
import type { ServerModule } from './kernel/process-port.js'

export interface CitadelOptions {
  /** `name@host`; a free one on 127.0.0.1 unless given. */
  name?: string | undefined
  /** What all nodes of a cluster share. Else `CITADEL_COOKIE`, else Erlang's cookie file. */
  cookie?: string | undefined
  /** Classes that this node can start for every distributed supervisor it joins. */
  modules?: Readonly<Record<string, ServerModule>> | undefined
  /** How nodes find each other; see docs/discovery.md. Else `CITADEL_REDIS_URL`, else none. */
  discovery?: DiscoveryOption | undefined
  /** Nodes find those of their own domain only. Else `CITADEL_DOMAIN`, else `default`. */
  domain?: string | undefined
  /**
   * Which of two owners of a registry key stays, `a` or `b`, that a partition has left: `a`, the one with
   * the later epoch, unless given. It must answer the same on all nodes. With an arbiter that never
   * leaves two owners it is not asked.
   */
  resolve?: Resolve | undefined
  /** Who decides that a key is yours: the nodes among themselves (`mesh`), a majority of them, or etcd. */
  arbiter?: ArbiterOption | undefined
  /** Where warnings and errors go; standard error unless given. */
  logger?: Logger | undefined
  /** Where to listen: the host of the name, or loopback, and a free port unless given. */
  listen?: { host?: string | undefined; port?: number | undefined } | undefined
  /** Allows an address that other machines can reach, without TLS. */
  insecure?: boolean | undefined
  /** The port of EPMD; else `ERL_EPMD_PORT`, else 4369. */
  epmdPort?: number | undefined
  /** Sends local messages through the codec too, so that what cannot cross a wire fails here. */
  strictMessages?: boolean | undefined
  /** Messages a mailbox holds before calls to it reject `overloaded`; 100,000 unless given. */
  mailboxMax?: number | undefined
  /** Bytes of other nodes that wait in a mailbox before it refuses more of them; 64 MiB unless given. */
  mailboxMaxBytes?: number | undefined
  /** This node's share of children relative to the others; 1 unless given. */
  weight?: number | undefined
  /** What this node is for: supervisors that ask for a role run their children on nodes that have it. */
  roles?: readonly string[] | undefined
  /** Updates kept per scope for nodes that missed some; 20,000 unless given. */
  logMax?: number | undefined
  /** Time, chance and network: the simulator's, in tests. */
  world?: World | undefined
  environment?: Environment | undefined
}

export interface StopOptions {
  /** How long handing children over and answering the last calls may take in all; 25,000 ms. */
  budgetMs?: number | undefined
}

export interface WhenMembersOptions {
  /** 30,000 ms unless given. */
  timeoutMs?: number | undefined
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

/** What belongs into another option, by how it is meant there. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  quorum: "{ arbiter: { type: 'mesh', quorum: { size: 3 } } }",
  endpoints: "{ arbiter: { type: 'etcd', endpoints: ['http://127.0.0.1:2379'] } }",
  redis: '{ discovery: { url } }',
  host: '{ listen: { host } }',
  port: '{ listen: { port } }',
}

const RULES: Rules<CitadelOptions> = {
  name: [rule.text[0], 'a string, name@host'],
  cookie: rule.name,
  modules: rule.classes,
  // Arbiter and discovery read theirs on their own.
  discovery: rule.anything,
  arbiter: rule.anything,
  domain: rule.text,
  resolve: [rule.callback[0], 'a function (key, a, b) => a or b'],
  logger: [isLogger, 'an object with debug, info, warn and error'],
  listen: [rule.object[0], 'an object, { host, port }'],
  insecure: rule.flag,
  epmdPort: [(value) => value !== 0 && rule.port[0](value), 'a port, 1 to 65535'],
  strictMessages: rule.flag,
  mailboxMax: rule.count,
  mailboxMaxBytes: rule.count,
  weight: [(value) => numberFrom(0)[0](value) && Number.isFinite(value), 'a number from 0'],
  roles: rule.names,
  logMax: rule.count,
  world: rule.object,
  environment: rule.object,
}
const LISTEN_RULES: Rules<NonNullable<CitadelOptions['listen']>> = {
  host: rule.name,
  port: rule.port,
}
const WHEN_MEMBERS_RULES: Rules<WhenMembersOptions> = { timeoutMs: rule.milliseconds }
const STOP_RULES: Rules<StopOptions> = { budgetMs: rule.milliseconds }

/** @throws CitadelError `bad_argument` for what is not understood. */
export function readCitadelOptions(given: CitadelOptions | undefined): CitadelOptions {
  if (hasTls(given)) {
    throw new CitadelError(
      'bad_argument',
      'This release has no TLS yet; keep to loopback or a private network.',
    )
  }
  const options = readOptions('Citadel.start', given, RULES, ELSEWHERE)
  if (options.listen === undefined) return options
  return { ...options, listen: readOptions('listen', options.listen, LISTEN_RULES) }
}

export const readStopOptions = (given: StopOptions | undefined): StopOptions =>
  readOptions('stop', given, STOP_RULES)

export function readWhenMembers(
  count: unknown,
  given: WhenMembersOptions | undefined,
): WhenMembersOptions {
  if (Number.isInteger(count) && (count as number) >= 1) {
    return readOptions('whenMembers', given, WHEN_MEMBERS_RULES)
  }
  throw new CitadelError(
    'bad_argument',
    `whenMembers wants a whole number from 1, this node included, not ${describeQuoted(count)}.`,
  )
}

/** Why nobody on another machine can reach the node under its name; undefined: it can be reached. */
export function unreachableName(
  name: string,
  host: string,
  listenHost: string,
): string | undefined {
  if (isLoopback(host) || !isLoopback(listenHost)) return undefined
  return (
    `${name} listens on ${listenHost} only, so no other machine can reach it under that name: pass ` +
    `{ listen: { host: '${host}' }, insecure: true }, or name it after 127.0.0.1.`
  )
}

function hasTls(given: unknown): boolean {
  try {
    return (given as { tls?: unknown } | undefined)?.tls !== undefined
  } catch {
    return false
  }
}

function isLogger(value: unknown): boolean {
  const logger = value as Partial<Record<string, unknown>> | null
  return ['debug', 'info', 'warn', 'error'].every((level) => typeof logger?.[level] === 'function')
}
