/** What a mesh is told at its start, with the defaults of every limit and time. */
import type { Cookie } from '../base/cookie.js'
import type { Logger } from '../base/log.js'
import type { Address } from '../base/transport.js'
import type { World } from '../base/world.js'
import { FRAME_LIMIT_BYTES } from '../distribution/frame.js'
import { defaultLinkTimes, type LinkTimes } from '../distribution/link.js'
import { defaultOutboxLimits, type OutboxLimits } from '../distribution/outbox.js'
import type { Epmd } from '../epmd/epmd.js'
import type { SignalSink } from '../kernel/router.js'
import type { Capability } from './capability.js'
import { defaultMembershipTimes, type MembershipTimes } from './membership.js'

/** What this node offers; the mesh adds where it listens and whom it knows. */
export type Offer = Omit<Capability, 'members' | 'addresses'>

export interface MeshTimes extends LinkTimes, Omit<MembershipTimes, 'silentMs'> {
  /** The one clock of all links; also the grain of every time here. */
  checkMs: number
  /** How long a new peer may take to show what it is. */
  introductionMs: number
  /** How long a dial may take to reach an unreachable member, and anybody else. */
  redialTimeoutMs: number
  dialTimeoutMs: number
  /** How long `stop` waits for the peers to take what is queued. */
  stopMs: number
}

export interface MeshOptions {
  world: World
  log?: Logger
  /** `name@host`; the host is what others dial. */
  name: string
  /** Tells this start of the node from earlier ones; by chance unless given. */
  creation?: number
  cookie: string | Cookie
  sink: SignalSink
  capability: () => Offer
  /** Why that Citadel node cannot be a member: it is disconnected before anybody hears of it. */
  refusal?: (node: string, capability: Capability) => string | undefined
  /** Where to listen; a free port of 127.0.0.1 unless given. */
  listen?: Address
  epmd: Pick<Epmd, 'register' | 'lookup'>
  frameLimitBytes?: number
  outbox?: Partial<OutboxLimits>
  /** A silent member is dead when so many nodes say so, even if others hear it; else all have to agree. */
  buriers?: number | undefined
  /** Called first whenever bytes come in or are to go out, with the time. It may cut links. */
  beforeTraffic?: (now: number) => void
  times?: Partial<MeshTimes>
}

export interface MeshSettings {
  times: MeshTimes
  membership: MembershipTimes
  outbox: OutboxLimits
  frameLimitBytes: number
}

const defaultMeshTimes: MeshTimes = {
  ...defaultLinkTimes,
  redialMs: defaultMembershipTimes.redialMs,
  deadRedialMs: defaultMembershipTimes.deadRedialMs,
  forgetMs: defaultMembershipTimes.forgetMs,
  checkMs: 200,
  // A node may stand still for three seconds just then. Erlang answers the ping long before.
  introductionMs: 4_000,
  redialTimeoutMs: 1_000,
  dialTimeoutMs: 5_000,
  stopMs: 1_000,
}

export function meshSettings(options: MeshOptions): MeshSettings {
  const times = { ...defaultMeshTimes, ...options.times }
  const { redialMs, deadRedialMs, forgetMs } = times
  return {
    times,
    membership: { silentMs: times.citadelSilentMs, redialMs, deadRedialMs, forgetMs },
    outbox: { ...defaultOutboxLimits, ...options.outbox },
    frameLimitBytes: options.frameLimitBytes ?? FRAME_LIMIT_BYTES,
  }
}
