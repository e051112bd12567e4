/**
 * What of a peer's capability this node acts upon: addresses that could be those of the node they are told of, a few
 * each, and so many other members. A peer must not send this node to any host and port there is.
 */

import { parseNodeName } from '../base/node-name.js'
import { couldBeSame, isLinkLocal, isLoopback, isNowhere, parseAddress } from './address.js'
import type { Capability } from './capability.js'

/** Of one node. */
export const ADDRESSES_MAX = 8
/** Other members that one capability tells of. */
export const MEMBERS_MAX = 1_000

export function believable(offered: Capability, node: string, remoteHost: string): Capability {
  const members = offered.members.slice(0, MEMBERS_MAX).map((member) => ({
    ...member,
    addresses: addressesOf(member.node, member.addresses, remoteHost, false),
  }))
  return {
    ...offered,
    addresses: addressesOf(node, offered.addresses, remoteHost, true),
    members,
  }
}

/** `isOwn`: the peer tells of itself, so it may be where its connection comes from. */
function addressesOf(
  node: string,
  addresses: readonly string[],
  remoteHost: string,
  isOwn: boolean,
): readonly string[] {
  const { host: named } = parseNodeName(node)
  const isNear = isLoopback(remoteHost)
  const kept: string[] = []
  for (const uri of addresses.slice(0, 4 * ADDRESSES_MAX)) {
    if (kept.length === ADDRESSES_MAX) break
    const address = parseAddress(uri)
    if (!address || isNowhere(address.host)) continue
    // On this machine it may be at any address of the machine, which is not known here.
    const isItsOwn = isNear
      ? true
      : !isLoopback(address.host) &&
        (!isLinkLocal(address.host) || isLinkLocal(remoteHost)) &&
        (couldBeSame(address.host, named) || (isOwn && couldBeSame(address.host, remoteHost)))
    if (isItsOwn) kept.push(uri)
  }
  return kept
}
