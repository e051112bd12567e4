import { describe, expect, test } from 'vitest'
import type { CitadelError } from '../../../src/base/errors.js'
import type { BoundNode } from '../../../src/process/bound-node.js'
import { GenServer } from '../../../src/process/gen-server.js'
import { type From, noReply } from '../../../src/process/request.js'
import type { Pid } from '../../../src/term/pid.js'
import { gate, rest, testKernel } from '../../support/test-kernel.js'
import { Wires } from '../../support/wired-kernels.js'

/** Passes on a walk along other processes, in several manners. */
class Walker extends GenServer {
  #kept: From | undefined

  /** Calls the first with the rest. Whoever closes a ring says so instead. */
  async walk(path: Pid[]): Promise<unknown> {
    const [next, ...rest] = path
    if (next === undefined) return 'there'
    return this.citadel.call(next, 'walk', rest).catch((error: CitadelError) => {
      if (error.code !== 'call_cycle') throw error
      return { chain: error.chain, message: error.message }
    })
  }

  async afterwards(path: Pid[], when: Promise<void>): Promise<unknown> {
    await when
    return this.walk(path)
  }

  /** Whichever comes first. */
  race(path: Pid[], other: Pid): Promise<unknown> {
    return Promise.race([this.walk(path), this.citadel.call(other, 'walk', [])])
  }

  /** Answers later, from outside of any handler. */
  deferred(path: Pid[]): typeof noReply {
    this.#kept = this.from
    void this.walk(path).then((value) => this.citadel.reply(this.#kept!, value))
    return noReply
  }

  async givesUp(path: Pid[], when: Promise<void>): Promise<unknown> {
    await this.citadel
      .with({ timeoutMs: 1 })
      .call(path[0]!, 'walk', path.slice(1))
      .catch(() => {})
    await when
    return 'gave up'
  }

  castsBack(pid: Pid): string {
    this.citadel.cast(pid, 'walk', [])
    return 'cast'
  }

  async castAndWait(pid: Pid): Promise<unknown> {
    return this.citadel.call(pid, 'castsBack', this.self)
  }
}

class Early extends GenServer {
  async init(other: Pid): Promise<void> {
    await this.citadel.call(other, 'walk', [this.self])
  }
}

const three = (node: BoundNode) =>
  Promise.all([node.spawn(Walker), node.spawn(Walker), node.spawn(Walker)]) as Promise<
    Pid<Walker>[]
  >

describe('calls in a ring', () => {
  test('one node: the call that closes it is refused at once, with the chain', async () => {
    const { node } = testKernel()
    const [a, b, c] = (await three(node)) as [Pid<Walker>, Pid<Walker>, Pid<Walker>]
    const refused = (await node.call(a, 'walk', [b, c, a])) as { chain: unknown; message: string }
    expect(refused.chain).toEqual([
      { pid: c, method: 'walk' },
      { pid: a, method: 'walk' },
      { pid: b, method: 'walk' },
    ])
    expect(refused.message).toContain(
      `${c} calls 'walk', ${a} calls 'walk', ${b} calls 'walk', and so round`,
    )
    expect(await node.call(a, 'walk', [b, c])).toBe('there')
  })

  test('one node: also when both have begun by themselves, and in init', async () => {
    const { node } = testKernel()
    const [a, b] = (await three(node)) as [Pid<Walker>, Pid<Walker>]
    const started = gate()
    const both = Promise.allSettled([
      node.call(a, 'afterwards', [b], started.promise),
      node.call(b, 'afterwards', [a], started.promise),
    ])
    await rest()
    started.open()
    expect(await both).toMatchObject([
      { status: 'fulfilled', value: 'there' },
      { status: 'fulfilled', value: { chain: [{ pid: b }, { pid: a }] } },
    ])
    const d = await node.spawn(Walker)
    // Without a word the call in its init would time out, and so the start.
    expect(node.isAlive(await node.spawn(Early, [d]))).toBe(true)
  })

  test('one node: nobody is refused who may still get an answer', async () => {
    const { node } = testKernel()
    const [a, b, c] = (await three(node)) as [Pid<Walker>, Pid<Walker>, Pid<Walker>]
    // Several calls under way: one of them answers.
    expect(await node.call(a, 'walk', [b, c])).toBe('there')
    const race = node.call(a, 'walk', [b])
    expect(await race).toBe('there')
    // Who answers later takes messages meanwhile.
    const later = gate()
    const slow = node.call(c, 'afterwards', [], later.promise)
    const deferred = node.call(a, 'deferred', [b, a])
    await rest()
    later.open()
    expect([await slow, await deferred]).toEqual(['there', 'there'])
    // A cast is no wait.
    expect(await node.call(a, 'castAndWait', b)).toBe('cast')
    // Who no longer waits.
    const hold = gate()
    const release = gate()
    const busy = node.call(b, 'afterwards', [a], hold.promise)
    const gaveUp = node.call(a, 'givesUp', [b], release.promise)
    await new Promise((resolve) => setTimeout(resolve, 20))
    hold.open()
    await rest()
    release.open()
    expect([await gaveUp, await busy]).toEqual(['gave up', 'there'])
  })

  test('one node: of two calls at once one may close a ring, and the other one answers', async () => {
    const { node } = testKernel()
    const [a, b, c] = (await three(node)) as [Pid<Walker>, Pid<Walker>, Pid<Walker>]
    class Racer extends Walker {
      enter(to: Pid, other: Pid): Promise<unknown> {
        return this.citadel.call(to, 'race', [this.self], other)
      }
    }
    const racer = await node.spawn(Racer)
    expect(await node.call(racer, 'enter', a, c)).toBe('there')
    expect(await node.call(b, 'walk', [])).toBe('there')
  })

  test('two nodes: the chain crosses with the call', async () => {
    const wires = new Wires()
    const one = wires.node('n1@127.0.0.1').node
    const two = wires.node('n2@127.0.0.1').node
    const a = (await one.spawn(Walker)) as Pid<Walker>
    const local = (await one.spawn(Walker)) as Pid<Walker>
    const b = (await two.spawn(Walker)) as Pid<Walker>
    for (const path of [
      [b, a],
      [b, local, a],
      [local, b, a],
    ]) {
      const refused = (await one.call(a, 'walk', path)) as { chain: { pid: Pid }[] }
      const named = refused.chain.map(({ pid }) => `${pid}`)
      expect(new Set(named)).toEqual(new Set(path.map((pid) => `${pid}`)))
    }
    // The same processes in a line are no ring.
    expect(await one.call(a, 'walk', [b, local])).toBe('there')
    expect(await two.call(await two.spawn(Walker), 'walk', [])).toBe('there')
  })
})
