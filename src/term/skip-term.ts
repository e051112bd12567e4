/**
 * Moves a reader over terms without making values of them, however deep they nest: the terms still
 * to come are counted, not recursed into.
 */
import { types } from 'node:util'
import { ByteReader, malformed } from './byte-reader.js'
import * as tags from './tags.js'

/** Moves over one term. */
export function skipTerm(reader: ByteReader): void {
  for (let pending = 1; pending > 0; pending--) pending += skipHead(reader)
}

/** What is kept as it came. A map is, when its keys were chosen to collide. */
const KEPT: ReadonlySet<number> = new Set([
  tags.PORT,
  tags.NEW_PORT,
  tags.V4_PORT,
  tags.FUN,
  tags.NEW_FUN,
  tags.EXPORT,
  tags.BIT_BINARY,
  tags.MAP,
])

/** Whether the bytes are one whole term of a kind that is kept as it came: users can make others. */
export function isKeptTerm(bytes: unknown): bytes is Uint8Array {
  if (!types.isUint8Array(bytes) || !KEPT.has(bytes[0] ?? 0)) return false
  const reader = new ByteReader(bytes)
  try {
    skipTerm(reader)
    return reader.atEnd
  } catch {
    return false
  }
}

/** Each of `count` terms takes a byte at least, so a count beyond the end is a lie. */
function children(reader: ByteReader, count: number): number {
  reader.need(count)
  return count
}

function leaf(reader: ByteReader, size: number): number {
  reader.advance(size)
  return 0
}

/** A node's name and `size` bytes after it. */
function identifier(reader: ByteReader, size: number): number {
  skipTerm(reader)
  return leaf(reader, size)
}

/** Moves over a term's head, or the whole of a leaf. Answers how many terms belong to it. */
function skipHead(reader: ByteReader): number {
  const tag = reader.u8()
  switch (tag) {
    case tags.NIL:
      return 0
    case tags.SMALL_INTEGER:
      return leaf(reader, 1)
    case tags.INTEGER:
      return leaf(reader, 4)
    case tags.NEW_FLOAT:
      return leaf(reader, 8)
    case tags.FLOAT:
      return leaf(reader, 31)
    case tags.SMALL_ATOM:
    case tags.SMALL_ATOM_UTF8:
      return leaf(reader, reader.u8())
    case tags.SMALL_BIG:
      return leaf(reader, reader.u8() + 1)
    case tags.ATOM:
    case tags.ATOM_UTF8:
    case tags.STRING:
      return leaf(reader, reader.u16())
    case tags.BINARY:
      return leaf(reader, reader.u32())
    case tags.LARGE_BIG:
    case tags.BIT_BINARY:
      return leaf(reader, reader.u32() + 1)
    case tags.SMALL_TUPLE:
      return children(reader, reader.u8())
    case tags.LARGE_TUPLE:
      return children(reader, reader.u32())
    case tags.LIST:
      return children(reader, reader.u32() + 1)
    case tags.MAP:
      return children(reader, reader.u32() * 2)
    default:
      return skipIdentifierOrFun(reader, tag)
  }
}

function skipIdentifierOrFun(reader: ByteReader, tag: number): number {
  switch (tag) {
    case tags.NEW_PID:
    case tags.V4_PORT:
      return identifier(reader, 12)
    case tags.PID:
      return identifier(reader, 9)
    case tags.NEW_PORT:
      return identifier(reader, 8)
    case tags.PORT:
    case tags.REFERENCE:
      return identifier(reader, 5)
    case tags.NEW_REFERENCE:
      return skipReference(reader, 1)
    case tags.NEWER_REFERENCE:
      return skipReference(reader, 4)
    case tags.EXPORT:
      return children(reader, 3)
    case tags.FUN:
      return children(reader, reader.u32() + 4)
    case tags.NEW_FUN:
      return skipNewFun(reader)
    default:
      throw unknownTag(tag)
  }
}

function skipReference(reader: ByteReader, creationSize: number): number {
  const words = reader.u16()
  return identifier(reader, creationSize + 4 * words)
}

/** The size counts its own four bytes. */
function skipNewFun(reader: ByteReader): number {
  const size = reader.u32()
  if (size < 4) throw malformed('has a fun without its parts')
  return leaf(reader, size - 4)
}

/** The error for a tag that is none, or that we do not take. */
export function unknownTag(tag: number): Error {
  return tag === tags.COMPRESSED
    ? malformed('is compressed: send it without the option `compressed`')
    : malformed(`has the unknown tag ${tag}`)
}
