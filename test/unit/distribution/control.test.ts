import { describe, expect, test } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import { OP } from '../../../src/distribution/control-op.js'
import { ControlReader, type ControlReceiver } from '../../../src/distribution/control-reader.js'
import { ControlWriter } from '../../../src/distribution/control-writer.js'
import { CITADEL_FLAGS, commonFlags, type Flags, flagsOf } from '../../../src/distribution/flags.js'
import type { Signal } from '../../../src/process/signal.js'
import { Atom } from '../../../src/term/atom.js'
import { Pid } from '../../../src/term/pid.js'
import { Ref } from '../../../src/term/ref.js'
import { TermWriter } from '../../../src/term/term-writer.js'
import { Tuple } from '../../../src/term/tuple.js'

const A = 'a@127.0.0.1'
const B = 'b@127.0.0.1'
const from = new Pid(A, 80, 0, 7)
const to = new Pid(B, 90, 3, 0xffff_ffff)
const ref = new Ref(A, 7, [1, 2, 0xffff_fffe])

/** Writes as node A and reads as node B; gives what B's receiver was told. */
function wire(flags: Flags = CITADEL_FLAGS, frameLimitBytes = 1_000_000) {
  const bytes = new TermWriter()
  const writer = new ControlWriter(bytes, flags, frameLimitBytes)
  const told: unknown[] = []
  const receiver: ControlReceiver = {
    message: (...args) => void told.push(['message', ...args]),
    named: (...args) => void told.push(['named', ...args]),
    alias: (...args) => void told.push(['alias', ...args]),
    signal: (signal) => void told.push(signal),
    spawnRequest: (...args) => void told.push(['spawnRequest', ...args]),
  }
  const reader = new ControlReader(B, { node: A, creation: 7 }, receiver)
  const read = (frame: Uint8Array): unknown => {
    reader.read(frame)
    return told.shift()
  }
  const frame = (): Buffer => {
    const all = bytes.take()
    expect(all.readUInt32BE(0)).toBe(all.length - 4)
    return all.subarray(4)
  }
  return { bytes, writer, read, frame, crossed: () => read(frame()) }
}

/** A frame of hand-made control elements, and a payload if given. */
function handMade(elements: unknown[], payload?: unknown): Buffer {
  const bytes = new TermWriter()
  bytes.u8(112)
  bytes.u8(131)
  bytes.term(new Tuple(...elements))
  if (payload !== undefined) {
    bytes.u8(131)
    bytes.term(payload)
  }
  return bytes.take()
}

const message = { type: 'xp', amount: 5, tags: ['a', 'b'] }
const token = new Tuple(1, 2, 3)

describe('messages arrive as they were sent', () => {
  test('to a pid, with the sender', () => {
    const { writer, crossed } = wire()
    writer.message(from, to, message)
    expect(crossed()).toEqual(['message', to, message, from])
  })

  test('to a pid of a peer that cannot be told the sender', () => {
    const { writer, crossed } = wire(flagsOf([]))
    writer.message(from, to, message)
    expect(crossed()).toEqual(['message', to, message, undefined])
  })

  test('to a name and to an alias', () => {
    const { writer, crossed } = wire()
    writer.named(from, 'worker', message)
    expect(crossed()).toEqual(['named', 'worker', message, from])
    writer.alias(from, ref, message)
    expect(crossed()).toEqual(['alias', ref, message])
  })

  test('encoded once, to a name', () => {
    const { writer, crossed } = wire()
    const encoded = new TermWriter()
    encoded.u8(131)
    encoded.term(message)
    writer.encoded(from, 'scope', { bytes: encoded.take() })
    expect(crossed()).toEqual(['named', 'scope', message, from])
  })

  test('larger than a flush and larger than 64 KiB', () => {
    const { writer, crossed } = wire()
    writer.message(from, to, 'x'.repeat(300_000))
    expect(crossed()).toEqual(['message', to, 'x'.repeat(300_000), from])
  })
})

