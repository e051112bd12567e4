import { describe, expect, test } from 'vitest'
import {
  CITADEL_FLAGS,
  commonFlags,
  expandFlags,
  flagsOf,
  hasFlag,
  missingFlags,
  REQUIRED_FLAGS,
} from '../../../src/distribution/flags.js'

describe('the handshake flags', () => {
  test('that are required are the mandatory ones of Erlang/OTP 25', () => {
    expect(REQUIRED_FLAGS).toEqual({ high: 0, low: 0x1070f94 })
  })

  test('that we claim include the mandatory ones of Erlang/OTP 26', () => {
    expect((CITADEL_FLAGS.low & 0x3070f94) >>> 0).toBe(0x3070f94)
    expect(CITADEL_FLAGS.high & 4).toBe(4)
  })

  test('never claim what we do not do', () => {
    for (const name of ['PUBLISHED', 'FRAGMENTS', 'DIST_HDR_ATOM_CACHE', 'SPAWN'] as const) {
      expect(hasFlag(CITADEL_FLAGS, name)).toBe(false)
    }
    for (const name of ['ALIAS', 'UNLINK_ID', 'EXIT_PAYLOAD', 'SEND_SENDER'] as const) {
      expect(hasFlag(CITADEL_FLAGS, name)).toBe(true)
    }
  })

  test('of both sides are those that each of them has', () => {
    const both = commonFlags(flagsOf(['ALIAS', 'SPAWN', 'MAP_TAG']), flagsOf(['ALIAS', 'MAP_TAG']))
    expect(both).toEqual(flagsOf(['ALIAS', 'MAP_TAG']))
  })

  test('the digest stands for the whole mandatory list', () => {
    const short = flagsOf(['MANDATORY_25_DIGEST'])
    expect(missingFlags(short)).toContain('MAP_TAG')
    expect(missingFlags(expandFlags(short))).toEqual([])
    expect(missingFlags(expandFlags(flagsOf(['ALIAS'])))).toContain('BIG_CREATION')
  })
})
