import { describe, expect, test } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import { Refusal } from '../../../src/base/refusal.js'
import type { BoundNode } from '../../../src/process/bound-node.js'
import { GenServer } from '../../../src/process/gen-server.js'
import { type From, noReply } from '../../../src/process/request.js'
import { Atom } from '../../../src/term/atom.js'
import { copyTerm } from '../../../src/term/codec.js'
import { Pid } from '../../../src/term/pid.js'
import { Tuple } from '../../../src/term/tuple.js'
import { rest, testKernel } from '../../support/test-kernel.js'
import { Wires } from '../../support/wired-kernels.js'

class Account extends GenServer {
  #balance = 10
  #from: From | undefined

  withdraw(amount: number): number {
    if (amount > this.#balance) {
      throw new Refusal('too_little', 'not that much is left', { left: this.#balance })
    }
    this.#balance -= amount
    return this.#balance
  }

  async later(amount: number): Promise<number> {
    await Promise.resolve()
    return this.withdraw(amount)
  }

  ask(): typeof noReply {
    this.#from = this.from
    return noReply
  }

  decline(): void {
    this.citadel.reject(this.#from!, new Refusal('declined'))
  }

  declineBadly(): unknown {
    try {
      this.citadel.reject(this.#from!, 'no' as never)
    } catch (error) {
      return (error as CitadelError).code
    }
    return undefined
  }

  tampered(how: string): void {
    const refusal = new Refusal('once_right')
    const property = how === 'throws' ? { get: () => expect.fail('read') } : { value: '' }
    throw Object.defineProperty(refusal, 'code', property)
  }

  byPrototype(): void {
    throw Object.create(Refusal.prototype)
  }

  cannotCross(): void {
    throw new Refusal('odd', 'with a function', { give: () => 1 })
  }

  handleInfo(): void {
    this.withdraw(100)
  }
}

class Unwilling extends GenServer {
  init(): void {
    throw new Refusal('not_today')
  }
}

const errorOf = (work: Promise<unknown>): Promise<Refusal> =>
  work.then(
    () => expect.fail('it resolved'),
    (error: Refusal) => error,
  )

async function refuses(caller: BoundNode, pid: Pid<Account>): Promise<void> {
  for (const method of ['withdraw', 'later'] as const) {
    const error = await errorOf(caller.call(pid, method, 11))
    expect(error).toBeInstanceOf(Refusal)
    expect(error).toMatchObject({
      name: 'Refusal',
      code: 'too_little',
      message: 'not that much is left',
      details: { left: 10 },
    })
  }
  const asked = errorOf(caller.call(pid, 'ask'))
  await rest()
  caller.cast(pid, 'decline')
  expect(await asked).toMatchObject({ code: 'declined', message: 'declined', details: undefined })
  expect(await caller.call(pid, 'withdraw', 0)).toBe(10)
}

describe('a refusal', () => {
  test('one node: thrown by a handler, the caller gets it, the process lives, nothing is logged', async () => {
    const { node, log } = testKernel()
    await refuses(node, await node.spawn(Account))
    expect(log.lines).toEqual([])
  })

  test('two nodes: the caller gets code, message and details', async () => {
    const wires = new Wires()
    const one = wires.node('n1@127.0.0.1')
    const two = wires.node('n2@127.0.0.1')
    await refuses(one.node, await two.node.spawn(Account))
    expect([...one.log.lines, ...two.log.lines]).toEqual([])
  })

  test('two nodes: an Erlang caller gets {error, {Code, Message, Details}}', async () => {
    const wires = new Wires()
    const erlang = wires.node('n1@127.0.0.1')
    wires.beams.add('n1@127.0.0.1')
    const { node } = wires.node('n2@127.0.0.1')
    const pid = await node.spawn(Account)
    const answer = (await erlang.node.call(pid, 'withdraw', 11)) as unknown as Tuple
    const details = { left: 10 }
    const refused = new Tuple(new Atom('too_little'), 'not that much is left', details)
    expect(answer).toEqual(new Tuple(new Atom('error'), refused))
  })

  test('one node: of a cast or a message it costs nothing, and a debug line tells of it', async () => {
    const { node, log } = testKernel()
    const pid = await node.spawn(Account)
    node.cast(pid, 'withdraw', 11)
    node.send(pid, 'anything')
    await rest()
    expect(await node.call(pid, 'withdraw', 4)).toBe(6)
    expect(log.lines.map(({ level }) => level)).toEqual(['debug', 'debug'])
  })

  test('one node: in init it is the cause of init_failed', async () => {
    const { node } = testKernel()
    const error = (await errorOf(node.spawn(Unwilling))) as unknown as CitadelError
    expect(error).toMatchObject({ code: 'init_failed', cause: { code: 'not_today' } })
  })

  test('two nodes: one without a code is told as an error of the call, and the process lives', async () => {
    const wires = new Wires()
    const caller = wires.node('n1@127.0.0.1').node
    const { node } = wires.node('n2@127.0.0.1')
    const pid = await node.spawn(Account)
    for (const call of [
      caller.call(pid, 'tampered', 'empty'),
      caller.call(pid, 'tampered', 'throws'),
      caller.call(pid, 'byPrototype'),
    ]) {
      expect(await errorOf(call)).toMatchObject({ code: 'unserializable' })
    }
    expect(await caller.call(pid, 'withdraw', 0)).toBe(10)
  })

  test('one node, strict, and two nodes: details that cannot cross are named in the error', async () => {
    const strict = testKernel({ strictMessages: true }).node
    const here = await strict.spawn(Account)
    const wires = new Wires()
    const one = wires.node('n1@127.0.0.1').node
    const there = await wires.node('n2@127.0.0.1').node.spawn(Account)
    for (const error of [
      await errorOf(strict.call(here, 'cannotCross')),
      await errorOf(one.call(there, 'cannotCross')),
    ]) {
      expect(error).toBeInstanceOf(CitadelError)
      expect(error.code).toBe('unserializable')
      expect(error.message).toContain('the call was refused (odd)')
    }
    expect(await one.call(there, 'withdraw', 1)).toBe(9)
  })

  test('one node: a call is rejected with an error that says what it is, not with anything', async () => {
    const { node } = testKernel()
    const pid = await node.spawn(Account)
    const asked = errorOf(node.call(pid, 'ask'))
    expect(await node.call(pid, 'declineBadly')).toBe('bad_argument')
    await node.call(pid, 'decline')
    expect(await asked).toMatchObject({ code: 'declined' })
  })

  test('no node: it crosses as a value too, and its code is a text', () => {
    const copy = copyTerm(new Refusal('a', 'b', [new Pid('n@h', 1, 2, 3)])) as Refusal
    expect(copy).toBeInstanceOf(Refusal)
    expect(copy).toMatchObject({ code: 'a', message: 'b', details: [new Pid('n@h', 1, 2, 3)] })
    for (const code of [1, '', undefined, {}, 'x'.repeat(201)]) {
      expect(() => new Refusal(code as string)).toThrow(CitadelError)
    }
  })
})
