import { expect, test } from 'vitest'
import { Atom } from '../../../src/term/atom.js'
import { Pid } from '../../../src/term/pid.js'
import { Ref } from '../../../src/term/ref.js'
import { TermReader } from '../../../src/term/term-reader.js'
import { TermWriter } from '../../../src/term/term-writer.js'
import { Tuple } from '../../../src/term/tuple.js'

const pid = new Pid('n1@127.0.0.1', 80, 1, 7)
const ref = new Ref('n1@127.0.0.1', 7, [1, 2, 3])

function written(write: (writer: TermWriter) => void): TermReader {
  const writer = new TermWriter(8)
  write(writer)
  return new TermReader(writer.take())
}

test('a control tuple is taken apart as it was put together', () => {
  const reader = written((writer) => {
    writer.tupleHeader(5)
    writer.integer(22)
    writer.pid(pid)
    writer.ref(ref)
    writer.atom('true')
    writer.integer(2n ** 64n - 1n)
    writer.term({ payload: [1] })
  })
  expect(reader.tupleArity()).toBe(5)
  expect(reader.integer()).toBe(22)
  expect(reader.isPid()).toBe(true)
  expect(reader.pid()).toEqual(pid)
  expect(reader.ref()).toEqual(ref)
  expect(reader.isAtom()).toBe(true)
  expect(reader.atomName()).toBe('true')
  expect(reader.bigint()).toBe(2n ** 64n - 1n)
  expect(reader.atEnd).toBe(false)
  expect(reader.term()).toEqual({ payload: [1] })
  expect(reader.atEnd).toBe(true)
})

test('what is written by hand is what a value is written as', () => {
  const reader = written((writer) => {
    writer.tupleHeader(2)
    writer.atom('a')
    writer.listHeader(2)
    writer.term(1)
    writer.binaryHeader(2)
    writer.raw(Buffer.from('hi'))
    writer.nil()
  })
  expect(reader.term()).toEqual(new Tuple(new Atom('a'), [1, 'hi']))
})

test('a term is skipped whole', () => {
  const reader = written((writer) => {
    writer.term({
      a: [new Tuple(pid, ref, 1.5, 2n ** 70n, 'x'.repeat(300), new Set([1])), -5, null],
    })
    writer.term('next')
  })
  reader.skip()
  expect(reader.term()).toBe('next')
})

test('a reader serves one frame after the other, and keeps to its part of the bytes', () => {
  const writer = new TermWriter()
  writer.term('first')
  const middle = writer.length
  writer.term(['second', 'é'])
  const reader = new TermReader(writer.bytes, 0, middle)
  expect(reader.term()).toBe('first')
  expect(reader.atEnd).toBe(true)
  expect(() => reader.u8()).toThrowError(/ends early/)
  reader.reset(new Uint8Array(writer.bytes), middle, writer.length)
  expect(reader.term()).toEqual(['second', 'é'])
})

test.each<[string, (reader: TermReader) => unknown]>([
  ['tuple', (reader) => reader.tupleArity()],
  ['integer', (reader) => reader.integer()],
  ['pid', (reader) => reader.pid()],
  ['reference', (reader) => reader.ref()],
  ['atom', (reader) => reader.atomName()],
])('a term that is not the %s expected is bad_format', (what, read) => {
  const reader = written((writer) => writer.term('text'))
  expect(() => read(reader)).toThrowError(
    expect.objectContaining({ code: 'bad_format', message: expect.stringContaining(what) }),
  )
})

test('names with the same ends are told apart by the cache', () => {
  const names = ['user_id', 'udar_id', 'usxr_id', 'é_id', 'x'.repeat(100)]
  const value = Object.fromEntries(names.map((name) => [name, 1]))
  const writer = new TermWriter()
  writer.term([value, value])
  const reader = new TermReader(writer.take())
  expect(reader.term()).toEqual([value, value])
})

test('the writer hands over its bytes and does not touch them again', () => {
  const writer = new TermWriter(16)
  writer.term('a text longer than the first capacity')
  const first = writer.take()
  const before = Buffer.from(first)
  writer.term('something quite different, as long as it')
  writer.take()
  writer.term('x')
  expect(first).toEqual(before)
})

test('a refused term leaves what was written before it', () => {
  const writer = new TermWriter()
  writer.u32(0)
  expect(() => writer.term(['x'.repeat(1000), () => 1], 'args')).toThrowError(
    /^args\[1\] is a function/,
  )
  expect(writer.length).toBe(4)
  writer.patchU32(0, 0x01020304)
  writer.u64(5n)
  expect([...writer.take()]).toEqual([1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 5])
})
