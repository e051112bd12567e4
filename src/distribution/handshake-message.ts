/**
 * The messages of the distribution handshake, version 6, as bytes: each is a frame with a 2-byte
 * length, a tag and a fixed layout, so nothing before the cookie check needs a general decoder.
 * Encoders answer whole frames; decoders take a frame without its length, trust nothing in it and
 * throw `bad_format`. Trailing bytes of a name or challenge are ignored, as the protocol demands.
 */
import { timingSafeEqual } from 'node:crypto'
import { CitadelError } from '../base/errors.js'
import { isNodeName } from '../base/node-name.js'
import type { Flags } from './flags.js'

export interface NameMessage {
  name: string
  creation: number
  flags: Flags
}

export interface ChallengeMessage extends NameMessage {
  challenge: number
}

export interface ReplyMessage {
  challenge: number
  digest: Uint8Array
}

/** What the acceptor says after the name, and the initiator's answer to `alive`. */
export type StatusMessage =
  | 'ok'
  | 'ok_simultaneous'
  | 'nok'
  | 'not_allowed'
  | 'alive'
  | 'named:'
  | 'true'
  | 'false'

/** The longest frame is a challenge with a name of 255 bytes; a peer may append what we ignore. */
export const HANDSHAKE_FRAME_BYTES_MAX = 1024

const LENGTH_BYTES = 2
const DIGEST_BYTES = 16
const TAG_NAME = 0x4e
const TAG_STATUS = 0x73
const TAG_REPLY = 0x72
const TAG_ACK = 0x61
const NAME_HEADER_BYTES = 15
const CHALLENGE_HEADER_BYTES = 19
const STATUSES: readonly StatusMessage[] = [
  'ok',
  'ok_simultaneous',
  'nok',
  'not_allowed',
  'alive',
  'true',
  'false',
]

const bad = (what: string): CitadelError =>
  new CitadelError(
    'bad_format',
    `the peer sent ${what} in the handshake: make sure that the port belongs to a Citadel or ` +
      'Erlang/OTP 25 or later node',
  )

/** A frame of `bodyBytes` with its length and tag written. */
function frame(tag: number, bodyBytes: number): Buffer {
  const bytes = Buffer.alloc(LENGTH_BYTES + bodyBytes)
  bytes.writeUInt16BE(bodyBytes, 0)
  bytes[LENGTH_BYTES] = tag
  return bytes
}

function expect(body: Buffer, tag: number, minBytes: number, what: string): void {
  if (body[0] !== tag) throw bad(`something else where ${what} belongs`)
  if (body.length < minBytes) throw bad(`${what} that is too short`)
}

export function encodeName(message: NameMessage): Buffer {
  const name = Buffer.from(message.name, 'latin1')
  const bytes = frame(TAG_NAME, NAME_HEADER_BYTES + name.length)
  let at = LENGTH_BYTES + 1
  at = bytes.writeUInt32BE(message.flags.high, at)
  at = bytes.writeUInt32BE(message.flags.low, at)
  at = bytes.writeUInt32BE(message.creation, at)
  at = bytes.writeUInt16BE(name.length, at)
  name.copy(bytes, at)
  return bytes
}

export function decodeName(body: Buffer): NameMessage {
  expect(body, TAG_NAME, NAME_HEADER_BYTES, 'a name')
  return {
    flags: readFlags(body),
    creation: body.readUInt32BE(9),
    name: readName(body, NAME_HEADER_BYTES),
  }
}

export function encodeChallenge(message: ChallengeMessage): Buffer {
  const name = Buffer.from(message.name, 'latin1')
  const bytes = frame(TAG_NAME, CHALLENGE_HEADER_BYTES + name.length)
  let at = LENGTH_BYTES + 1
  at = bytes.writeUInt32BE(message.flags.high, at)
  at = bytes.writeUInt32BE(message.flags.low, at)
  at = bytes.writeUInt32BE(message.challenge, at)
  at = bytes.writeUInt32BE(message.creation, at)
  at = bytes.writeUInt16BE(name.length, at)
  name.copy(bytes, at)
  return bytes
}

export function decodeChallenge(body: Buffer): ChallengeMessage {
  expect(body, TAG_NAME, CHALLENGE_HEADER_BYTES, 'a challenge')
  return {
    flags: readFlags(body),
    challenge: body.readUInt32BE(9),
    creation: body.readUInt32BE(13),
    name: readName(body, CHALLENGE_HEADER_BYTES),
  }
}

export function encodeStatus(status: StatusMessage): Buffer {
  const bytes = frame(TAG_STATUS, 1 + status.length)
  bytes.write(status, LENGTH_BYTES + 1, 'latin1')
  return bytes
}

export function decodeStatus(body: Buffer): StatusMessage {
  expect(body, TAG_STATUS, 2, 'a status')
  const text = body.toString('latin1', 1)
  if (text.startsWith('named:')) return 'named:'
  const status = STATUSES.find((known) => known === text)
  if (status === undefined) throw bad('an unknown status')
  return status
}

export function encodeReply(message: ReplyMessage): Buffer {
  const bytes = frame(TAG_REPLY, 5 + DIGEST_BYTES)
  const at = bytes.writeUInt32BE(message.challenge, LENGTH_BYTES + 1)
  bytes.set(message.digest, at)
  return bytes
}

export function decodeReply(body: Buffer): ReplyMessage {
  expect(body, TAG_REPLY, 5 + DIGEST_BYTES, 'a challenge reply')
  return { challenge: body.readUInt32BE(1), digest: body.subarray(5, 5 + DIGEST_BYTES) }
}

export function encodeAck(digest: Uint8Array): Buffer {
  const bytes = frame(TAG_ACK, 1 + DIGEST_BYTES)
  bytes.set(digest, LENGTH_BYTES + 1)
  return bytes
}

export function decodeAck(body: Buffer): Uint8Array {
  expect(body, TAG_ACK, 1 + DIGEST_BYTES, 'a challenge acknowledgement')
  return body.subarray(1, 1 + DIGEST_BYTES)
}

/** Takes the same time wherever the digests differ. */
export const sameDigest = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && timingSafeEqual(a, b)

const readFlags = (body: Buffer): Flags => ({
  high: body.readUInt32BE(1),
  low: body.readUInt32BE(5),
})

/** The name whose length stands in the two bytes before `at`. */
function readName(body: Buffer, at: number): string {
  const length = body.readUInt16BE(at - 2)
  if (length > body.length - at) throw bad('a node name that is cut off')
  const name = body.toString('latin1', at, at + length)
  if (!isNodeName(name)) throw bad('an invalid node name')
  return name
}
