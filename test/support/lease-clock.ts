/** What `lease-program.ts` and its test say to each other, and the clock that both have. */
export type State = 'idle' | 'running' | 'parked'

export interface Round {
  readonly round: number
  readonly state: State
  readonly leaseMs: number
  /** How long it is waited for the end of the owner. */
  readonly playMs: number
}

export type LeaseReport =
  | { type: 'ready' }
  /** The owner is there, and has been told to begin. The lease was granted at that time. */
  | { type: 'begun'; grantedAt: number }
  /** After the round: how it ended, and when its handlers began. */
  | { type: 'over'; reason: unknown; begun: number[] }

/** One clock for all processes of the machine. */
export const monotonic = (): number => Number(process.hrtime.bigint()) / 1e6
