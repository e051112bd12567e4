import { describe, expect, test } from 'vitest'
import { GenServer } from '../../../src/process/gen-server.js'
import { nearMiss } from '../../../src/process/near-misses.js'
import { ManualClock } from '../../support/manual-clock.js'
import { rest, testKernel } from '../../support/test-kernel.js'

const NAMES = ['init', 'terminate', 'handleInfo', 'handleCall', 'handleCast', 'handoff', 'takeover']

class Misspelt extends GenServer {
  handOff(): string {
    return 'state'
  }

  add(): number {
    return 1
  }
}

/** With `override`, which editors add, and typed arguments. */
class Overriding extends GenServer {
  override init(_n: number): void {}
  override handleInfo(_message: string): void {}
  override async terminate(): Promise<void> {}
  override takeover(_state: { n: number }): void {}
}

class Stuck extends GenServer {
  override init(): Promise<void> {
    return new Promise(() => {})
  }
}

describe('misspelt life-cycle methods', () => {
  test.each([
    ['handOff', 'handoff'],
    ['takeOver', 'takeover'],
    ['handleinfo', 'handleInfo'],
    ['terminat', 'terminate'],
    ['terminate_', 'terminate'],
    ['innit', 'init'],
    ['handelInfo', 'handleInfo'],
    ['handle_call', 'handleCall'],
  ])('no node: %s is meant as %s', (name, meant) => {
    expect(nearMiss(name, NAMES)).toBe(meant)
  })

  test.each([
    'init',
    'unit',
    'int',
    'add',
    'handle',
    'hand',
    'handleCasting',
    'information',
    'take',
  ])('no node: %s is a message like any other', (name) => {
    expect(nearMiss(name, NAMES)).toBeUndefined()
  })

  test('one node: they are told of once, when the class is first started', async () => {
    const { node, log } = testKernel()
    await node.spawn(Misspelt)
    const pid = await node.spawn(Misspelt)
    expect(await node.call(pid, 'handOff')).toBe('state')
    expect(log.of('warn')).toEqual([
      "Misspelt has a method 'handOff', which nobody calls by itself: if you mean the life-cycle " +
        "method, name it 'handoff'",
    ])
  })

  test('one node: a name that the class lists as callable is meant as it is', async () => {
    class Meant extends Misspelt {
      static readonly callable = ['handOff']
    }
    const { kernel, node, log } = testKernel()
    kernel.noteClass(Meant)
    expect(await node.call(await node.spawn(Meant), 'handOff')).toBe('state')
    expect(log.of('warn')).toEqual([])
  })

  test('one node: what is no server class has no life cycle to misspell', () => {
    const { kernel, log } = testKernel()
    for (const what of [undefined, 'Misspelt', () => 1, class {}]) kernel.noteClass(what)
    expect(log.of('warn')).toEqual([])
  })

  test('one node: life-cycle methods are declared, optional, and no messages', async () => {
    const { node, log } = testKernel()
    const pid = await node.spawn(Overriding, [1])
    // @ts-expect-error: not a message
    const call = node.call(pid, 'init', 1)
    await expect(call).rejects.toMatchObject({ code: 'undefined_method' })
    expect(Object.getOwnPropertyNames(new Misspelt())).toEqual([])
    expect(log.of('warn')).toEqual([])
  })
})

describe('an init that does not return', () => {
  test('one node: is told of once, after five seconds, and nobody waits for it at the end', async () => {
    const clock = new ManualClock()
    const { kernel, node, log } = testKernel({ clock })
    const start = node.spawn(Stuck, [], { name: 'stuck' }).catch((error: unknown) => error)
    await clock.advance(4_999)
    expect(log.of('warn')).toEqual([])
    await clock.advance(10_000)
    expect(log.of('warn')).toHaveLength(1)
    expect(log.of('warn')[0]).toMatch(/Stuck, named 'stuck', has not begun for 5 s/)
    await kernel.stop()
    expect(await start).toMatchObject({ code: 'init_failed', reason: 'shutdown' })
    await rest()
  })
})
