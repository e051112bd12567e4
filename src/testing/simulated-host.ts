/**
 * A machine in the simulated network: a name that others dial, its ports, and the programs on it.
 * While it is down nothing reaches it and nobody is told.
 */
import type { Address } from '../base/transport.js'

const EPHEMERAL_PORT_FIRST = 32_768
const EPHEMERAL_PORT_LAST = 60_999

export const LOOPBACK_NAMES: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '::1'])
const ANY_NAMES: ReadonlySet<string> = new Set(['0.0.0.0', '::', ''])

/** A program as its host sees it. */
export interface Hosted {
  /** The power failed: ends without telling anybody. */
  vanish(): void
}

/** A bound port as its host sees it. */
export interface Bound {
  readonly address: Address
}

export class SimulatedHost<L extends Bound = Bound> {
  readonly name: string
  readonly programs = new Set<Hosted>()
  readonly listeners = new Map<number, L>()
  down = false
  #nextPort = EPHEMERAL_PORT_FIRST

  constructor(name: string) {
    this.name = name
  }

  /** Whether a listener may be bound to `address` here. */
  owns(address: string): boolean {
    return address === this.name || LOOPBACK_NAMES.has(address) || ANY_NAMES.has(address)
  }

  freePort(): number {
    for (;;) {
      const port = this.#nextPort
      this.#nextPort = port === EPHEMERAL_PORT_LAST ? EPHEMERAL_PORT_FIRST : port + 1
      if (!this.listeners.has(port)) return port
    }
  }

  /** The listener that a dial from `from` reaches at `port`: one on loopback serves its own host. */
  listenerAt(port: number, from: SimulatedHost<L>): L | undefined {
    const listener = this.listeners.get(port)
    if (listener === undefined) return undefined
    return LOOPBACK_NAMES.has(listener.address.host) && from !== this ? undefined : listener
  }
}
