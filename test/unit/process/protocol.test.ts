import { describe, expect, it } from 'vitest'
import {
  describeReason,
  isCleanExit,
  reasonFromWire,
  reasonToWire,
} from '../../../src/process/exit-reason.js'
import {
  aliasOf,
  aliasTag,
  callTerm,
  parseRequest,
  refOfTag,
  replyFromWire,
  requestFromWire,
  requestTerm,
} from '../../../src/process/gen-protocol.js'
import { Cast, RemoteCall } from '../../../src/process/request.js'
import { Atom } from '../../../src/term/atom.js'
import { ImproperList } from '../../../src/term/improper-list.js'
import { Pid } from '../../../src/term/pid.js'
import { Ref } from '../../../src/term/ref.js'
import { Tuple } from '../../../src/term/tuple.js'

const pid = new Pid('e1@127.0.0.1', 90, 0, 3)
const ref = new Ref('e1@127.0.0.1', 3, [1, 2, 3])

describe('requests of gen_server', () => {
  it('are an atom, or a tuple of an atom and the arguments', () => {
    expect(requestTerm(parseRequest(new Atom('get')))).toBe(new Atom('get'))
    const add = new Tuple(new Atom('add'), 3)
    expect(parseRequest(add)).toEqual({ method: 'add', args: [3], raw: undefined })
    expect(requestTerm(parseRequest(add))).toEqual(add)
  })

  it('are raw when they start with no atom; true is no atom', () => {
    for (const raw of [5, 'add', true, null, [1], new Tuple(), new Tuple(true, 1), { a: 1 }]) {
      expect(parseRequest(raw).method).toBe(undefined)
      expect(requestTerm(parseRequest(raw))).toBe(raw)
    }
  })

  it('are recognised with any tag, which is kept whole', () => {
    for (const tag of [ref, aliasTag(ref), new Tuple(ref, 1), 'text']) {
      const call = requestFromWire(callTerm(new Tuple(pid, tag), parseRequest(new Atom('get'))))
      expect(call).toBeInstanceOf(RemoteCall)
      expect((call as RemoteCall).tag).toBe(tag)
      expect((call as RemoteCall).pid).toBe(pid)
    }
    expect(requestFromWire(new Tuple(new Atom('$gen_cast'), new Atom('x')))).toBeInstanceOf(Cast)
  })

  it('that are malformed are ordinary messages', () => {
    const gen = new Atom('$gen_call')
    const others = [
      1,
      new Tuple(),
      new Tuple(gen),
      new Tuple(gen, pid, 1),
      new Tuple(gen, new Tuple(pid), 1),
      new Tuple(gen, new Tuple('x', ref), 1),
      new Tuple(gen, new Tuple(pid, ref), 1, 2),
      new Tuple('$gen_call', new Tuple(pid, ref), 1),
      new Tuple(new Atom('$gen_cast')),
    ]
    for (const message of others) expect(requestFromWire(message)).toBe(undefined)
  })
})

describe('replies', () => {
  it('carry a reference, bare or as an alias', () => {
    expect(replyFromWire(new Tuple(ref, 5))).toEqual({ ref, value: 5 })
    expect(replyFromWire(new Tuple(aliasTag(ref), 5))).toEqual({ ref, value: 5 })
    expect(replyFromWire(new Tuple(ref, 5, 6))).toBe(undefined)
    expect(replyFromWire(new Tuple(new ImproperList([new Atom('other')], ref), 5))).toBe(undefined)
    expect(aliasOf(ref)).toBe(undefined)
    expect(refOfTag(ref)).toBe(ref)
  })
})

describe('exit reasons', () => {
  it('are atoms on the wire when they are strings that can be', () => {
    for (const reason of ['normal', 'x'.repeat(255), 'grün']) {
      expect(reasonToWire(reason)).toBe(new Atom(reason))
      expect(reasonFromWire(reasonToWire(reason))).toBe(reason)
    }
    for (const reason of ['true', 'null', 'x'.repeat(256), '\ud800', 5, { error: 1 }]) {
      expect(reasonToWire(reason)).toBe(reason)
    }
  })

  it('are clean, or they are not', () => {
    for (const reason of ['normal', 'shutdown', new Tuple(new Atom('shutdown'), 1)]) {
      expect(isCleanExit(reason)).toBe(true)
    }
    for (const reason of ['killed', 'noproc', { error: 1 }, new Tuple(new Atom('x'), 1), null]) {
      expect(isCleanExit(reason)).toBe(false)
    }
  })

  it('can be said in words, whatever they are', () => {
    expect(describeReason('killed')).toBe('killed')
    expect(describeReason({ error: new TypeError('x') })).toBe('TypeError: x')
    expect(describeReason({ error: 5 })).toBe('5')
    expect(describeReason(undefined)).toBe('undefined')
    expect(describeReason(5n)).toBe('5n')
    expect(describeReason(new Tuple(new Atom('a'), 1))).toBe('{a, 1}')
    const loop: Record<string, unknown> = {}
    loop.self = loop
    expect(describeReason(loop)).toBe('{ self: { self: { self: {...} } } }')
  })
})
