/** What other nodes may reach, and whose answers count; the mesh sees to it who sends a frame. */
import { describe, expect, test } from 'vitest'
import type { Source } from '../../../src/kernel/router.js'
import type { BoundNode } from '../../../src/process/bound-node.js'
import { GenServer } from '../../../src/process/gen-server.js'
import { TIES_PER_NODE_MAX } from '../../../src/process/process.js'
import { Exit } from '../../../src/process/system-messages.js'
import { Atom } from '../../../src/term/atom.js'
import { Pid } from '../../../src/term/pid.js'
import { Ref } from '../../../src/term/ref.js'
import { Tuple } from '../../../src/term/tuple.js'
import { eventually } from '../../support/eventually.js'
import { rest, testKernel } from '../../support/test-kernel.js'
import { Wires } from '../../support/wired-kernels.js'

const N1 = 'n1@127.0.0.1'
const N2 = 'n2@127.0.0.1'

class Server extends GenServer {
  readonly heard: unknown[] = []

  add(a: number, b: number): number {
    return a + b
  }

  note(what: unknown): void {
    this.heard.push(what)
  }

  all(): unknown[] {
    return this.heard
  }
}

describe('two nodes: a server of the runtime', () => {
  const setUp = async () => {
    const wires = new Wires()
    const { node: a } = wires.node(N1)
    const { node: b, kernel } = wires.node(N2)
    const pid = await b.spawn(Server, [], { name: 'citadel_test' })
    return { wires, a, b, pid, kernel }
  }

  test('hears a member, by name and by pid', async () => {
    const { a, pid } = await setUp()
    expect(await a.call({ name: 'citadel_test', node: N2 }, 'add', 1, 2)).toBe(3)
    expect(await a.call(pid, 'add', 1, 2)).toBe(3)
  })

  test('is nobody for any other node: not for calls, casts, monitors, links or exits', async () => {
    const { wires, a, b, pid } = await setUp()
    wires.beams.add(N1)
    const named = { name: 'citadel_test', node: N2 }
    await expect(a.call(named, 'add', 1, 2)).rejects.toMatchObject({ code: 'noproc' })
    await expect(a.call(pid, 'add', 1, 2)).rejects.toMatchObject({ code: 'noproc' })
    a.cast(named, 'note', 'cast')
    a.cast(pid as Pid, 'note', 'cast')
    a.exit(pid, 'kill')
    const ref = a.monitor(named)
    expect(await a.receive()).toMatchObject({ ref, reason: 'noproc' })
    a.link(pid)
    expect(await a.receive()).toEqual(new Exit(pid, 'noproc'))
    expect(await b.call(pid, 'all')).toEqual([])
  })

  test('has endpoints that hear members only', async () => {
    const { kernel } = await setUp()
    const heard: unknown[] = []
    kernel.registerEndpoint('citadel_endpoint', (message) => heard.push(message))
    const from = new Pid(N1, 80, 0, 1)
    for (const kind of ['unknown', 'beam', 'citadel'] as const) {
      kernel.deliverNamed('citadel_endpoint', kind, from, { node: N1, creation: 1, kind })
    }
    expect(heard).toEqual(['citadel'])
  })
})

