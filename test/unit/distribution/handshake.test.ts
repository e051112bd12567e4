import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CITADEL_FLAGS, type Flags, flagsOf, hasFlag } from '../../../src/distribution/flags.js'
import {
  Handshake,
  type HandshakeEffect,
  type HandshakeOptions,
  type HandshakeStatus,
} from '../../../src/distribution/handshake.js'
import {
  encodeName,
  encodeStatus,
  HANDSHAKE_FRAME_BYTES_MAX,
} from '../../../src/distribution/handshake-message.js'

const COOKIE = 'oatmeal'
const N1 = { name: 'n1@127.0.0.1', creation: 11, flags: CITADEL_FLAGS }
const N2 = { name: 'n2@127.0.0.1', creation: 22, flags: CITADEL_FLAGS }
const frameOf = (body: string): Buffer =>
  Buffer.from([body.length >> 8, body.length & 255, ...Buffer.from(body, 'latin1')])

const initiator = (options: Partial<HandshakeOptions> = {}): Handshake =>
  new Handshake({
    role: 'initiator',
    self: N1,
    cookie: COOKIE,
    challenge: 0xfffffffe,
    peerName: N2.name,
    ...options,
  })
const acceptor = (options: Partial<HandshakeOptions> = {}): Handshake =>
  new Handshake({ role: 'acceptor', self: N2, cookie: COOKIE, challenge: 7, ...options })

interface Conversation {
  status?: HandshakeStatus
  proceed?: boolean
  /** Bytes per chunk on the way. */
  chunkBytes?: number
}

/** Lets two machines talk until neither has anything to say; answers what each of them reported. */
function converse(a: Handshake, b: Handshake, how: Conversation = {}) {
  const said: [HandshakeEffect[], HandshakeEffect[]] = [[], []]
  const sides = [a, b] as const
  const queue: { to: 0 | 1; bytes: Uint8Array }[] = []
  const carryOut = (from: 0 | 1, effects: HandshakeEffect[]): void => {
    for (const effect of effects) {
      said[from].push(effect)
      if (effect.type === 'send') queue.push({ to: from === 0 ? 1 : 0, bytes: effect.bytes })
      if (effect.type === 'askStatus') {
        carryOut(from, sides[from].step({ type: 'status', status: how.status ?? 'ok' }))
      }
      if (effect.type === 'askConflict') {
        const proceed = how.proceed ?? true
        carryOut(from, sides[from].step({ type: 'conflictDecision', proceed }))
      }
    }
  }
  carryOut(0, a.step({ type: 'start' }))
  carryOut(1, b.step({ type: 'start' }))
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const size = how.chunkBytes ?? next.bytes.length
    for (let at = 0; at < next.bytes.length; at += size) {
      const bytes = next.bytes.subarray(at, at + size)
      carryOut(next.to, sides[next.to].step({ type: 'bytes', bytes }))
    }
  }
  return { a: said[0].at(-1)!, b: said[1].at(-1)!, said }
}

const refused = (reason: string, code?: string) =>
  expect.objectContaining({ type: 'refused', reason, ...(code && { code }) })

