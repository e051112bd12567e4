/**
 * The messages of EPMD, the Erlang port mapper: who listens where on a machine. Pure functions
 * from values to bytes and back. Requests carry a 2-byte length, responses do not; a decoder of
 * a response answers undefined while bytes are missing. All of them throw `bad_format` for what
 * the protocol does not allow and never read past what was given.
 */
import { CitadelError } from '../base/errors.js'

/** What a node tells EPMD about itself. */
export interface EpmdEntry {
  /** The name without the host. */
  name: string
  port: number
  /** Hidden nodes are not told to others by Erlang's own tools. */
  hidden: boolean
  highestVersion: number
  lowestVersion: number
  extra: Uint8Array
}

export type EpmdRequest =
  | { type: 'alive'; entry: EpmdEntry }
  | { type: 'port'; name: string }
  | { type: 'names' }
  /** Anything else: KILL, STOP and DUMP among them. */
  | { type: 'other'; code: number }

export interface AliveResponse {
  /** False: the name is taken, or the EPMD is full. */
  ok: boolean
  creation: number
}

export interface EpmdName {
  name: string
  port: number
}

export const EPMD_PORT = 4369
/** The longest request is an `alive` with a name and an extra of 255 bytes. */
export const EPMD_REQUEST_BYTES_MAX = 1024
export const EPMD_NAME_BYTES_MAX = 255
export const HANDSHAKE_VERSION = 6

const ALIVE2_REQ = 120
const ALIVE2_RESP = 121
const ALIVE2_X_RESP = 118
const PORT_PLEASE2_REQ = 122
const PORT2_RESP = 119
const NAMES_REQ = 110
const NODE_HIDDEN = 72
const NODE_NORMAL = 77
const PROTOCOL_TCP_IPV4 = 0
const LENGTH_BYTES = 2
const NAME_LINE = /^name ([^\s@]+) at port (\d{1,5})$/

const bad = (what: string): CitadelError =>
  new CitadelError('bad_format', `${what}: make sure that the EPMD port belongs to an EPMD`)

// Requests.

export function encodeAliveRequest(entry: EpmdEntry): Buffer {
  const name = Buffer.from(entry.name)
  const body = Buffer.alloc(13 + name.length + entry.extra.length)
  let at = writeEntry(body, writeCode(body, ALIVE2_REQ), entry, name)
  at = body.writeUInt16BE(entry.extra.length, at)
  body.set(entry.extra, at)
  return framed(body)
}

export function encodePortRequest(name: string): Buffer {
  return framed(Buffer.concat([Buffer.of(PORT_PLEASE2_REQ), Buffer.from(name)]))
}

export const encodeNamesRequest = (): Buffer => framed(Buffer.of(NAMES_REQ))

/** The body of the request that `bytes` begin with, or undefined while it is not complete. */
export function requestBody(bytes: Buffer): Buffer | undefined {
  if (bytes.length < LENGTH_BYTES) return undefined
  const length = bytes.readUInt16BE(0)
  if (length === 0 || length > EPMD_REQUEST_BYTES_MAX) throw bad(`a request of ${length} bytes`)
  const end = LENGTH_BYTES + length
  return bytes.length < end ? undefined : bytes.subarray(LENGTH_BYTES, end)
}

export function decodeRequest(body: Buffer): EpmdRequest {
  switch (body[0]) {
    case ALIVE2_REQ:
      return { type: 'alive', entry: readEntry(body, 1) }
    case PORT_PLEASE2_REQ:
      return { type: 'port', name: checkedName(body.toString('utf8', 1)) }
    case NAMES_REQ:
      return { type: 'names' }
    default:
      return { type: 'other', code: body[0] ?? 0 }
  }
}

// Responses.

/** `wide`: the asker knows creations of 32 bits, as all since Erlang/OTP 23 do. */
export function encodeAliveResponse(response: AliveResponse, wide: boolean): Buffer {
  const bytes = Buffer.alloc(wide ? 6 : 4)
  bytes[0] = wide ? ALIVE2_X_RESP : ALIVE2_RESP
  bytes[1] = response.ok ? 0 : 1
  if (wide) bytes.writeUInt32BE(response.creation, 2)
  else bytes.writeUInt16BE(response.creation, 2)
  return bytes
}

export function decodeAliveResponse(bytes: Buffer): AliveResponse | undefined {
  if (bytes.length === 0) return undefined
  const code = bytes[0]
  if (code !== ALIVE2_X_RESP && code !== ALIVE2_RESP) throw bad(`an unknown answer (${code})`)
  const isWide = code === ALIVE2_X_RESP
  if (bytes.length < (isWide ? 6 : 4)) return undefined
  return { ok: bytes[1] === 0, creation: isWide ? bytes.readUInt32BE(2) : bytes.readUInt16BE(2) }
}

