/**
 * What Citadel nodes tell each other as the first signal after the handshake. Unknown fields are
 * ignored, missing optional ones have defaults, so release N talks to N-1.
 */
export const PROTOCOL_VERSION = 1

/** The feature of a node that is about to stop: its opinion about others carries no weight. */
export const LEAVING = 'leaving'

export const offersLeaving = (capability: Pick<Capability, 'features'> | undefined): boolean =>
  capability?.features.includes(LEAVING) ?? false

export interface Capability {
  /** The protocol version of the sender. */
  version: number
  features: readonly string[]
  /** Modules (GenServer classes) the node can start for distributed supervisors, by name. */
  modules: readonly string[]
  /** Where the node listens, as URIs: `tcp://127.0.0.1:40113`. */
  addresses: readonly string[]
  /** Its share of children relative to others; 1 unless set. */
  weight: number
  /** The other members it knows, with their addresses: how a mesh completes itself. */
  members: readonly KnownMember[]
}

export interface KnownMember {
  node: string
  creation: number
  addresses: readonly string[]
}