describe('one node: what one other node may cost', () => {
  const other: Source = { node: N2, creation: 1, kind: 'beam' }
  const signals: { type: string; reason?: unknown }[] = []
  const setUp = async () => {
    signals.length = 0
    const { kernel, node, log } = testKernel({
      name: N1,
      router: {
        kind: () => 'beam',
        offers: () => false,
        send: () => true,
        sendToAlias: () => true,
        signal: (_node, signal) => signals.push(signal) > 0,
        pass: () => true,
        onceWritable: () => () => {},
      },
    })
    const pid = await node.spawn((self: BoundNode) => self.receive(() => false))
    return { kernel, node, pid, log }
  }
  const stranger = (n: number) => new Pid(N2, n, 0, 1)

  test('100,000 monitors; one more hears noconnection, and one by the same reference replaces', async () => {
    const { kernel, node, pid } = await setUp()
    const monitor = (n: number) => {
      const ref = new Ref(N2, 1, [n & 0x3ffff, n >>> 18, 0])
      kernel.receiveSignal({ type: 'monitor', from: stranger(1), to: pid, ref }, other)
    }
    for (let n = 0; n < 30_000; n++) monitor(7)
    for (let n = 0; n < TIES_PER_NODE_MAX; n++) monitor(n)
    expect(signals).toEqual([])
    monitor(TIES_PER_NODE_MAX)
    expect(signals).toMatchObject([{ type: 'down', reason: new Atom('noconnection') }])
    node.exit(pid, 'kill')
    await rest()
    expect(signals).toHaveLength(1 + TIES_PER_NODE_MAX)
  })

  test('100,000 links; one more is broken at once', async () => {
    const { kernel, pid } = await setUp()
    const link = (n: number) =>
      kernel.receiveSignal({ type: 'link', from: stranger(n), to: pid }, other)
    for (let n = 0; n < TIES_PER_NODE_MAX; n++) link(n)
    expect(signals).toEqual([])
    link(TIES_PER_NODE_MAX)
    expect(signals).toMatchObject([{ type: 'exit', reason: new Atom('noconnection') }])
  })

  test('links of two starts of it are two links', async () => {
    const { kernel, pid } = await setUp()
    const earlier = new Pid(N2, 5, 0, 1)
    const later = new Pid(N2, 5, 0, 2)
    kernel.receiveSignal({ type: 'link', from: earlier, to: pid }, other)
    const reason = new Atom('other')
    kernel.receiveSignal({ type: 'exit', from: later, to: pid, reason }, other)
    await rest()
    expect(kernel.isAlive(pid)).toBe(true)
    kernel.receiveSignal({ type: 'exit', from: earlier, to: pid, reason }, other)
    await rest()
    expect(kernel.isAlive(pid)).toBe(false)
  })

  test('the bytes of a mailbox: a call is refused, what else comes is dropped and counted', async () => {
    const { kernel, pid, log } = await setUp()
    const heavy = { ...other, frameBytes: 30 * 1024 * 1024 }
    for (let n = 0; n < 5; n++) kernel.deliver(pid, n, heavy)
    const mailbox = () => [...kernel.processes()].find((one) => one.pid.equals(pid))?.mailboxLength
    expect(mailbox()).toBe(2)
    expect(kernel.counters()).toMatchObject({ mailboxFull: 3 })
    expect(log.of('warn').join()).toContain('is full')
    const from = new Tuple(stranger(1), new Ref(N2, 1, [1, 0, 0]))
    kernel.deliver(pid, new Tuple(new Atom('$gen_call'), from, new Atom('x')), heavy)
    expect(signals).toMatchObject([{ type: 'down' }])
    expect(String(signals[0]?.reason)).toContain('overloaded')
    // What is light has room, and so has what a process of this node sends.
    kernel.deliver(pid, 'light', { ...other, frameBytes: 1_000 })
    expect(kernel.root.send(pid, 'x'.repeat(1_000))).toBe(true)
    expect(mailbox()).toBe(4)
  })

  test('the bytes of the mailbox that perhaps nobody reads, of the root process', async () => {
    const { kernel, node } = await setUp()
    const heavy = { ...other, frameBytes: 30 * 1024 * 1024 }
    for (let n = 0; n < 5; n++) kernel.deliver(node.self, n, heavy)
    const reason = new Atom('tired')
    for (let n = 0; n < 5; n++) {
      kernel.receiveSignal({ type: 'exit2', from: stranger(1), to: node.self, reason }, heavy)
    }
    expect(kernel.counters()).toMatchObject({ mailboxFull: 8 })
    expect([await node.receive(), await node.receive()]).toEqual([0, 1])
    kernel.deliver(node.self, 'room again', heavy)
    expect(await node.receive()).toBe('room again')
  })

  test('a message larger than the bound is taken when nothing else of other nodes waits', async () => {
    const { kernel, node } = await setUp()
    kernel.deliver(node.self, 'huge', { ...other, frameBytes: 2 ** 30 })
    expect(await node.receive()).toBe('huge')
  })

  test('1,000 answers that it does not read; further calls of it are refused', async () => {
    const refused: unknown[] = []
    const waiting: (() => void)[] = []
    const { kernel, node } = testKernel({
      name: N1,
      router: {
        kind: () => 'beam',
        send: () => false,
        sendToAlias: () => false,
        signal: (_node, signal) => refused.push(signal) > 0,
        pass: () => true,
        offers: () => false,
        onceWritable: (_node, callback) => {
          waiting.push(callback)
          return () => {}
        },
      },
    })
    const server = await node.spawn(Server)
    for (let n = 0; n < 1_500; n++) {
      const from = new Tuple(stranger(1), new Ref(N2, 1, [n, 0, 0]))
      kernel.deliver(server, new Tuple(new Atom('$gen_call'), from, new Atom('all')), other)
    }
    await eventually(() => waiting.length + refused.length === 1_500)
    expect([waiting.length, refused.length]).toEqual([1_000, 500])
    expect(refused[0]).toMatchObject({ type: 'down' })
    await kernel.stop()
  })

  test('the reason of an end: a very long one is cut short', async () => {
    const { kernel, node } = await setUp()
    const ref = node.monitor(stranger(3))
    const long = { ...other, frameBytes: 100_000 }
    const down = { type: 'down', from: stranger(3), to: node.self, ref, reason: 'x' } as const
    kernel.receiveSignal(down, long)
    expect(await node.receive()).toMatchObject({ ref, reason: 'reason_too_long' })
  })
})