describe('the handshake of two nodes', () => {
  test.each([undefined, 1, 3])(
    'ends with each knowing the other, in chunks of %s',
    (chunkBytes) => {
      const { a, b } = converse(initiator(), acceptor(), { chunkBytes })
      expect(a).toMatchObject({ type: 'established', peer: N2, flags: CITADEL_FLAGS })
      expect(b).toMatchObject({ type: 'established', peer: N1, flags: CITADEL_FLAGS })
    },
  )

  test.each(['ok', 'ok_simultaneous'] as const)('goes on after the status %s', (status) => {
    const { a, b } = converse(initiator(), acceptor(), { status })
    expect([a.type, b.type]).toEqual(['established', 'established'])
  })

  test('ends on both sides after nok: the other dial goes on', () => {
    const { a, b } = converse(initiator(), acceptor(), { status: 'nok' })
    expect([a, b]).toEqual([refused('simultaneous'), refused('simultaneous')])
  })

  test('ends on both sides after not_allowed', () => {
    const { a, b } = converse(initiator(), acceptor(), { status: 'not_allowed' })
    expect([a, b]).toEqual([refused('not_allowed'), refused('not_allowed')])
  })

  test('goes on after alive when the initiator still wants it: the old connection is dead', () => {
    const { a, b } = converse(initiator(), acceptor(), { status: 'alive', chunkBytes: 1 })
    expect([a.type, b.type]).toEqual(['established', 'established'])
  })

  test('ends on both sides after alive when the initiator gives way', () => {
    const { a, b } = converse(initiator(), acceptor(), { status: 'alive', proceed: false })
    expect([a, b]).toEqual([refused('already_connected'), refused('already_connected')])
  })

  test('with different cookies is refused with what to do about it', () => {
    const dialler = initiator({ cookie: 'porridge' })
    const { b } = converse(dialler, acceptor())
    expect(b).toEqual(refused('bad_cookie', 'bad_cookie'))
    expect(b).toHaveProperty('message', expect.stringMatching(/set the same CITADEL_COOKIE/))
    expect(dialler.step({ type: 'closed' })).toEqual([refused('bad_cookie', 'bad_cookie')])
  })

  test('is refused by the initiator when the acceptor does not know the cookie', () => {
    const dialler = initiator()
    dialler.step({ type: 'start' })
    dialler.step({ type: 'bytes', bytes: encodeStatus('ok') })
    const stranger = acceptor({ cookie: 'porridge' })
    stranger.step({ type: 'start' })
    stranger.step({ type: 'bytes', bytes: encodeName(N1) })
    const [, challenge] = stranger.step({ type: 'status', status: 'ok' })
    const bytes = challenge?.type === 'send' ? challenge.bytes : Buffer.alloc(0)
    expect(dialler.step({ type: 'bytes', bytes })).toHaveLength(1)
    const ack = frameOf(`a${'x'.repeat(16)}`)
    expect(dialler.step({ type: 'bytes', bytes: ack })).toEqual([refused('bad_cookie')])
  })

  test('asks about the peer before anything of its own is proved or told', () => {
    const { said } = converse(initiator(), acceptor())
    expect(said[1][0]).toEqual({ type: 'askStatus', peer: { name: N1.name, creation: 11 } })
  })

  test('takes no other node than the one that was dialled', () => {
    const { a } = converse(initiator({ peerName: 'n3@127.0.0.1' }), acceptor())
    expect(a).toEqual(refused('wrong_node'))
  })

  test('is refused by both sides when they have the same name', () => {
    const twin = { ...N2, creation: 5 }
    const { a, b } = converse(initiator({ self: twin, peerName: N2.name }), acceptor())
    expect(b).toEqual(refused('same_name', 'name_taken'))
    expect(a).toEqual(refused('not_allowed'))
  })

  test('tells a peer that lacks a required flag not_allowed, and names the flag', () => {
    const old: Flags = { ...CITADEL_FLAGS, low: CITADEL_FLAGS.low & ~(1 << 26) & ~(1 << 17) }
    const { a, b, said } = converse(initiator({ self: { ...N1, flags: old } }), acceptor())
    expect(b).toEqual(refused('missing_flags'))
    expect(b).toHaveProperty('message', expect.stringMatching(/lacks MAP_TAG/))
    expect(said[1].map((effect) => effect.type)).toEqual(['send', 'refused'])
    expect(a).toEqual(refused('not_allowed'))
  })

  test('relies on the flags of both sides only', () => {
    const plain = { ...N1, flags: flagsOf(['MANDATORY_25_DIGEST', 'SPAWN']) }
    const { b } = converse(initiator({ self: plain }), acceptor())
    if (b.type !== 'established') throw new Error('refused')
    expect(hasFlag(b.flags, 'MAP_TAG')).toBe(true)
    expect(hasFlag(b.flags, 'SPAWN')).toBe(false)
    expect(hasFlag(b.flags, 'ALIAS')).toBe(false)
    expect(hasFlag(b.peer.flags, 'SPAWN')).toBe(true)
  })

  test('hands over the bytes that came after its end', () => {
    const dialler = initiator()
    const server = acceptor()
    dialler.step({ type: 'start' })
    server.step({ type: 'start' })
    server.step({ type: 'bytes', bytes: encodeName(N1) })
    const answers = server.step({ type: 'status', status: 'ok' })
    const sent = (effects: HandshakeEffect[]): Buffer =>
      Buffer.concat(effects.flatMap((effect) => (effect.type === 'send' ? [effect.bytes] : [])))
    const reply = dialler.step({ type: 'bytes', bytes: sent(answers) })
    const ack = server.step({ type: 'bytes', bytes: sent(reply) })
    const big = Buffer.alloc(60_000, 5)
    const last = dialler.step({ type: 'bytes', bytes: Buffer.concat([sent(ack), big]) })
    if (last[0]?.type !== 'established') throw new Error('refused')
    expect(big.equals(last[0].rest)).toBe(true)
  })
})

