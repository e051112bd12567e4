import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Ref } from '../../../src/term/ref.js'
import { eventually } from '../../support/eventually.js'
import { freePort } from '../../support/free-port.js'
import { MeshNode, type MeshNodeOptions } from '../../support/mesh-node.js'

const A = 'a@127.0.0.1'
const B = 'b@127.0.0.1'
const C = 'c@127.0.0.1'

let epmdPort = 0
let running: MeshNode[] = []

beforeEach(async () => {
  epmdPort = await freePort()
  running = []
})

afterEach(async () => {
  await Promise.all(running.map((node) => node.stop()))
})

async function start(name: string, options: Partial<MeshNodeOptions> = {}): Promise<MeshNode> {
  const node = new MeshNode(name, { epmdPort, ...options })
  running.push(node)
  await node.mesh.start()
  return node
}

async function connected(...nodes: MeshNode[]): Promise<void> {
  await eventually(
    () =>
      nodes.every((one) =>
        nodes.every((other) => one === other || one.status(other.name) === 'connected'),
      ),
    { what: 'all nodes connected' },
  )
}

async function pair(): Promise<[MeshNode, MeshNode]> {
  const a = await start(A)
  const b = await start(B)
  expect(await a.mesh.connect(B)).toBe(true)
  await connected(a, b)
  return [a, b]
}

