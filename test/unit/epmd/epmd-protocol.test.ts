import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import {
  decodeAliveResponse,
  decodeNamesResponse,
  decodePortResponse,
  decodeRequest,
  type EpmdEntry,
  encodeAliveRequest,
  encodeAliveResponse,
  encodeNamesRequest,
  encodeNamesResponse,
  encodePortRequest,
  encodePortResponse,
  requestBody,
} from '../../../src/epmd/epmd-protocol.js'

const entry: EpmdEntry = {
  name: 'n1',
  port: 40113,
  hidden: true,
  highestVersion: 6,
  lowestVersion: 6,
  extra: Uint8Array.of(1, 2, 3),
}
const reread = (bytes: Buffer) => decodeRequest(requestBody(bytes)!)
const badFormat = expect.objectContaining({ code: 'bad_format' })

describe('the EPMD protocol', () => {
  test('an alive request has the bytes that the protocol demands', () => {
    const bytes = encodeAliveRequest({ ...entry, extra: new Uint8Array() })
    expect(bytes.toString('hex')).toBe('000f789cb14800000600060002' + '6e31' + '0000')
  })

  test('requests read back as they were written', () => {
    expect(reread(encodeAliveRequest(entry))).toEqual({ type: 'alive', entry })
    expect(reread(encodePortRequest('n1'))).toEqual({ type: 'port', name: 'n1' })
    expect(reread(encodeNamesRequest())).toEqual({ type: 'names' })
    expect(reread(Buffer.from([0, 1, 107]))).toEqual({ type: 'other', code: 107 })
  })

  test('responses read back as they were written', () => {
    const alive = { ok: true, creation: 0xfffffff0 }
    expect(decodeAliveResponse(encodeAliveResponse(alive, true))).toEqual(alive)
    const old = { ok: false, creation: 3 }
    expect(decodeAliveResponse(encodeAliveResponse(old, false))).toEqual(old)
    expect(decodePortResponse(encodePortResponse(entry))).toEqual({ entry })
    expect(decodePortResponse(encodePortResponse(undefined))).toEqual({ entry: undefined })
    const names = [
      { name: 'a', port: 1 },
      { name: 'b', port: 65535 },
    ]
    expect(decodeNamesResponse(encodeNamesResponse(4369, names))).toEqual(names)
  })

  test('a request or response that is not complete yet is waited for', () => {
    const request = encodeAliveRequest(entry)
    const response = encodePortResponse(entry)
    const alive = encodeAliveResponse({ ok: true, creation: 9 }, true)
    for (let n = 0; n < request.length; n++) {
      expect(requestBody(request.subarray(0, n))).toBeUndefined()
    }
    for (let n = 0; n < response.length; n++) {
      expect(decodePortResponse(response.subarray(0, n))).toBeUndefined()
    }
    for (let n = 0; n < alive.length; n++) {
      expect(decodeAliveResponse(alive.subarray(0, n))).toBeUndefined()
    }
  })

  test('a name that would forge a line of the list, or is too long, is refused', () => {
    for (const name of ['', 'a b', 'a\nname b at port 1', 'a@host', 'x'.repeat(256)]) {
      expect(() => reread(encodePortRequest(name))).toThrow(badFormat)
      expect(() => reread(encodeAliveRequest({ ...entry, name }))).toThrow(badFormat)
    }
  })

  test('a request announced longer than 1 KiB is refused before it arrives', () => {
    expect(() => requestBody(Buffer.from([0x04, 0x01]))).toThrow(badFormat)
    expect(() => requestBody(Buffer.from([0, 0]))).toThrow(badFormat)
  })

  test('random bytes never do more than throw bad_format', () => {
    const readers = [requestBody, decodeRequest, decodeAliveResponse, decodePortResponse]
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        fc.constantFrom(0, 118, 119, 120, 122),
        (b, tag) => {
          const bytes = Buffer.from([tag, ...b])
          for (const read of [...readers, decodeNamesResponse]) {
            try {
              read(bytes)
            } catch (error) {
              expect(error).toBeInstanceOf(CitadelError)
            }
          }
        },
      ),
    )
  })
})
