/** Listen addresses as URIs, `tcp://127.0.0.1:40113`: how a capability carries them. */
import type { Address } from '../base/transport.js'

const TCP = /^tcp:\/\/(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+):(\d{1,5})$/

export const addressUri = ({ host, port }: Address): string =>
  host.includes(':') ? `tcp://[${host}]:${port}` : `tcp://${host}:${port}`

/** Undefined for what this release cannot dial. */
export function parseAddress(uri: string): Address | undefined {
  const match = TCP.exec(uri)
  if (!match) return undefined
  const port = Number(match[2])
  if (port < 1 || port > 65_535) return undefined
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port }
}

/** Those that could be the peer's: a loopback address of another machine would be one of ours. */
export const believable = (addresses: readonly string[], remoteHost: string): readonly string[] =>
  addresses.filter((uri) => {
    const address = parseAddress(uri)
    return address !== undefined && (isLoopback(remoteHost) || !isLoopback(address.host))
  })

/** Only for programs on the same machine. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^(::ffff:)?127\./.test(host)
