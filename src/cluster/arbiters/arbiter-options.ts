/**
 * What users may write for `arbiter`, checked. A mistake is a `bad_argument` that shows how it is
 * meant.
 */
import { describe } from '../../base/describe.js'
import { CitadelError } from '../../base/errors.js'
import { type Rules, readOptions, rule } from '../../base/options.js'

export interface QuorumOptions {
  /**
   * The most nodes that ever run at the same time, those that are cut off or being replaced included.
   * A side with fewer than floor(size / 2) + 1 of them takes no keys and stops its owners.
   */
  readonly size: number
  /** How long owners may work without a sign of a majority; 6,000 ms unless given. */
  readonly leaseMs?: number | undefined
}

export interface EtcdTls {
  /** Certificates of who signed the servers' ones, as PEM; the system's unless given. */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined
  /** This node's own certificate and key, where the servers ask for them. */
  readonly cert?: string | Uint8Array | undefined
  readonly key?: string | Uint8Array | undefined
  readonly servername?: string | undefined
}

export interface EtcdOptions {
  /** `http://` or `https://` with host and port, one for each server. */
  readonly endpoints: readonly string[]
  /** What all keys in etcd begin with; `citadel/` unless given. Clusters that share an etcd need one each. */
  readonly prefix?: string | undefined
  /** How long a node that vanishes keeps its keys; 6 s unless given. */
  readonly ttlSeconds?: number | undefined
  readonly tls?: EtcdTls | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
}

/** Who decides that a key is yours: docs/arbiters.md says what each promises. */
export type ArbiterOption =
  | 'mesh'
  | ({ readonly type: 'mesh' } & { readonly quorum?: QuorumOptions | undefined })
  | ({ readonly type: 'etcd' } & EtcdOptions)

/** The same, with its defaults. */
export type ArbiterSettings =
  | { readonly type: 'mesh' }
  | { readonly type: 'quorum'; readonly size: number; readonly leaseMs: number }
  | ({ readonly type: 'etcd' } & Required<
      Pick<EtcdOptions, 'endpoints' | 'prefix' | 'ttlSeconds'>
    > &
      Pick<EtcdOptions, 'tls' | 'username' | 'password'>)

const LEASE_MS = 6_000
const LEASE_MIN_MS = 3_000
/** A node that was killed keeps its keys for that long. */
const LEASE_MAX_MS = 3_600_000
const TTL_SECONDS = 6
const TTL_MIN_SECONDS = 3
const PREFIX = 'citadel/'
const QUORUM_EXAMPLE =
  "{ type: 'mesh', quorum: { size: 3 } }, with leaseMs as an option beside size"
const ETCD_EXAMPLE =
  "{ type: 'etcd', endpoints: ['http://127.0.0.1:2379'] }, with prefix, ttlSeconds, tls, username and password as options"

type MeshOption = { readonly type: 'mesh'; readonly quorum?: QuorumOptions | undefined }
type EtcdOption = { readonly type: 'etcd' } & EtcdOptions

// Values are checked one by one below, with what they are good for.
const MESH_RULES: Rules<MeshOption> = { type: rule.text, quorum: rule.anything }
const QUORUM_RULES: Rules<QuorumOptions> = { size: rule.anything, leaseMs: rule.anything }
const ETCD_RULES: Rules<EtcdOption> = {
  type: rule.text,
  endpoints: rule.anything,
  prefix: rule.anything,
  ttlSeconds: rule.anything,
  tls: rule.object,
  username: rule.text,
  password: rule.text,
}
const TLS_RULES: Rules<EtcdTls> = {
  ca: rule.anything,
  cert: rule.anything,
  key: rule.anything,
  servername: rule.name,
}

export function arbiterSettings(option: ArbiterOption = 'mesh'): ArbiterSettings {
  if (option === 'mesh') return { type: 'mesh' }
  if (typeof option !== 'object' || option === null) throw notUnderstood(option)
  if (option.type === 'mesh') return mesh(option)
  if (option.type === 'etcd') return etcd(option)
  throw notUnderstood(option)
}

/** How long a lease lasts that nobody renews. */
export function leaseLengthMs(settings: ArbiterSettings): number {
  if (settings.type === 'mesh') return Number.POSITIVE_INFINITY
  return settings.type === 'quorum' ? settings.leaseMs : settings.ttlSeconds * 1_000
}

