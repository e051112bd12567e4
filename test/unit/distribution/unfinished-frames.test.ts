/** One budget for the frames that have arrived in part, over all links of a node. */
import { expect, test } from 'vitest'
import { systemWorld } from '../../../src/base/system-world.js'
import type { Connection } from '../../../src/base/transport.js'
import { Inbox, ReadBudget } from '../../../src/distribution/inbox.js'
import { UnfinishedFrames } from '../../../src/distribution/unfinished-frames.js'

const { clock } = systemWorld()
const connection = { pause() {}, resume() {} } as Connection
const LIMIT = 64 * 1_024 * 1_024

function links(count: number, unfinished: UnfinishedFrames) {
  const frames: number[] = []
  const cut: number[] = []
  const inboxes = Array.from(
    { length: count },
    (_, n) =>
      new Inbox(
        connection,
        clock,
        new ReadBudget(clock, unfinished),
        LIMIT,
        () => frames.push(n),
        () => cut.push(n),
      ),
  )
  const announce = (n: number, bytes: number) => {
    const head = Buffer.alloc(4)
    head.writeUInt32BE(bytes)
    inboxes[n]!.received(head)
  }
  return { inboxes, frames, cut, announce }
}

test('one node: twelve unfinished frames of 64 MiB take 128 MiB at most, and the largest goes', () => {
  const { inboxes, cut, announce } = links(12, new UnfinishedFrames())
  for (let n = 0; n < 12; n++) announce(n, LIMIT)
  const chunk = Buffer.alloc(1_024 * 1_024)
  let most = 0
  for (let part = 0; part < 63; part++) {
    for (const inbox of inboxes) inbox.received(chunk)
    most = Math.max(
      most,
      inboxes.reduce((sum, inbox) => sum + inbox.reservedBytes, 0),
    )
  }
  expect(most).toBeLessThanOrEqual(128 * 1_024 * 1_024)
  expect(cut.length).toBeGreaterThanOrEqual(9)
})

test('one node: who has little under way keeps it, and gets it when it is whole', () => {
  const { inboxes, cut, frames, announce } = links(3, new UnfinishedFrames(400_000))
  announce(0, 100_000)
  inboxes[0]!.received(Buffer.alloc(99_999))
  announce(1, 1_000_000)
  inboxes[1]!.received(Buffer.alloc(200_000))
  announce(2, 1_000_000)
  inboxes[2]!.received(Buffer.alloc(300_000))
  expect(cut).toEqual([2])
  inboxes[0]!.received(Buffer.alloc(1))
  inboxes[1]!.received(Buffer.alloc(100_000))
  expect([frames, cut]).toEqual([[0], [2]])
})

test('one node: what a link had under way when it was closed counts no more', () => {
  const unfinished = new UnfinishedFrames(400_000)
  for (let round = 0; round < 20; round++) {
    const { inboxes, cut, announce } = links(1, unfinished)
    announce(0, 1_000_000)
    inboxes[0]!.received(Buffer.alloc(300_000))
    inboxes[0]!.close()
    expect(cut).toEqual([])
  }
})