describe('two nodes', () => {
  test('connect, and know each other as members when connect has answered', async () => {
    const [a, b] = await pair()
    expect(a.mesh.nodes()).toEqual([B])
    expect(b.mesh.nodes()).toEqual([A])
    expect(a.mesh.kind(B)).toBe('citadel')
    expect(a.mesh.members()[0]).toMatchObject({ node: B, creation: b.mesh.creation })
    expect(a.events[0]).toMatchObject({ type: 'up', capability: { modules: ['Worker'] } })
    expect(await a.mesh.connect(B)).toBe(true)
    expect(await a.mesh.connect(A)).toBe(true)
  })

  test('carry messages to pids, names and aliases, and signals, in order', async () => {
    const [a, b] = await pair()
    const ref = new Ref(B, b.mesh.creation, [1, 2, 3])
    for (let index = 0; index < 1_000; index++) {
      expect(a.mesh.send(a.pid, b.pid, index)).toBe(true)
      if (index % 10 === 0) a.mesh.send(a.pid, { name: 'worker', node: B }, index)
      if (index % 15 === 0) a.mesh.sendToAlias(a.pid, ref, index)
    }
    a.mesh.signal(B, { type: 'link', from: a.pid, to: b.pid })
    await eventually(() => b.sink.signals.length === 1)
    const order = b.sink.messages as number[]
    expect(order).toEqual([...order].sort((x, y) => x - y))
    expect(order.length).toBe(1_000 + 100 + 67)
  })

  test('carry a message encoded once, and tell a changed offer', async () => {
    let weight = 1
    const a = await start(A, {
      capability: () => ({ version: 1, features: [], modules: [], weight }),
    })
    const b = await start(B)
    await a.mesh.connect(B)
    expect(a.mesh.sendEncoded(B, 'scope', a.mesh.encode({ rows: [1, 2] }))).toBe(true)
    expect(a.mesh.sendEncoded(C, 'scope', a.mesh.encode(1))).toBe(false)
    weight = 3
    a.mesh.announce()
    await eventually(() => b.saw('changed', A) === 1)
    expect(b.sink.messages).toEqual([{ rows: [1, 2] }])
    expect(b.mesh.members()[0]).toMatchObject({ capability: { weight: 3 } })
  })

  test('answer false to a send when they are not connected', async () => {
    const a = await start(A)
    expect(a.mesh.send(a.pid, { name: 'worker', node: B }, 1)).toBe(false)
    expect(a.mesh.signal(B, { type: 'link', from: a.pid, to: a.pid })).toBe(false)
    expect(a.mesh.kind(B)).toBeUndefined()
    await new Promise<void>((resolve) => a.mesh.onceWritable(B, resolve))
  })

  test('refuse what cannot be sent, and go on', async () => {
    const [a, b] = await pair()
    expect(() => a.mesh.send(a.pid, b.pid, () => 1)).toThrow(/function/)
    a.mesh.send(a.pid, b.pid, 'after')
    await eventually(() => b.sink.messages.length === 1)
    expect(b.sink.messages).toEqual(['after'])
  })

  test('do not take each other for dead when the connection is reset, again and again', async () => {
    const [a, b] = await pair()
    for (let round = 1; round <= 20; round++) {
      const victim = round % 2 === 0 ? a : b
      victim.transport.reset()
      await eventually(() => a.saw('up', B) > round && b.saw('up', A) > round, {
        what: `round ${round}`,
      })
      await connected(a, b)
    }
    expect(a.saw('dead', B) + b.saw('dead', A)).toBe(0)
    expect(a.story.slice(0, 4)).toEqual([
      `up ${B}`,
      `disconnected ${B}`,
      `unreachable ${B}`,
      `up ${B}`,
    ])
    expect(a.mesh.send(a.pid, b.pid, 'still here')).toBe(true)
    await eventually(() => b.sink.messages.includes('still here'))
  }, 60_000)

  test.each([
    [A, A],
    [A, B],
    [B, A],
    [B, B],
  ])('come together after %s dialled and only %s saw a reset', async (dialler, seer) => {
    const [a, b] = [await start(A), await start(B)]
    const [dialling, dialled] = dialler === A ? [a, b] : [b, a]
    expect(await dialling.mesh.connect(dialled.name)).toBe(true)
    await connected(a, b)
    const [seeing, blind] = seer === A ? [a, b] : [b, a]
    blind.transport.hideCloses = true
    seeing.transport.reset()
    const isUpAgain = () => b.saw('up', A) === 2 && a.saw('up', B) === 2
    await eventually(isUpAgain, { what: 'both up again', timeoutMs: 4_000 })
    blind.transport.hideCloses = false
    const other = seeing.name
    expect(blind.story).toEqual([
      `up ${other}`,
      `disconnected ${other}`,
      `unreachable ${other}`,
      `up ${other}`,
    ])
    expect(a.mesh.send(a.pid, b.pid, 1)).toBe(true)
    expect(b.mesh.send(b.pid, a.pid, 2)).toBe(true)
    await eventually(() => b.sink.messages.length === 1 && a.sink.messages.length === 1)
  })

  test('that connect to each other at the same moment, 50 times, have one connection', async () => {
    for (let round = 0; round < 50; round++) {
      const a = await start(A)
      const b = await start(B)
      const both = await Promise.all([a.mesh.connect(B), b.mesh.connect(A)])
      expect(both).toEqual([true, true])
      await connected(a, b)
      a.mesh.send(a.pid, b.pid, round)
      b.mesh.send(b.pid, a.pid, round)
      await eventually(() => a.sink.messages.length === 1 && b.sink.messages.length === 1)
      expect(a.saw('dead', B) + b.saw('dead', A)).toBe(0)
      await Promise.all([a.stop(), b.stop()])
      running = []
    }
  }, 60_000)
})

