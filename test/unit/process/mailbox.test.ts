import { describe, expect, it } from 'vitest'
import { Mailbox, MailboxPool } from '../../../src/process/mailbox.js'

describe('mailbox', () => {
  it('gives messages in the order they came, across growth and wrapping', () => {
    const mailbox = new Mailbox()
    const out: unknown[] = []
    let next = 0
    for (let round = 0; round < 50; round++) {
      for (let i = 0; i < 7; i++) mailbox.push(next++)
      for (let i = 0; i < 5; i++) out.push(mailbox.shift())
    }
    while (mailbox.size > 0) out.push(mailbox.shift())
    expect(out).toEqual(Array.from({ length: 350 }, (_, i) => i))
  })

  it('takes a message out of the middle and keeps the order of the others', () => {
    const mailbox = new Mailbox()
    for (let i = 0; i < 12; i++) mailbox.push(i)
    for (let i = 0; i < 6; i++) mailbox.shift()
    for (let i = 12; i < 18; i++) mailbox.push(i)
    expect(mailbox.remove(3)).toBe(9)
    expect(mailbox.remove(0)).toBe(6)
    const rest = []
    while (mailbox.size > 0) rest.push(mailbox.shift())
    expect(rest).toEqual([7, 8, 10, 11, 12, 13, 14, 15, 16, 17])
  })

  it('keeps undefined as a message', () => {
    const mailbox = new Mailbox()
    mailbox.push(undefined)
    expect(mailbox.size).toBe(1)
    expect(mailbox.shift()).toBe(undefined)
    expect(mailbox.size).toBe(0)
    expect(mailbox.shift()).toBe(undefined)
    expect(mailbox.size).toBe(0)
  })
})

describe('mailbox pool', () => {
  it('gives a small ring to the next who needs one', () => {
    const pool = new MailboxPool()
    const mailbox = pool.take()
    pool.giveBack(mailbox)
    expect(pool.take()).toBe(mailbox)
  })

  it('leaves a ring that has grown large to the garbage collector', () => {
    const pool = new MailboxPool()
    const mailbox = pool.take()
    for (let i = 0; i < 2_000; i++) mailbox.push(i)
    while (mailbox.size > 0) mailbox.shift()
    pool.giveBack(mailbox)
    expect(pool.take()).not.toBe(mailbox)
  })
})
