/**
 * A connection to a real Erlang node, byte for byte: its handshake and its control messages.
 * `scripts/vectors.ts` makes the file.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ControlReader, type ControlReceiver } from '../../../src/distribution/control-reader.js'
import { CITADEL_FLAGS, hasFlag } from '../../../src/distribution/flags.js'
import { Handshake, type HandshakeEffect } from '../../../src/distribution/handshake.js'
import { Atom } from '../../../src/term/atom.js'
import { ImproperList } from '../../../src/term/improper-list.js'
import { Pid } from '../../../src/term/pid.js'
import { Ref } from '../../../src/term/ref.js'
import { Tuple } from '../../../src/term/tuple.js'

interface Vectors {
  otp: string
  citadel: string
  erlang: string
  handshake: { cookie: string; creation: number; sent: string[]; received: string[] }
  frames: { what: string; bytes: string }[]
}

const file = new URL('../../vectors/connection.json', import.meta.url)
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors
const { citadel, erlang, handshake } = vectors
const hex = (text: string) => Buffer.from(text, 'hex')

function bytesOf(effects: HandshakeEffect[]): string[] {
  return effects.flatMap((effect) =>
    effect.type === 'send' ? [Buffer.from(effect.bytes).toString('hex')] : [],
  )
}

function initiator(cookie = handshake.cookie): Handshake {
  return new Handshake({
    role: 'initiator',
    self: { name: citadel, creation: handshake.creation, flags: CITADEL_FLAGS },
    cookie,
    // What was recorded: the reply is `r`, our challenge, the digest.
    challenge: hex(handshake.sent[1]!).readUInt32BE(3),
    peerName: erlang,
  })
}

/** The creation that the recorded Erlang node had. */
const theirStart = (): number => {
  const machine = initiator()
  machine.step({ type: 'start' })
  const effects = handshake.received.flatMap((message) =>
    machine.step({ type: 'bytes', bytes: hex(message) }),
  )
  const end = effects.find(({ type }) => type === 'established')
  return end?.type === 'established' ? end.peer.creation : 0
}

/** What the reader tells about each recorded frame, one by one. */
function told(): { what: string; event: unknown }[] {
  const events: unknown[][] = []
  const receiver: ControlReceiver = {
    message: (...args) => void events.push(['message', ...args]),
    named: (...args) => void events.push(['named', ...args]),
    alias: (...args) => void events.push(['alias', ...args]),
    signal: (signal) => void events.push([signal.type, signal]),
    spawnRequest: (...args) => void events.push(['spawnRequest', ...args]),
  }
  const reader = new ControlReader(citadel, { node: erlang, creation: theirStart() }, receiver)
  for (const { bytes } of vectors.frames) reader.read(hex(bytes))
  return vectors.frames.map(({ what }, index) => ({ what, event: events[index] }))
}

const atom = (name: string) => new Atom(name)
const pidOf = (node: string) =>
  expect.toSatisfy((pid) => pid instanceof Pid && pid.node === node, `a pid of ${node}`)
const refOf = (node: string) =>
  expect.toSatisfy((ref) => ref instanceof Ref && ref.node === node, `a reference of ${node}`)
const ours = pidOf(citadel)
const theirs = pidOf(erlang)
const nobody = { name: 'nobody', node: citadel }

/** The events of the recorded frames, in their order. */
const expected: unknown[][] = [
  ['named', 'server', new Tuple(atom('hello'), 1), theirs],
  ['message', ours, new Tuple(atom('hello'), 'there'), theirs],
  ['monitor', { type: 'monitor', from: theirs, to: ours, ref: refOf(erlang) }],
  ['demonitor', { type: 'demonitor', from: theirs, to: ours, ref: refOf(erlang) }],
  ['monitor', { type: 'monitor', from: theirs, to: nobody, ref: refOf(erlang) }],
  ['link', { type: 'link', from: theirs, to: ours }],
  ['unlink', { type: 'unlink', id: expect.any(BigInt), from: theirs, to: ours }],
  ['link', { type: 'link', from: theirs, to: ours }],
  ['exit', { type: 'exit', from: theirs, to: ours, reason: new Tuple(atom('because'), 1) }],
  ['exit2', { type: 'exit2', from: theirs, to: ours, reason: new Tuple(atom('go'), atom('away')) }],
  ['monitor', { type: 'monitor', from: theirs, to: nobody, ref: refOf(erlang) }],
  ['named', 'nobody', expect.any(Tuple), theirs],
  ['alias', refOf(citadel), expect.any(Tuple)],
  [
    'down',
    {
      type: 'down',
      from: { name: 'nobody', node: erlang },
      to: ours,
      ref: refOf(citadel),
      reason: atom('noproc'),
    },
  ],
  ['unlinkAck', { type: 'unlinkAck', id: 1n, from: theirs, to: ours }],
]

describe(`a connection to Erlang/OTP ${vectors.otp}, recorded`, () => {
  test('our half of the handshake is what Erlang accepted, and its half is accepted', () => {
    const machine = initiator()
    const sent = bytesOf(machine.step({ type: 'start' }))
    const effects: HandshakeEffect[] = []
    for (const message of handshake.received) {
      const got = machine.step({ type: 'bytes', bytes: hex(message) })
      sent.push(...bytesOf(got))
      effects.push(...got)
    }
    expect(sent).toEqual(handshake.sent)
    const end = effects.find(({ type }) => type === 'established')
    expect(end).toMatchObject({ peer: { name: erlang } })
    if (end?.type !== 'established') throw new Error('not established')
    expect(hasFlag(end.flags, 'ALIAS') && hasFlag(end.flags, 'UNLINK_ID')).toBe(true)
    expect(hasFlag(end.flags, 'FRAGMENTS') || hasFlag(end.flags, 'SPAWN')).toBe(false)
  })

  test('with another cookie the recorded answer is refused', () => {
    const machine = initiator('another')
    machine.step({ type: 'start' })
    const effects = handshake.received.flatMap((message) =>
      machine.step({ type: 'bytes', bytes: hex(message) }),
    )
    expect(effects.at(-1)).toMatchObject({ type: 'refused', code: 'bad_cookie' })
  })

  test('every recorded frame is read as what Erlang did', () => {
    const events = told()
    expect(events).toHaveLength(expected.length)
    for (const [index, { what, event }] of events.entries()) {
      expect(event, what).toEqual(expected[index])
    }
  })

  test('a gen_server:call and the answer to ours have the tag that must go back whole', () => {
    const events = told().map(({ event }) => event as unknown[])
    const call = events.find(([, name]) => name === 'nobody')?.[2] as Tuple
    const [label, from, request] = call.elements
    expect([label, request]).toEqual([atom('$gen_call'), new Tuple(atom('add'), 3)])
    expect((from as Tuple).elements).toEqual([
      theirs,
      new ImproperList([atom('alias')], refOf(erlang)),
    ])
    const answer = events.find(([type]) => type === 'alias')?.[2] as Tuple
    expect(answer.elements).toEqual([new ImproperList([atom('alias')], refOf(citadel)), 4])
  })
})
