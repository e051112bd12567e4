/**
 * The capability flags of the distribution handshake: 64 bits as two 32-bit words, without BigInt.
 * What we claim is what we do: no PUBLISHED (we are a hidden node), no FRAGMENTS and no atom cache
 * (so all frames are pass-through), no SPAWN (no remote code).
 */
export interface Flags {
  readonly high: number
  readonly low: number
}

/** The position of each flag's bit. */
export const FLAG = {
  PUBLISHED: 0,
  EXTENDED_REFERENCES: 2,
  DIST_MONITOR: 3,
  FUN_TAGS: 4,
  DIST_MONITOR_NAME: 5,
  NEW_FUN_TAGS: 7,
  EXTENDED_PIDS_PORTS: 8,
  EXPORT_PTR_TAG: 9,
  BIT_BINARIES: 10,
  NEW_FLOATS: 11,
  DIST_HDR_ATOM_CACHE: 13,
  SMALL_ATOM_TAGS: 14,
  UTF8_ATOMS: 16,
  MAP_TAG: 17,
  BIG_CREATION: 18,
  SEND_SENDER: 19,
  EXIT_PAYLOAD: 22,
  FRAGMENTS: 23,
  HANDSHAKE_23: 24,
  UNLINK_ID: 25,
  MANDATORY_25_DIGEST: 26,
  SPAWN: 32,
  NAME_ME: 33,
  V4_NC: 34,
  ALIAS: 35,
  ALTACT_SIG: 37,
} as const

export type FlagName = keyof typeof FLAG

const REQUIRED_NAMES = [
  'EXTENDED_REFERENCES',
  'FUN_TAGS',
  'NEW_FUN_TAGS',
  'EXTENDED_PIDS_PORTS',
  'EXPORT_PTR_TAG',
  'BIT_BINARIES',
  'NEW_FLOATS',
  'UTF8_ATOMS',
  'MAP_TAG',
  'BIG_CREATION',
  'HANDSHAKE_23',
] as const satisfies readonly FlagName[]

export function flagsOf(names: readonly FlagName[]): Flags {
  let high = 0
  let low = 0
  for (const name of names) {
    if (FLAG[name] < 32) low |= 1 << FLAG[name]
    else high |= 1 << (FLAG[name] - 32)
  }
  return { high: high >>> 0, low: low >>> 0 }
}

/** What every peer must have: the mandatory flags of Erlang/OTP 25. */
export const REQUIRED_FLAGS: Flags = flagsOf(REQUIRED_NAMES)

/** What a Citadel node claims. */
export const CITADEL_FLAGS: Flags = flagsOf([
  ...REQUIRED_NAMES,
  'MANDATORY_25_DIGEST',
  'DIST_MONITOR',
  'DIST_MONITOR_NAME',
  'SMALL_ATOM_TAGS',
  'SEND_SENDER',
  'EXIT_PAYLOAD',
  'UNLINK_ID',
  'V4_NC',
  'ALIAS',
])

export function hasFlag(flags: Flags, name: FlagName): boolean {
  const bit = FLAG[name]
  return bit < 32 ? (flags.low & (1 << bit)) !== 0 : (flags.high & (1 << (bit - 32))) !== 0
}

/** What both sides can do: the only flags that may be relied on. */
export const commonFlags = (a: Flags, b: Flags): Flags => ({
  high: (a.high & b.high) >>> 0,
  low: (a.low & b.low) >>> 0,
})

/** MANDATORY_25_DIGEST is shorthand for the whole mandatory list, which later releases leave out. */
export function expandFlags(flags: Flags): Flags {
  if (!hasFlag(flags, 'MANDATORY_25_DIGEST')) return flags
  return {
    high: (flags.high | REQUIRED_FLAGS.high) >>> 0,
    low: (flags.low | REQUIRED_FLAGS.low) >>> 0,
  }
}

/** The names of the required flags that `flags` lacks. */
export const missingFlags = (flags: Flags): FlagName[] =>
  REQUIRED_NAMES.filter((name) => !hasFlag(flags, name))
