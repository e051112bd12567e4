/** The kernel's side of the Router seam, with two kernels and no mesh. The mesh has tests of its own. */
import { describe, expect, it } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import type { BoundNode } from '../../../src/process/bound-node.js'
import { GenServer } from '../../../src/process/gen-server.js'
import { type From, noReply } from '../../../src/process/request.js'
import { Down, Exit } from '../../../src/process/system-messages.js'
import { Atom } from '../../../src/term/atom.js'
import { ImproperList } from '../../../src/term/improper-list.js'
import { Pid } from '../../../src/term/pid.js'
import { Ref } from '../../../src/term/ref.js'
import { Tuple } from '../../../src/term/tuple.js'
import { rest } from '../../support/test-kernel.js'
import { Wires } from '../../support/wired-kernels.js'

const idle = (self: BoundNode) => self.receive(() => false)

class Adder extends GenServer {
  #waiting: From | undefined
  heard: unknown[] = []

  add(a: number, b: number): number {
    return a + b
  }

  later(): typeof noReply {
    this.#waiting = this.from
    return noReply
  }

  release(value: unknown): void {
    this.citadel.reply(this.#waiting!, value)
  }

  bad(): unknown {
    return () => {}
  }

  fail(): void {
    throw new Error('broken')
  }

  refuse(): typeof noReply {
    const details = { pid: this.self }
    this.citadel.reject(this.from!, new CitadelError('already_started', 'it runs', details))
    return noReply
  }

  all(): unknown[] {
    return this.heard
  }

  handleInfo(message: unknown): void {
    this.heard.push(message)
  }
}

const setUp = async () => {
  const wires = new Wires()
  const n1 = wires.node('n1@127.0.0.1')
  const n2 = wires.node('n2@127.0.0.1')
  const adder = await n2.node.spawn(Adder, [], { name: 'adder' })
  return { wires, n1, n2, a: n1.node, b: n2.node, adder }
}

const fault = (promise: Promise<unknown>): Promise<CitadelError> =>
  promise.then(
    (value) => new CitadelError('bad_format', `resolved with ${String(value)}`),
    (error: CitadelError) => error,
  )

describe('two nodes: a call', () => {
  it('reaches a pid or a name and brings the result', async () => {
    const { a, adder } = await setUp()
    expect(await a.call(adder, 'add', 2, 3)).toBe(5)
    expect(await a.call({ name: 'adder', node: 'n2@127.0.0.1' }, 'add', 'x', 'y')).toBe('xy')
    expect(a.send(adder, new Map([[1, 'one']]))).toBe(true)
    expect(a.cast(adder, 'add', 1, 1)).toBe(true)
    expect(await a.call(adder, 'all')).toEqual([new Map([[1, 'one']])])
  })

  it('can be answered later, and by another process', async () => {
    const { a, b, adder } = await setUp()
    const call = a.call(adder, 'later')
    await rest()
    await b.call(adder, 'release', { some: 'value' })
    expect(await call).toEqual({ some: 'value' })
  })

  it('is refused with the code, the sentence and the pid', async () => {
    const { a, adder } = await setUp()
    const unknown = await fault(a.call<unknown, string>(adder as Pid, 'nothing'))
    expect(unknown).toMatchObject({ code: 'undefined_method' })
    expect(unknown.message).toContain("no message 'nothing'")
    expect(await fault(a.call(adder, 'bad'))).toMatchObject({ code: 'unserializable' })
    const refused = await fault(a.call(adder, 'refuse'))
    expect(refused).toMatchObject({ code: 'already_started', message: 'it runs' })
    expect(adder.equals(refused.pid as Pid)).toBe(true)
    expect(await a.call(adder, 'add', 1, 1)).toBe(2)
  })

  it('fails at once when nobody is there', async () => {
    const { a, b, adder } = await setUp()
    const nobody = a.call({ name: 'nobody', node: 'n2@127.0.0.1' }, 'x')
    expect(await fault(nobody)).toMatchObject({ code: 'noproc' })
    b.exit(adder, 'kill')
    expect(await fault(a.call(adder, 'add', 1, 1))).toMatchObject({ code: 'noproc' })
  })

  it('fails when the process ends before it answers, with the reason', async () => {
    const { a, b, adder } = await setUp()
    const call = fault(a.call(adder, 'later'))
    await rest()
    b.exit(adder, 'enough')
    expect(await call).toMatchObject({ code: 'exited', reason: 'enough' })
    const other = await b.spawn(Adder)
    const failed = await fault(a.call(other, 'fail'))
    expect(failed).toMatchObject({ code: 'exited', reason: { error: { message: 'broken' } } })
  })

  it('fails with noconnection when the connection goes, and at once when there is none', async () => {
    const { wires, a, adder } = await setUp()
    const call = fault(a.call(adder, 'later'))
    await rest()
    wires.disconnect('n1@127.0.0.1', 'n2@127.0.0.1')
    expect(await call).toMatchObject({
      code: 'noconnection',
      message: expect.stringContaining('may have been carried out'),
    })
    expect(await fault(a.call(adder, 'add', 1, 1))).toMatchObject({ code: 'noconnection' })
    expect(a.send(adder, 1)).toBe(false)
  })

  it('with a value that cannot cross fails here, and nothing is sent', async () => {
    const { a, adder } = await setUp()
    expect(await fault(a.call(adder, 'add', (() => {}) as never, 1))).toMatchObject({
      code: 'unserializable',
    })
    expect(await a.call(adder, 'add', 1, 1)).toBe(2)
  })

  it('waits within its deadline for a link above its high mark; send does not', async () => {
    const { wires, a, adder } = await setUp()
    wires.block('n2@127.0.0.1')
    expect(a.send(adder, 1)).toBe(false)
    const patient = a.call(adder, 'add', 1, 2)
    const hasty = a.with({ timeoutMs: 5 }).call(adder, 'add', 1, 2)
    expect(await fault(hasty)).toMatchObject({ code: 'timeout' })
    wires.unblock('n2@127.0.0.1')
    expect(await patient).toBe(3)
  })

  it('gets its answer although the link back is above its high mark for a while', async () => {
    const { wires, a, adder } = await setUp()
    const call = a.call(adder, 'add', 1, 2)
    wires.block('n1@127.0.0.1')
    await rest()
    wires.unblock('n1@127.0.0.1')
    expect(await call).toBe(3)
  })

  it('to a full mailbox is refused with overloaded', async () => {
    const wires = new Wires()
    const { node: a } = wires.node('n1@127.0.0.1')
    const { node: b, kernel } = wires.node('n2@127.0.0.1')
    const pid = await b.spawn(idle)
    for (let i = 0; i < 100_000; i++) b.send(pid, i)
    expect(await fault(a.call(pid, 'x'))).toMatchObject({ code: 'overloaded' })
    await kernel.stop()
  })

  it('is no monitor between Citadel nodes, and one with an end towards other Erlang nodes', async () => {
    const { wires, a, adder } = await setUp()
    await a.call(adder, 'add', 1, 1)
    expect(wires.signals).toEqual([])
    wires.beams.add('n2@127.0.0.1')
    await a.call(adder, 'add', 1, 1)
    expect(wires.signals.map(({ type }) => type)).toEqual(['monitor', 'demonitor'])
  })
})

describe('two nodes: what Erlang code sends', () => {
  it('a gen_server:call is answered under its tag, whatever that is', async () => {
    const { n2, a, adder } = await setUp()
    const ref = new Ref('n1@127.0.0.1', 1, [77, 1, 0])
    const from = new Tuple(a.self, ref)
    const request = new Tuple(new Atom('add'), 1, 2)
    n2.kernel.deliver(adder as Pid, new Tuple(new Atom('$gen_call'), from, request), a.self)
    expect(await a.receive()).toEqual(new Tuple(ref, 3))
    const strange = new Tuple(a.self, new Tuple(ref, new Atom('n2')))
    n2.kernel.deliver(adder as Pid, new Tuple(new Atom('$gen_call'), strange, request), a.self)
    expect(await a.receive()).toEqual(new Tuple(strange.at(1), 3))
  })

  it('a gen_server:cast reaches the method, and a function gets the tuple', async () => {
    const { n2, a, b, adder } = await setUp()
    const cast = new Tuple(new Atom('$gen_cast'), new Tuple(new Atom('release'), 1))
    const call = a.call(adder, 'later')
    await rest()
    n2.kernel.deliver(adder as Pid, cast, a.self)
    expect(await call).toBe(1)
    n2.kernel.deliver(b.self, cast, a.self)
    expect(await b.receive()).toEqual(cast)
  })

  it('a call answered twice is answered once', async () => {
    const { n2, a, b, adder } = await setUp()
    const ref = new Ref('n1@127.0.0.1', 1, [79, 1, 0])
    const later = new Tuple(new Atom('$gen_call'), new Tuple(a.self, ref), new Atom('later'))
    n2.kernel.deliver(adder as Pid, later, a.self)
    await rest()
    await b.call(adder, 'release', 1)
    await b.call(adder, 'release', 2)
    expect(await a.receive()).toEqual(new Tuple(ref, 1))
    await expect(a.receive({ timeoutMs: 5 })).rejects.toMatchObject({ code: 'timeout' })
  })

  it('a bare atom is a method without arguments; a malformed call is a plain message', async () => {
    const { n2, a, adder } = await setUp()
    const ref = new Ref('n1@127.0.0.1', 1, [78, 1, 0])
    const from = new Tuple(a.self, new ImproperList([new Atom('alias')], ref))
    const malformed = new Tuple(new Atom('$gen_call'), 'nobody', new Atom('all'))
    n2.kernel.deliver(adder as Pid, malformed, a.self)
    n2.kernel.deliver(adder as Pid, new Tuple(new Atom('$gen_call'), from, new Atom('all')), a.self)
    await rest()
    expect(await a.call(adder, 'all')).toEqual([malformed])
  })

  it('a name handled by the node gets its messages at once', async () => {
    const { n2, a } = await setUp()
    const member = { ...a.self, kind: 'citadel' } as const
    const seen: unknown[] = []
    const stop = n2.kernel.registerEndpoint('citadel', (message, from) =>
      seen.push([message, from]),
    )
    n2.kernel.deliverNamed('citadel', { type: 'x' }, a.self, member)
    expect(seen).toEqual([[{ type: 'x' }, a.self]])
    stop()
    n2.kernel.deliverNamed('citadel', 1, a.self, member)
    expect(seen).toHaveLength(1)
  })
})

describe('two nodes: monitors', () => {
  it('give Down when the process ends, by pid and by name', async () => {
    const { a, b, adder } = await setUp()
    const one = a.monitor(adder)
    const two = a.monitor({ name: 'adder', node: 'n2@127.0.0.1' })
    await rest()
    b.exit(adder, 'enough')
    expect(await a.receive()).toEqual(new Down(one, adder, 'enough'))
    const named = { name: 'adder', node: 'n2@127.0.0.1' }
    expect(await a.receive()).toEqual(new Down(two, named, 'enough'))
  })

  it('give noproc for a name that the node handles itself: it is no process', async () => {
    const { n2, a } = await setUp()
    n2.kernel.registerEndpoint('rows', () => {})
    const ref = a.monitor({ name: 'rows', node: 'n2@127.0.0.1' })
    expect(await a.receive()).toMatchObject({ ref, reason: 'noproc' })
  })

  it('give noproc for nobody, noconnection once when the connection goes', async () => {
    const { wires, a, adder } = await setUp()
    const nobody = a.monitor({ name: 'nobody', node: 'n2@127.0.0.1' })
    expect(await a.receive()).toMatchObject({ ref: nobody, reason: 'noproc' })
    const ref = a.monitor(adder)
    await rest()
    wires.disconnect('n1@127.0.0.1', 'n2@127.0.0.1')
    expect(await a.receive()).toMatchObject({ ref, reason: 'noconnection' })
    await expect(a.receive({ timeoutMs: 10 })).rejects.toMatchObject({ code: 'timeout' })
  })

  it('taken back are quiet on both sides', async () => {
    const { wires, a, b, adder } = await setUp()
    const ref = a.monitor(adder)
    await rest()
    expect(a.demonitor(ref)).toBe(true)
    await rest()
    wires.signals.length = 0
    b.exit(adder, 'kill')
    await rest()
    expect(wires.signals).toEqual([])
  })

  it('of an owner that ends are taken back', async () => {
    const { wires, a, adder } = await setUp()
    const owner = await a.spawn((self) => {
      self.monitor(adder)
      return idle(self)
    })
    await rest()
    a.exit(owner, 'kill')
    expect(wires.signals.map(({ type }) => type)).toEqual(['monitor', 'demonitor'])
  })

  it('fire once, however often the connection goes', async () => {
    const { wires, a, adder } = await setUp()
    a.monitor(adder)
    a.link(adder)
    for (let i = 0; i < 3; i++) {
      wires.disconnect('n1@127.0.0.1', 'n2@127.0.0.1')
      wires.cut.clear()
    }
    expect(await a.receive()).toMatchObject({ type: 'exit', reason: 'noconnection' })
    expect(await a.receive()).toMatchObject({ type: 'down', reason: 'noconnection' })
    await expect(a.receive({ timeoutMs: 5 })).rejects.toMatchObject({ code: 'timeout' })
  })

  it('of a process that ended with an error that cannot cross still give Down', async () => {
    const { a, b } = await setUp()
    const pid = await b.spawn(idle)
    a.monitor(pid)
    await rest()
    b.exit(pid, { error: Object.assign(new Error('with a socket'), { cause: () => {} }) })
    const down = (await a.receive()) as Down
    expect((down.reason as { error: Error }).error.message).toContain('with a socket')
  })
})

describe('two nodes: links', () => {
  it('carry exits both ways, as Exit when trapped', async () => {
    const { a, b } = await setUp()
    const here = await a.spawn(idle)
    const there = await b.spawn((self) => {
      self.link(here)
      return idle(self)
    })
    await rest()
    a.exit(here, 'boom')
    await rest()
    expect(b.isAlive(there)).toBe(false)
    const other = await b.spawn(idle)
    a.link(other)
    await rest()
    b.exit(other, 'boom')
    expect(await a.receive()).toEqual(new Exit(other, 'boom'))
  })

  it('to nobody give noproc, on a lost connection noconnection', async () => {
    const { wires, a, b } = await setUp()
    const dead = await b.spawn(idle)
    b.exit(dead, 'kill')
    a.link(dead)
    expect(await a.receive()).toEqual(new Exit(dead, 'noproc'))
    const pid = await b.spawn(idle)
    a.link(pid)
    await rest()
    wires.disconnect('n1@127.0.0.1', 'n2@127.0.0.1')
    expect(await a.receive()).toEqual(new Exit(pid, 'noconnection'))
    expect(await b.receive(() => true, { timeoutMs: 5 }).catch(() => 'none')).toBe('none')
    expect(b.isAlive(pid)).toBe(false)
    a.link(pid)
    expect(await a.receive()).toEqual(new Exit(pid, 'noconnection'))
  })

  it('taken back ignore an exit that was on its way', async () => {
    const { wires, a, b } = await setUp()
    const pid = await b.spawn(idle)
    a.link(pid)
    await rest()
    wires.freeze()
    b.exit(pid, 'boom')
    a.unlink(pid)
    wires.thaw()
    await rest()
    await expect(a.receive({ timeoutMs: 5 })).rejects.toMatchObject({ code: 'timeout' })
    const types = wires.signals.map(({ type }) => type)
    expect(types).toEqual(['link', 'exit', 'unlink', 'unlinkAck'])
  })

  it('taken back and made again while the acknowledgement is on its way hold', async () => {
    const { wires, a, b } = await setUp()
    const pid = await b.spawn(idle)
    a.link(pid)
    await rest()
    wires.freeze()
    a.unlink(pid)
    a.link(pid)
    wires.thaw()
    await rest()
    b.exit(pid, 'boom')
    expect(await a.receive()).toEqual(new Exit(pid, 'boom'))
  })
})

describe('two nodes: exit', () => {
  it('ends a process there, by kill whatever it traps', async () => {
    const { a, b } = await setUp()
    const pid = await b.spawn((self) => {
      self.trapExit = true
      return idle(self)
    })
    const ended = b.whenEnded(pid)
    a.exit(pid, 'shutdown')
    await rest()
    expect(b.isAlive(pid)).toBe(true)
    a.exit(pid, 'kill')
    expect(await ended).toBe('killed')
  })

  it('sends string reasons as atoms', async () => {
    const { wires, a, adder } = await setUp()
    a.exit(adder, 'enough')
    a.exit(adder, 'true')
    expect(wires.signals).toMatchObject([{ reason: new Atom('enough') }, { reason: 'true' }])
  })
})

describe('a stale pid', () => {
  it('of an earlier start of this node is nobody', async () => {
    const { n1, a } = await setUp()
    const stale = new Pid('n1@127.0.0.1', a.self.id, a.self.serial, 99)
    n1.kernel.deliver(stale, 'lost', a.self)
    await expect(a.receive({ timeoutMs: 5 })).rejects.toMatchObject({ code: 'timeout' })
  })
})
