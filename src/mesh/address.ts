/**
 * Listen addresses as URIs, `tcp://127.0.0.1:40113`: how a capability carries them. What a peer tells is compared
 * after it was parsed: `2130706433`, `0x7f.1` and `[::ffff:127.0.0.1]` are all loopback to the system.
 */
import { BlockList, isIP } from 'node:net'
import type { Address } from '../base/transport.js'

const TCP = /^tcp:\/\/(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+):(\d{1,5})$/

export const addressUri = ({ host, port }: Address): string =>
  host.includes(':') ? `tcp://[${host}]:${port}` : `tcp://${host}:${port}`

/** Undefined for what this release cannot dial. */
export function parseAddress(uri: string): Address | undefined {
  const match = TCP.exec(uri)
  if (!match) return undefined
  const port = Number(match[2])
  const host = plainHost(match[1]!)
  if (host === undefined || port < 1 || port > 65_535) return undefined
  return { host, port }
}

/** As the system understands it; undefined: it is no host. */
export function plainHost(host: string): string | undefined {
  const bare = host.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  try {
    const { hostname } = new URL(`http://${bare.includes(':') ? `[${bare}]` : bare}/`)
    return hostname.replace(/^\[|\]$/g, '') || undefined
  } catch {
    return undefined
  }
}

const blocks = (subnets: readonly [string, number, 'ipv4' | 'ipv6'][]): BlockList => {
  const list = new BlockList()
  for (const [net, prefix, family] of subnets) list.addSubnet(net, prefix, family)
  return list
}

const LOOPBACK = blocks([
  ['127.0.0.0', 8, 'ipv4'],
  ['::1', 128, 'ipv6'],
])
/** Nobody else listens there: "this host", many hosts at once, what is reserved. */
const NOWHERE = blocks([
  ['0.0.0.0', 8, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  ['::', 128, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
])
/** Of one link, where machines of a cloud keep services of their own. */
const LINK_LOCAL = blocks([
  ['169.254.0.0', 16, 'ipv4'],
  ['fe80::', 10, 'ipv6'],
])
const LOOPBACK_NAME = /(^|\.)localhost$|^ip6-(localhost|loopback)$/

const isIn = (list: BlockList, host: string): boolean => {
  const family = isIP(host)
  return family !== 0 && list.check(host, family === 4 ? 'ipv4' : 'ipv6')
}

/** Only for programs on the same machine. */
export function isLoopback(host: string): boolean {
  const plain = plainHost(host) ?? host
  return LOOPBACK_NAME.test(plain) || isIn(LOOPBACK, plain)
}

export const isNowhere = (host: string): boolean => isIn(NOWHERE, plainHost(host) ?? host)

export const isLinkLocal = (host: string): boolean => isIn(LINK_LOCAL, plainHost(host) ?? host)

/** The same machine as far as names tell: both are one host, or one of them is no IP address. */
export function couldBeSame(host: string, other: string): boolean {
  const [a, b] = [plainHost(host) ?? host, plainHost(other) ?? other]
  if (a === b) return true
  return isIP(a) === 0 || isIP(b) === 0
}