describe('a handshake with somebody strange', () => {
  test('is refused when the deadline comes, and says nothing afterwards', () => {
    const server = acceptor()
    server.step({ type: 'start' })
    expect(server.step({ type: 'deadline' })).toEqual([refused('deadline', 'timeout')])
    expect(server.done).toBe(true)
    expect(server.step({ type: 'bytes', bytes: encodeName(N1) })).toEqual([])
    expect(server.step({ type: 'closed' })).toEqual([])
  })

  test('is refused when the connection closes in the middle', () => {
    const server = acceptor()
    server.step({ type: 'start' })
    server.step({ type: 'bytes', bytes: Buffer.of(0) })
    expect(server.step({ type: 'closed' })).toEqual([refused('closed', 'noconnection')])
  })

  test('is refused as soon as a frame over the limit is announced', () => {
    const server = acceptor()
    server.step({ type: 'start' })
    const length = HANDSHAKE_FRAME_BYTES_MAX + 1
    const bytes = Buffer.of(length >> 8, length & 255)
    expect(server.step({ type: 'bytes', bytes })).toEqual([refused('limit_exceeded')])
  })

  test('is refused when it sends on and on while a question is open', () => {
    const server = acceptor()
    server.step({ type: 'start' })
    expect(server.step({ type: 'bytes', bytes: encodeName(N1) })).toHaveLength(1)
    expect(server.step({ type: 'bytes', bytes: Buffer.alloc(1_000) })).toEqual([])
    expect(server.step({ type: 'bytes', bytes: Buffer.alloc(1_000) })).toEqual([
      refused('limit_exceeded'),
    ])
  })

  test.each(['GET / HTTP/1.1', 'N', 'N12345678abcd\x00\x20short', '', 'n\x00\x05oldstyle'])(
    'is refused by the acceptor when it begins with %j',
    (body) => {
      const server = acceptor()
      server.step({ type: 'start' })
      const effects = server.step({ type: 'bytes', bytes: frameOf(body) })
      expect(effects).toEqual([refused('bad_format', 'bad_format')])
    },
  )

  test.each(['named:\x00\x02ab', 'not_allowed'])(
    'is refused by the initiator at status %j',
    (text) => {
      const dialler = initiator()
      dialler.step({ type: 'start' })
      const effects = dialler.step({ type: 'bytes', bytes: frameOf(`s${text}`) })
      expect(effects).toEqual([refused('not_allowed')])
    },
  )

  test('ignores bytes that a later version may append to a name', () => {
    const name = encodeName(N1)
    const longer = Buffer.concat([name, Buffer.from('more')])
    longer.writeUInt16BE(longer.length - 2, 0)
    const server = acceptor()
    server.step({ type: 'start' })
    expect(server.step({ type: 'bytes', bytes: longer })[0]?.type).toBe('askStatus')
  })

  test('never throws and never establishes, whatever bytes it sends', () => {
    const chunk = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.constantFrom(encodeName(N1), encodeStatus('ok'), encodeStatus('alive'), encodeName(N2)),
    )
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 12 }), fc.boolean(), (chunks, dials) => {
        const machine = dials ? initiator() : acceptor()
        machine.step({ type: 'start' })
        for (const bytes of chunks) {
          for (const effect of machine.step({ type: 'bytes', bytes })) {
            expect(effect.type).not.toBe('established')
            if (effect.type === 'askStatus') machine.step({ type: 'status', status: 'ok' })
            if (effect.type === 'askConflict') {
              machine.step({ type: 'conflictDecision', proceed: true })
            }
          }
        }
      }),
    )
  })
})