export function encodePortResponse(entry: EpmdEntry | undefined): Buffer {
  if (entry === undefined) return Buffer.of(PORT2_RESP, 1)
  const name = Buffer.from(entry.name)
  const bytes = Buffer.alloc(14 + name.length + entry.extra.length)
  let at = writeEntry(bytes, writeCode(bytes, PORT2_RESP) + 1, entry, name)
  at = bytes.writeUInt16BE(entry.extra.length, at)
  bytes.set(entry.extra, at)
  return bytes
}

/** `entry` is undefined when nobody has the name. */
export function decodePortResponse(bytes: Buffer): { entry: EpmdEntry | undefined } | undefined {
  if (bytes.length === 0) return undefined
  if (bytes[0] !== PORT2_RESP) throw bad(`an unknown answer (${bytes[0]})`)
  if (bytes.length < 2) return undefined
  if (bytes[1] !== 0) return { entry: undefined }
  return isWholeEntry(bytes, 2) ? { entry: readEntry(bytes, 2) } : undefined
}

export function encodeNamesResponse(epmdPort: number, names: Iterable<EpmdName>): Buffer {
  let text = ''
  for (const { name, port } of names) text += `name ${name} at port ${port}\n`
  const bytes = Buffer.alloc(4 + Buffer.byteLength(text))
  bytes.write(text, bytes.writeUInt32BE(epmdPort, 0))
  return bytes
}

/** Only when the connection has been closed is the list complete. */
export function decodeNamesResponse(bytes: Buffer): EpmdName[] {
  if (bytes.length < 4) throw bad('a list of names that is cut off')
  const names: EpmdName[] = []
  for (const line of bytes.toString('utf8', 4).split('\n')) {
    const match = NAME_LINE.exec(line)
    if (match !== null) names.push({ name: match[1]!, port: Number(match[2]) })
  }
  return names
}

// What an ALIVE2 request and a PORT2 response have in common: everything from the port on.

function writeCode(bytes: Buffer, code: number): number {
  bytes[0] = code
  return 1
}

function writeEntry(bytes: Buffer, start: number, entry: EpmdEntry, name: Buffer): number {
  let at = bytes.writeUInt16BE(entry.port, start)
  at = bytes.writeUInt8(entry.hidden ? NODE_HIDDEN : NODE_NORMAL, at)
  at = bytes.writeUInt8(PROTOCOL_TCP_IPV4, at)
  at = bytes.writeUInt16BE(entry.highestVersion, at)
  at = bytes.writeUInt16BE(entry.lowestVersion, at)
  at = bytes.writeUInt16BE(name.length, at)
  return at + name.copy(bytes, at)
}

/** An entry without its name and extra has this many bytes before the name. */
const ENTRY_HEAD_BYTES = 10

function isWholeEntry(bytes: Buffer, start: number): boolean {
  const nameAt = start + ENTRY_HEAD_BYTES
  if (bytes.length < nameAt) return false
  const extraAt = nameAt + bytes.readUInt16BE(nameAt - 2)
  return bytes.length >= extraAt + 2 && bytes.length >= extraAt + 2 + bytes.readUInt16BE(extraAt)
}

function readEntry(bytes: Buffer, start: number): EpmdEntry {
  if (!isWholeEntry(bytes, start)) throw bad('an entry that is cut off')
  const nameAt = start + ENTRY_HEAD_BYTES
  const extraAt = nameAt + bytes.readUInt16BE(nameAt - 2)
  const extraBytes = bytes.readUInt16BE(extraAt)
  return {
    port: bytes.readUInt16BE(start),
    hidden: bytes[start + 2] === NODE_HIDDEN,
    highestVersion: bytes.readUInt16BE(start + 4),
    lowestVersion: bytes.readUInt16BE(start + 6),
    name: checkedName(bytes.toString('utf8', nameAt, extraAt)),
    extra: Uint8Array.from(bytes.subarray(extraAt + 2, extraAt + 2 + extraBytes)),
  }
}

/** A name that cannot forge a line of the list of names, nor be longer than Erlang allows. */
function checkedName(name: string): string {
  const isFit = name.length > 0 && Buffer.byteLength(name) <= EPMD_NAME_BYTES_MAX
  if (!isFit || /[\s@\p{Cc}]/u.test(name)) throw bad('an invalid name')
  return name
}

function framed(body: Buffer): Buffer {
  const bytes = Buffer.alloc(LENGTH_BYTES + body.length)
  body.copy(bytes, bytes.writeUInt16BE(body.length, 0))
  return bytes
}
