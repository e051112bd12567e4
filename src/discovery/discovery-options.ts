/**
 * What users may write for `discovery`, and what CITADEL_REDIS_URL and CITADEL_DOMAIN say when they
 * write nothing, turned into a Discovery. A mistake is a `bad_argument` that shows how it is meant.
 */
import type { Clock } from '../base/clock.js'
import type { Cookie } from '../base/cookie.js'
import { isA } from '../base/describe.js'
import { CitadelError } from '../base/errors.js'
import type { Logger } from '../base/log.js'
import { oneOf, type Rules, readOptions, rule } from '../base/options.js'
import type { Random } from '../base/random.js'
import type { DiscoveredNode, Discovery } from './discovery.js'
import { DnsDiscovery, type DnsDiscoveryOptions } from './dns-discovery.js'
import { EpmdDiscovery, type EpmdDiscoveryOptions } from './epmd-discovery.js'
import { GuardedDiscovery } from './guarded-discovery.js'
import type { RedisClient, RedisTls } from './redis-connection.js'
import { RedisDiscovery } from './redis-discovery.js'
import { StaticDiscovery } from './static-discovery.js'

export type DiscoveryOption =
  /** The nodes that this machine's EPMD lists. */
  | 'epmd'
  /** `redis://` or `rediss://` */
  | string
  | { url: string; domain?: string | undefined; tls?: RedisTls | undefined }
  | { client: RedisClient; domain?: string | undefined }
  | { static: readonly (string | DiscoveredNode)[] }
  | { dns: string | DnsDiscoveryOptions }
  | Discovery
  /** None, whatever the environment says. */
  | false

export interface DiscoveryContext {
  /** The values of CITADEL_REDIS_URL and CITADEL_DOMAIN. */
  environment: { redisUrl?: string | undefined; domain?: string | undefined }
  cookie?: Cookie
  clock: Clock
  random: Random
  log: Logger
  /** Asks the machine's EPMD for its names. */
  epmdNames: EpmdDiscoveryOptions['names']
}

const DOMAIN_DEFAULT = 'default'
const DOMAIN = /^[^\s\p{Cc}]{1,200}$/u

/** Undefined: nothing is set, so nodes are connected by hand. */
export function createDiscovery(
  option: DiscoveryOption | undefined,
  context: DiscoveryContext,
): Discovery | undefined {
  if (option === false) return undefined
  if (option === undefined || option === '') return fromEnvironment(context)
  if (option === 'epmd') return new EpmdDiscovery({ names: context.epmdNames })
  if (typeof option === 'string') return redis({ url: option }, undefined, context)
  if (typeof option !== 'object' || option === null) throw notUnderstood(option)
  return fromObject(option, context)
}

interface DiscoveryObject {
  url?: string
  domain?: string
  tls?: RedisTls
  client?: RedisClient
  static?: readonly (string | DiscoveredNode)[]
  dns?: string | DnsDiscoveryOptions
}

const RULES: Rules<DiscoveryObject> = {
  url: rule.text,
  domain: rule.text,
  tls: rule.anything,
  client: rule.object,
  static: rule.list,
  dns: [(value) => rule.name[0](value) || rule.object[0](value), 'a name, or an object with one'],
}
const DNS_RULES: Rules<DnsDiscoveryOptions> = {
  name: rule.name,
  node: rule.name,
  type: oneOf('A', 'SRV'),
  port: rule.port,
  resolver: rule.object,
}

function fromObject(option: object, context: DiscoveryContext): Discovery {
  if (isDiscovery(option)) return isOurs(option) ? option : new GuardedDiscovery(option, context)
  if (hasMethods(option)) throw notUnderstood(option)
  const read = readOptions<DiscoveryObject>('discovery', option, RULES)
  const { url, domain, tls, client, static: nodes, dns } = read
  if (nodes) return new StaticDiscovery(nodes)
  if (typeof dns === 'string') return new DnsDiscovery({ name: dns })
  if (dns) {
    const found = new DnsDiscovery(readOptions('discovery by DNS', dns, DNS_RULES))
    return dns.resolver ? new GuardedDiscovery(found, context) : found
  }
  if (client) return redis({ client }, domain, context)
  if (url !== undefined) return redis({ url, tls }, domain, context)
  throw notUnderstood(option)
}

function fromEnvironment(context: DiscoveryContext): Discovery | undefined {
  const url = context.environment.redisUrl
  return url ? redis({ url }, undefined, context) : undefined
}

function redis(
  where: { url?: string; client?: RedisClient; tls?: RedisTls | undefined },
  domain: string | undefined,
  { environment, cookie, clock, random, log }: DiscoveryContext,
): Discovery {
  const name = domain ?? (environment.domain || DOMAIN_DEFAULT)
  if (!DOMAIN.test(name)) {
    throw new CitadelError(
      'bad_argument',
      `${JSON.stringify(name)} cannot be a domain: use 1 to 200 characters without spaces, for ` +
        "example CITADEL_DOMAIN='production'",
    )
  }
  return new RedisDiscovery({ ...where, domain: name, cookie, clock, random, log })
}

const METHODS = ['announce', 'withdraw', 'members', 'close'] as const

function isDiscovery(option: object): option is Discovery {
  const candidate = option as Partial<Discovery>
  return METHODS.every((method) => typeof candidate[method] === 'function')
}

const OURS: readonly (abstract new (...args: never[]) => Discovery)[] = [
  DnsDiscovery,
  EpmdDiscovery,
  RedisDiscovery,
  StaticDiscovery,
]

const isOurs = (discovery: object): boolean => OURS.some((known) => isA(discovery, known))

const hasMethods = (option: object): boolean => METHODS.some((method) => method in option)

function notUnderstood(option: unknown): CitadelError {
  return new CitadelError(
    'bad_argument',
    `the option \`discovery\` is not understood (${typeof option}): write 'redis://host:6379', ` +
      "{ client, domain }, { static: ['n1@host'] }, { dns: 'service.name' }, 'epmd', false, or " +
      'an object with announce, withdraw, members and close',
  )
}