/** What nodes of one cluster must have in common, as a feature that they tell each other. */
export function arbiterFeature(settings: ArbiterSettings): string | undefined {
  if (settings.type === 'mesh') return undefined
  if (settings.type === 'quorum') return `arbiter:quorum:${settings.size}:${settings.leaseMs}`
  return `arbiter:etcd:${settings.prefix}`
}

function mesh(option: MeshOption): ArbiterSettings {
  // Without its quorum, what was meant to have one owner would have two: nothing is guessed here.
  const { quorum: given } = read<MeshOption>(option, MESH_RULES, QUORUM_EXAMPLE)
  if (given === undefined) return { type: 'mesh' }
  if (typeof given !== 'object' || given === null) throw notUnderstood(option)
  return quorum(read<QuorumOptions>(given, QUORUM_RULES, QUORUM_EXAMPLE))
}

function read<T extends object>(option: T, rules: Rules<T>, example: string): T {
  try {
    return readOptions('arbiter', option, rules)
  } catch (error) {
    if (!(error instanceof CitadelError)) throw error
    throw new CitadelError(error.code, `${error.message} It is meant like ${example}.`, {
      cause: error,
    })
  }
}

function quorum({ size, leaseMs = LEASE_MS }: QuorumOptions): ArbiterSettings {
  if (!Number.isInteger(size) || size < 1) {
    throw wrong(`quorum.size is the number of nodes, a whole number from 1, not ${describe(size)}`)
  }
  if (typeof leaseMs !== 'number' || !(leaseMs >= LEASE_MIN_MS && leaseMs <= LEASE_MAX_MS)) {
    throw wrong(
      `quorum.leaseMs is from ${LEASE_MIN_MS} to ${LEASE_MAX_MS} ms, not ${describe(leaseMs)}`,
    )
  }
  return { type: 'quorum', size, leaseMs }
}

function etcd(option: EtcdOption): ArbiterSettings {
  // A misspelt prefix would put two clusters into one.
  const options = read<EtcdOption>(option, ETCD_RULES, ETCD_EXAMPLE)
  const { endpoints, prefix = PREFIX, ttlSeconds = TTL_SECONDS, username, password } = options
  const tls = options.tls && readOptions('tls of arbiter', options.tls, TLS_RULES)
  checkEndpoints(endpoints)
  if (typeof prefix !== 'string' || prefix === '') throw wrong('prefix is a string, not empty')
  if ((username === undefined) !== (password === undefined)) {
    throw wrong('username and password go together')
  }
  for (const name of ['ca', 'cert', 'key'] as const) checkPem(name, tls?.[name])
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < TTL_MIN_SECONDS) {
    throw wrong(`ttlSeconds is a whole number from ${TTL_MIN_SECONDS}, not ${describe(ttlSeconds)}`)
  }
  return { type: 'etcd', endpoints, prefix, ttlSeconds, tls, username, password }
}

function checkEndpoints(endpoints: unknown): void {
  const needed = "etcd needs endpoints: ['http://127.0.0.1:2379'], one for each server"
  if (!Array.isArray(endpoints)) throw wrong(`${needed}, as an array, not ${describe(endpoints)}`)
  if (endpoints.length === 0) throw wrong(`${needed}, and there is none`)
  const isUrl = (text: unknown) =>
    typeof text === 'string' && /^https?:\/\/[^/]+:\d+\/?$/.test(text)
  for (const given of endpoints) {
    if (isUrl(given)) continue
    throw wrong(
      `${needed}: http:// or https://, a host and a port, no path, not ${describe(given)}`,
    )
  }
}

/** The path of a file would be taken for a file without certificates, and no server believed. */
function checkPem(name: string, given: EtcdTls['ca']): void {
  const texts = Array.isArray(given) ? given : [given]
  if (texts.some((text) => typeof text === 'string' && !text.includes('-----BEGIN'))) {
    throw wrong(`tls.${name} is what is in the PEM file, not its path: readFileSync('${name}.pem')`)
  }
}

const wrong = (what: string): CitadelError => new CitadelError('bad_argument', `arbiter: ${what}.`)

const notUnderstood = (option: unknown): CitadelError =>
  wrong(
    `there are 'mesh', { type: 'mesh', quorum: { size: 3 } } and { type: 'etcd', endpoints: [...] }, not ${describe(option)}`,
  )