describe('a node that leaves', () => {
  test('with a goodbye is dead at once, with nothing dialled after it', async () => {
    const [a, b] = await pair()
    await b.mesh.stop()
    await eventually(() => a.saw('dead', B) === 1)
    expect(a.story).toEqual([`up ${B}`, `disconnected ${B}`, `dead ${B}`])
    expect(a.mesh.nodes()).toEqual([])
    expect(a.mesh.members()).toEqual([])
  })

  test('without a word is dead as soon as its listen address refuses', async () => {
    const [a, b] = await pair()
    const before = performance.now()
    await b.transport.kill()
    await eventually(() => a.saw('dead', B) === 1)
    expect(performance.now() - before).toBeLessThan(2_000)
    expect(a.story).toEqual([`up ${B}`, `disconnected ${B}`, `unreachable ${B}`, `dead ${B}`])
  })

  test('and comes back under its name is another creation, and the old one is dead', async () => {
    const [a, b] = await pair()
    await b.transport.kill()
    await b.epmd.close()
    const again = await start(B)
    expect(await again.mesh.connect(A)).toBe(true)
    await connected(a, again)
    expect(a.saw('dead', B)).toBe(1)
    const ups = a.events.filter((event) => event.type === 'up')
    expect(ups.map((event) => event.creation)).toEqual([b.mesh.creation, again.mesh.creation])
  })

  test('by disconnect is not dead and not redialled by either side until connect', async () => {
    const [a, b] = await pair()
    expect(a.mesh.disconnect(B)).toBe(true)
    expect(a.mesh.disconnect(B)).toBe(false)
    await eventually(() => b.saw('unreachable', A) === 1)
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(a.mesh.nodes()).toEqual([])
    expect(a.story).toEqual([`up ${B}`, `disconnected ${B}`, `unreachable ${B}`])
    expect(b.story).toEqual([`up ${A}`, `disconnected ${A}`, `unreachable ${A}`])
    expect(await b.mesh.connect(A)).toBe(true)
    await connected(a, b)
  })
})

describe('three nodes', () => {
  test('complete the mesh: c knows b when it has connected to a', async () => {
    const [a, b] = await pair()
    const c = await start(C)
    expect(await c.mesh.connect(A)).toBe(true)
    await connected(a, b, c)
  })

  test('complete the mesh when two connect to the third at the same moment', async () => {
    const a = await start(A)
    const b = await start(B)
    const c = await start(C)
    await Promise.all([b.mesh.connect(A), c.mesh.connect(A)])
    await connected(a, b, c)
  })

  test('of which one is killed, are two, and the other two stay connected', async () => {
    const [a, b] = await pair()
    const c = await start(C)
    await c.mesh.connect(A)
    await connected(a, b, c)
    await c.transport.kill()
    await eventually(() => a.saw('dead', C) === 1 && b.saw('dead', C) === 1)
    expect(a.mesh.nodes()).toEqual([B])
    expect(a.saw('unreachable', B) + b.saw('unreachable', A)).toBe(0)
  })
})

describe('a connection that cannot be', () => {
  test('because the cookies differ answers false on either side, with a warning', async () => {
    const a = await start(A)
    const b = await start(B, { cookie: 'another' })
    expect(await a.mesh.connect(B)).toBe(false)
    expect(a.mesh.lastConnectError(B)).toMatchObject({ code: 'bad_cookie' })
    expect(a.log.lines.join()).toContain('CITADEL_COOKIE')
    await eventually(() => b.log.lines.join().includes('CITADEL_COOKIE'))
    expect(b.mesh.nodes()).toEqual([])
  })

  test('because nobody has that name answers false and says why', async () => {
    const a = await start(A)
    expect(await a.mesh.connect(C)).toBe(false)
    expect(a.mesh.lastConnectError(C)?.message).toContain(`EPMD knows no ${C}`)
  })

  test('because it was disconnected meanwhile answers false', async () => {
    const a = await start(A)
    const b = await start(B)
    const connecting = a.mesh.connect(B)
    await Promise.resolve()
    a.mesh.disconnect(B)
    expect(await connecting).toBe(false)
    expect(a.mesh.lastConnectError(B)).toMatchObject({ code: 'aborted' })
    expect(await a.mesh.connect(B)).toBe(true)
    await connected(a, b)
  })

  test('because the name is no node name is rejected with an example', async () => {
    const a = await start(A)
    await expect(a.mesh.connect('nonsense')).rejects.toMatchObject({ code: 'bad_argument' })
  })

  test('because its name is taken on this machine rejects the start', async () => {
    await start(A)
    const twin = new MeshNode(A, { epmdPort })
    await expect(twin.mesh.start()).rejects.toMatchObject({ code: 'name_taken' })
    await twin.epmd.close()
  })
})