const signals: Signal[] = [
  { type: 'link', from, to },
  { type: 'unlink', id: 1n, from, to },
  { type: 'unlink', id: (1n << 64n) - 1n, from, to },
  { type: 'unlinkAck', id: 1n << 53n, from, to },
  { type: 'exit', from, to, reason: new Atom('normal') },
  { type: 'exit2', from, to, reason: { why: 'tired' } },
  { type: 'monitor', from, to, ref },
  { type: 'monitor', from, to: { name: 'worker', node: B }, ref },
  { type: 'demonitor', from, to, ref },
  { type: 'down', from, to, ref, reason: new Tuple(new Atom('shutdown'), 1) },
  { type: 'down', from: { name: 'worker', node: A }, to, ref, reason: 'text' },
]

describe('signals arrive as they were sent', () => {
  const plain = commonFlags(CITADEL_FLAGS, flagsOf(['UNLINK_ID', 'SEND_SENDER']))
  test.each(signals)('$type', (signal) => {
    for (const flags of [CITADEL_FLAGS, plain]) {
      const { writer, crossed } = wire(flags)
      writer.signal(signal)
      expect(crossed()).toEqual(signal)
    }
  })
})

describe('what other nodes may send', () => {
  const { read } = wire()
  const control = (...elements: unknown[]) => read(handMade(elements))
  const withPayload = (...elements: unknown[]) => read(handMade(elements, message))
  const empty = new Atom('cookie')

  test('the forms with a trace token, which is ignored', () => {
    expect(withPayload(OP.SEND_TT, empty, to, token)).toEqual(['message', to, message, undefined])
    expect(withPayload(OP.SEND_SENDER_TT, from, to, token)).toEqual(['message', to, message, from])
    const worker = new Atom('worker')
    expect(withPayload(OP.REG_SEND_TT, from, empty, worker, token)).toEqual([
      'named',
      'worker',
      message,
      from,
    ])
    expect(withPayload(OP.ALIAS_SEND_TT, from, ref, token)).toEqual(['alias', ref, message])
    expect(control(OP.EXIT_TT, from, to, token, 1)).toEqual({ type: 'exit', from, to, reason: 1 })
    expect(control(OP.EXIT2_TT, from, to, token, 1)).toEqual({ type: 'exit2', from, to, reason: 1 })
    expect(withPayload(OP.PAYLOAD_EXIT_TT, from, to, token)).toMatchObject({ reason: message })
    expect(withPayload(OP.PAYLOAD_EXIT2_TT, from, to, token)).toMatchObject({ type: 'exit2' })
  })

  test('the one send of OTP 28, in all its forms', () => {
    expect(withPayload(OP.ALTACT_SIG_SEND, 1, from, to)).toEqual(['message', to, message, from])
    expect(withPayload(OP.ALTACT_SIG_SEND, 2, from, to, token)).toEqual([
      'message',
      to,
      message,
      from,
    ])
    expect(withPayload(OP.ALTACT_SIG_SEND, 4, from, ref)).toEqual(['alias', ref, message])
    expect(withPayload(OP.ALTACT_SIG_SEND, 8, from, new Atom('w'))).toEqual([
      'named',
      'w',
      message,
      from,
    ])
    const exit2 = { type: 'exit2', from, to, reason: message }
    expect(withPayload(OP.ALTACT_SIG_SEND, 16 + 1024, from, to)).toEqual(exit2)
  })

  test('a spawn request, which is refused with notsup, and a group leader, which is ignored', () => {
    const request = new Ref(A, 7, [1, 2, 3])
    const call = new Tuple(new Atom('m'), new Atom('f'), 0)
    expect(read(handMade([OP.SPAWN_REQUEST, request, from, from, call, []], []))).toEqual([
      'spawnRequest',
      request,
      from,
    ])
    expect(control(OP.GROUP_LEADER, from, to)).toBeUndefined()
    const { writer, frame } = wire()
    writer.spawnRefused(request, from)
    expect(frame()).toEqual(handMade([OP.SPAWN_REPLY, request, from, 0, new Atom('notsup')]))
  })
})

test('a node speaks of its processes of earlier starts when it says that they are no more', () => {
  const { read } = wire()
  const earlier = new Pid(A, 80, 0, 6)
  const down = handMade([OP.MONITOR_P_EXIT, earlier, to, ref, 1])
  expect(read(down)).toMatchObject({ type: 'down', from: earlier })
  expect(read(handMade([OP.EXIT, earlier, to, 1]))).toMatchObject({ type: 'exit', from: earlier })
})

