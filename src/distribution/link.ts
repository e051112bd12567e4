/**
 * The life of one established connection, as a pure machine: when to send a tick and when a silent
 * peer is given up. Any byte counts as a sign of life, in both directions. One coarse timer asks
 * `check` of every link; there is no timer per peer. A link that is going down sends no more.
 */
export type PeerKind = 'unknown' | 'citadel' | 'beam'

export interface LinkTimes {
  /** How often a Citadel peer hears from us. */
  citadelTickMs: number
  /** How long a Citadel peer may be silent. */
  citadelSilentMs: number
  /** A quarter of Erlang's default `net_ticktime`, when nothing else was sent. */
  beamTickMs: number
  beamSilentMs: number
}

export const defaultLinkTimes: LinkTimes = {
  citadelTickMs: 1_000,
  citadelSilentMs: 4_500,
  beamTickMs: 15_000,
  beamSilentMs: 60_000,
}

/** What to do now: nothing, send a sign of life, or give the peer up. */
export type LinkVerdict = 'nothing' | 'tick' | 'silent'

export class Link {
  /** Until a peer shows what it is, it is treated as a BEAM. */
  kind: PeerKind = 'unknown'
  state: 'up' | 'going down' | 'down' = 'up'
  heardAt: number
  private sentAt: number

  constructor(
    private readonly times: LinkTimes,
    now: number,
  ) {
    this.heardAt = now
    this.sentAt = now
  }

  heard(now: number): void {
    this.heardAt = now
  }

  sent(now: number): void {
    this.sentAt = now
  }

  /** Nothing more is sent or taken in; what is queued still goes out. False: it was so already. */
  goDown(): boolean {
    if (this.state !== 'up') return false
    this.state = 'going down'
    return true
  }

  /** The connection is gone. False: that was known. */
  close(): boolean {
    if (this.state === 'down') return false
    this.state = 'down'
    return true
  }

  /** While this node doubts itself (`doubting`), it gives up nobody. */
  check(now: number, doubting: boolean): LinkVerdict {
    if (this.state !== 'up') return 'nothing'
    if (!doubting && now - this.heardAt >= this.silentMs) return 'silent'
    return now - this.sentAt >= this.tickMs ? 'tick' : 'nothing'
  }

  private get silentMs(): number {
    return this.kind === 'citadel' ? this.times.citadelSilentMs : this.times.beamSilentMs
  }

  private get tickMs(): number {
    return this.kind === 'citadel' ? this.times.citadelTickMs : this.times.beamTickMs
  }
}