describe('what the protocol does not allow is bad_format', () => {
  const { read } = wire()
  const other = new Pid('c@127.0.0.1', 80, 0, 7)
  const earlier = new Pid(A, 80, 0, 6)
  const name = new Atom('worker')
  const forged = (what: string, sender: Pid): [string, Uint8Array][] => [
    [`a message by ${what}`, handMade([OP.SEND_SENDER, sender, to], 1)],
    [`a message to a name by ${what}`, handMade([OP.REG_SEND, sender, name, name], 1)],
    [`an answer by ${what}`, handMade([OP.ALIAS_SEND, sender, ref], 1)],
    [`a message of OTP 28 by ${what}`, handMade([OP.ALTACT_SIG_SEND, 0, sender, to], 1)],
    [`a link by ${what}`, handMade([OP.LINK, sender, to])],
    [`an exit by ${what}`, handMade([OP.PAYLOAD_EXIT2, sender, to], 1)],
    [`a monitor by ${what}`, handMade([OP.MONITOR_P, sender, to, ref])],
  ]
  const wrong: [string, Uint8Array][] = [
    ['an unknown control message', handMade([99, from, to])],
    ['a node link', handMade([OP.NODE_LINK])],
    ['too few elements', handMade([OP.LINK, from])],
    ['no elements', handMade([])],
    ['a message without its payload', handMade([OP.SEND_SENDER, from, to])],
    ['bytes after the payload', Buffer.concat([handMade([OP.SEND, 1, to], 1), Buffer.of(1)])],
    ['an unlink id of 0', handMade([OP.UNLINK_ID, 0, from, to])],
    ['an unlink id over 64 bits', handMade([OP.UNLINK_ID, 1n << 64n, from, to])],
    ...forged('a process of another node', other),
    ...forged('a process of an earlier start', earlier),
    ['the end of a link of another node', handMade([OP.PAYLOAD_EXIT, other, to], 1)],
    ['the end of a process of another node', handMade([OP.MONITOR_P_EXIT, other, to, ref, 1])],
    ['a monitor by a foreign reference', handMade([OP.MONITOR_P, from, to, new Ref(B, 5, [1])])],
    ['a text where a pid belongs', handMade([OP.LINK, 'text', to])],
    ['a frame with a distribution header', Buffer.of(131, 68, 0)],
    ['an empty frame body', Buffer.of(112)],
    ['another version', Buffer.of(112, 130, 104, 0)],
  ]
  test.each(wrong)('%s', (_what, frame) => {
    expect(() => read(frame)).toThrow(expect.objectContaining({ code: 'bad_format' }))
  })

  test('and random bytes are never anything but a CitadelError', () => {
    let seed = 1
    const byte = () => {
      seed = (seed * 48271) % 0x7fff_ffff
      return seed & 255
    }
    const valid = handMade([OP.SEND_SENDER, from, to], message)
    for (let round = 0; round < 5_000; round++) {
      const frame = Buffer.from(valid)
      for (let change = 0; change < 3; change++) frame[byte() % frame.length] = byte()
      try {
        read(frame)
      } catch (error) {
        expect(error).toBeInstanceOf(CitadelError)
      }
    }
  })
})

describe('what cannot be sent leaves no trace in the buffer', () => {
  test('a message with a function in it', () => {
    const { writer, bytes, crossed } = wire()
    writer.message(from, to, 1)
    const before = bytes.length
    expect(() => writer.message(from, to, { f: () => 1 })).toThrow(
      expect.objectContaining({ code: 'unserializable' }),
    )
    expect(bytes.length).toBe(before)
    expect(crossed()).toEqual(['message', to, 1, from])
  })

  test('a message over the frame limit', () => {
    const { writer, bytes } = wire(CITADEL_FLAGS, 1_000)
    expect(() => writer.named(from, 'worker', 'x'.repeat(1_000))).toThrow(
      expect.objectContaining({ code: 'limit_exceeded' }),
    )
    expect(bytes.length).toBe(0)
  })
})
