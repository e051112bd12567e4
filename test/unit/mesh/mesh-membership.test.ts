/**
 * "Unreachable is not dead" with whole meshes in the simulated world: partitions, stalls, resets
 * and power cuts under a virtual clock. Times are virtual, so every one is exact.
 */
import { describe, expect, test } from 'vitest'
import type { Transport } from '../../../src/base/transport.js'
import type { Program } from '../../../src/testing/program.js'
import { Simulation } from '../../../src/testing/simulation.js'
import { MeshNode, type MeshNodeOptions } from '../../support/mesh-node.js'

class World {
  readonly simulation: Simulation
  readonly nodes: MeshNode[] = []
  readonly programs: Program[] = []

  constructor(seed = 1) {
    this.simulation = new Simulation({ seed })
  }

  /** Nodes a@h1, b@h2, c@h3, ... all connected. */
  static async of(size: number, seed = 1): Promise<World> {
    const world = new World(seed)
    for (let index = 0; index < size; index++) await world.add(index)
    for (const node of world.nodes.slice(1)) {
      const first = world.nodes[0]!.name
      expect(await world.simulation.settle(node.mesh.connect(first))).toBe(true)
    }
    await world.whole()
    await world.simulation.runFor(3_000)
    return world
  }

  async add(index: number, options: Partial<MeshNodeOptions> = {}): Promise<MeshNode> {
    const host = `h${index + 1}`
    const program = this.simulation.program(host)
    const node = new MeshNode(`${'abcdefgh'[index]}@${host}`, {
      epmdPort: 4369,
      epmdHost: host,
      world: program.world,
      listen: { host, port: 0 },
      ...options,
    })
    this.nodes[index] = node
    this.programs[index] = program
    await this.simulation.settle(node.mesh.start())
    return node
  }

  get alive(): MeshNode[] {
    return this.nodes.filter((_node, index) => this.programs[index]!.alive)
  }

  /** Runs until every living node is connected to every other. */
  whole(deadlineMs = 10_000): Promise<void> {
    const isWhole = () => this.alive.every((node) => this.reached(node) === this.alive.length - 1)
    return this.simulation.runUntil(isWhole, deadlineMs, 'a whole mesh')
  }

  reached(node: MeshNode): number {
    return node.mesh.members().filter((member) => member.status === 'connected').length
  }

  /** How long until the condition holds. */
  async timeUntil(condition: () => boolean, deadlineMs = 20_000): Promise<number> {
    const start = this.simulation.now
    await this.simulation.runUntil(condition, deadlineMs)
    return this.simulation.now - start
  }

  deaths(): string[] {
    return this.nodes.flatMap((node) =>
      node.events
        .filter(({ type }) => type === 'dead')
        .map((event) => `${event.node} at ${node.name}`),
    )
  }

  losses(): number {
    return this.nodes.flatMap((node) => node.events).filter(({ type }) => type === 'unreachable')
      .length
  }
}

describe('three nodes', () => {
  test('cut 1 + 2: each side holds the other for dead between 4.5 and 6 s, and heals alone', async () => {
    const world = await World.of(3)
    const [a, b, c] = world.nodes as [MeshNode, MeshNode, MeshNode]
    world.simulation.network.partition([['h1'], ['h2', 'h3']])
    const sides = () => a.saw('dead', b.name) && a.saw('dead', c.name) && b.saw('dead', a.name)
    const all = () => Boolean(sides() && c.saw('dead', a.name))
    await world.simulation.runFor(3_400)
    expect(world.deaths()).toEqual([])
    expect(await world.timeUntil(all)).toBeLessThan(2_600)
    expect(world.reached(b)).toBe(1)
    await world.simulation.runFor(60_000)
    world.simulation.network.healAll()
    await world.whole()
  })

  test('of which two cannot reach each other, but the third can: nobody is dead', async () => {
    const world = await World.of(3)
    const [a, b] = world.nodes as [MeshNode, MeshNode]
    world.simulation.network.partition([['h1'], ['h2']])
    await world.simulation.runFor(60_000)
    expect(world.deaths()).toEqual([])
    expect(a.status(b.name)).toBe('unreachable')
    expect(b.status(a.name)).toBe('unreachable')
    world.simulation.network.healAll()
    expect(await world.timeUntil(() => a.status(b.name) === 'connected')).toBeLessThan(3_000)
  })

  test('of which one hears but is not heard: unreachable, and dead for nobody', async () => {
    const world = await World.of(3)
    world.simulation.network.cut('h1', 'h2')
    await world.simulation.runFor(30_000)
    expect(world.deaths()).toEqual([])
    world.simulation.network.healAll()
    await world.whole()
  })

  test('of which one is killed know it within 50 ms, and redial nobody afterwards', async () => {
    const world = await World.of(3)
    const [a, b, c] = world.nodes as [MeshNode, MeshNode, MeshNode]
    world.programs[2]!.crash()
    const known = () => a.saw('dead', c.name) === 1 && b.saw('dead', c.name) === 1
    expect(await world.timeUntil(known)).toBeLessThan(50)
    await world.simulation.runFor(10_000)
    expect(world.deaths().length).toBe(2)
  })

  test('of which one loses its power know it within 6 s, not before 3.4 s', async () => {
    const world = await World.of(3)
    const [a, b, c] = world.nodes as [MeshNode, MeshNode, MeshNode]
    world.simulation.network.powerOff('h3')
    const known = () => a.saw('dead', c.name) === 1 && b.saw('dead', c.name) === 1
    const tookMs = await world.timeUntil(known)
    expect(tookMs).toBeLessThan(6_000)
    expect(tookMs).toBeGreaterThan(3_400)
  })

  test('of which one joins after a death do not ask it about what it never knew', async () => {
    const world = await World.of(3)
    const [a, b, c] = world.nodes as [MeshNode, MeshNode, MeshNode]
    world.simulation.network.powerOff('h3')
    await world.simulation.runFor(2_000)
    const d = await world.add(3)
    expect(await world.simulation.settle(d.mesh.connect(a.name))).toBe(true)
    const known = () => a.saw('dead', c.name) === 1 && b.saw('dead', c.name) === 1
    expect(await world.timeUntil(known)).toBeLessThan(4_000)
    expect(d.saw('dead', c.name)).toBe(0)
  })
})

describe('a node that is sick', () => {
  test('three nodes: one that stalls all the time keeps the other from declaring a dead one dead for 9 s at most', async () => {
    const world = await World.of(3)
    const [a, , c] = world.nodes as [MeshNode, MeshNode, MeshNode]
    const sick = world.programs[1]!
    const ail = async (ms: number, until: () => boolean = () => false) => {
      const end = world.simulation.now + ms
      while (world.simulation.now < end && !until()) {
        sick.stall(1_700)
        await world.simulation.runFor(2_000)
      }
    }
    await ail(20_000)
    expect(world.deaths()).toEqual([])
    world.simulation.network.powerOff('h3')
    const offAt = world.simulation.now
    await ail(20_000, () => a.saw('dead', c.name) === 1)
    expect(a.saw('dead', c.name)).toBe(1)
    // It was sick before, so nobody had to wait for it.
    expect(world.simulation.now - offAt).toBeLessThan(8_000)
    expect(world.deaths()).toEqual([`${c.name} at ${a.name}`])
  })
})

describe('a way that was cut', () => {
  test('for three seconds, again and again, kills nobody', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const world = await World.of(3, seed)
      for (let round = 0; round < 5; round++) {
        world.simulation.network.partition([['h1'], ['h2', 'h3']])
        await world.simulation.runFor(3_000)
        world.simulation.network.healAll()
        await world.simulation.runFor(6_000)
      }
      expect(world.deaths()).toEqual([])
    }
  })

  test('in the middle of a handshake holds the way up for 2 s, not for the 5 s that strangers get', async () => {
    const world = new World()
    const program = world.simulation.program('h9')
    const dialledAt: number[] = []
    const dial: Transport['dial'] = (to, handlers, options) => {
      if (to.port !== 4369) dialledAt.push(world.simulation.now)
      return program.world.transport.dial(to, handlers, options)
    }
    const listen: Transport['listen'] = (at, accept) => program.world.transport.listen(at, accept)
    const a = new MeshNode('z@h9', {
      epmdPort: 4369,
      epmdHost: 'h9',
      world: { ...program.world, transport: { dial, listen } },
      listen: { host: 'h9', port: 0 },
    })
    await world.simulation.settle(a.mesh.start())
    const b = await world.add(0)
    expect(await world.simulation.settle(a.mesh.connect(b.name))).toBe(true)
    // Its system takes connections, and nobody there says a word.
    world.programs[0]!.stall(30_000)
    await world.simulation.runFor(8_000)
    dialledAt.length = 0
    await world.simulation.runFor(20_000)
    const gaps = dialledAt.slice(1).map((at, index) => at - dialledAt[index]!)
    expect(gaps.length).toBeGreaterThan(3)
    // The handshake, the pause of one held for dead, a round of the clock.
    expect(Math.max(...gaps)).toBeLessThan(2_000 + 0.75 * 3_000 + 300)
  })
})

describe('a node that is leaving', () => {
  /** a has lost c, b reaches it. */
  async function oneSeesWhatTheOtherDoesNot(): Promise<[World, MeshNode, MeshNode, MeshNode]> {
    const world = await World.of(3)
    world.simulation.network.partition([['h1'], ['h3']])
    return [world, ...(world.nodes as [MeshNode, MeshNode, MeshNode])]
  }

  test('three nodes: a leaving member that still reaches a frozen one keeps nobody from declaring it dead', async () => {
    const [world, a, b, c] = await oneSeesWhatTheOtherDoesNot()
    await world.simulation.runFor(10_000)
    expect(world.deaths()).toEqual([])
    b.mesh.leaving()
    expect(await world.timeUntil(() => a.saw('dead', c.name) === 1)).toBeLessThan(500)
    expect(a.mesh.isLeaving(b.name) && c.mesh.isLeaving(b.name)).toBe(true)
    expect(b.status(c.name)).toBe('connected')
  })

  test('three nodes: all hear of it at once, and one that joins later with the introduction', async () => {
    const world = await World.of(3)
    const [a, b, c] = world.nodes as [MeshNode, MeshNode, MeshNode]
    b.mesh.leaving()
    b.mesh.leaving()
    expect([b.mesh.isLeaving(b.name), b.mesh.isLeaving(a.name)]).toEqual([true, false])
    const heard = () => a.saw('changed', b.name) + c.saw('changed', b.name) === 2
    expect(await world.timeUntil(heard)).toBeLessThan(100)
    const d = await world.add(3)
    expect(await world.simulation.settle(d.mesh.connect(a.name))).toBe(true)
    await world.whole()
    expect(d.mesh.isLeaving(b.name)).toBe(true)
    expect(d.mesh.isLeaving(a.name)).toBe(false)
  })

  test('three nodes: a leaving one declares one dead for silence when the other does, and is no hindrance to it', async () => {
    const world = await World.of(3)
    const [a, b, c] = world.nodes as [MeshNode, MeshNode, MeshNode]
    a.mesh.leaving()
    world.simulation.network.powerOff('h3')
    const tookMs = await world.timeUntil(() => b.saw('dead', c.name) === 1)
    expect(tookMs).toBeLessThan(6_000)
    expect(await world.timeUntil(() => a.saw('dead', c.name) === 1)).toBeLessThan(1_000)
  })

  test('two nodes: a leaving one declares nobody dead for silence', async () => {
    const world = await World.of(2)
    const [a, b] = world.nodes as [MeshNode, MeshNode]
    a.mesh.leaving()
    world.simulation.network.powerOff('h2')
    await world.simulation.runFor(30_000)
    expect(a.saw('dead', b.name)).toBe(0)
    expect(a.status(b.name)).toBe('unreachable')
  })

  test('two nodes: a leaving one that is killed is dead as fast as any other', async () => {
    const world = await World.of(2)
    const [a, b] = world.nodes as [MeshNode, MeshNode]
    b.mesh.leaving()
    await world.simulation.runFor(100)
    world.programs[1]!.crash()
    expect(await world.timeUntil(() => a.saw('dead', b.name) === 1)).toBeLessThan(50)
  })
})

describe('a node that stands still', () => {
  test.each([100, 1_000, 2_000, 3_000])(
    'for %d ms is lost by nobody and loses nobody',
    async (ms) => {
      const world = await World.of(3)
      for (let round = 0; round < 5; round++) {
        world.programs[round % 3]!.stall(ms)
        await world.simulation.runFor(ms + 1_300)
      }
      expect(world.losses()).toBe(0)
    },
  )

  test('for 20 s is dead within 6 s, and on waking fires its losses before it serves a byte', async () => {
    const world = await World.of(3)
    const [a, b, c] = world.nodes as [MeshNode, MeshNode, MeshNode]
    a.mesh.send(a.pid, c.pid, 'before')
    await world.simulation.runFor(10)
    world.programs[2]!.stall(20_000)
    a.mesh.send(a.pid, c.pid, 'sent to one who sleeps')
    const known = () => a.saw('dead', c.name) === 1 && b.saw('dead', c.name) === 1
    expect(await world.timeUntil(known)).toBeLessThan(6_000)
    c.story.length = 0
    await world.simulation.runFor(14_500)
    await world.whole()
    expect(c.sink.messages).toEqual(['before'])
    const losses = [a.name, b.name].flatMap((name) => [
      `disconnected ${name}`,
      `unreachable ${name}`,
    ])
    expect(c.story.slice(0, 4)).toEqual(losses)
    expect(c.saw('dead', a.name) + c.saw('dead', b.name)).toBe(0)
    expect(a.saw('dead', b.name) + b.saw('dead', a.name)).toBe(0)
  })

  test('at any moment while it connects does not take the other for an Erlang node', async () => {
    for (let afterMs = 0; afterMs < 8; afterMs += 0.25) {
      const world = new World()
      const [a, b] = [await world.add(0), await world.add(1)]
      const connected = a.mesh.connect(b.name)
      await world.simulation.runFor(afterMs)
      world.programs[1]!.stall(1_200)
      // The EPMD stands still with it, so that a dial may give up.
      if (!(await world.simulation.settle(connected))) {
        expect(await world.simulation.settle(a.mesh.connect(b.name))).toBe(true)
      }
      await world.whole()
      expect([afterMs, b.saw('beamUp', a.name)]).toEqual([afterMs, 0])
    }
  })

  test('for almost the limit loses nobody, although it has heard nothing for longer', async () => {
    const world = new World()
    const patient = { times: { citadelSilentMs: 20_000 } }
    const [a, b] = [await world.add(0), await world.add(1, patient)]
    await world.simulation.settle(a.mesh.connect(b.name))
    for (let round = 0; round < 20; round++) {
      world.programs[0]!.stall(4_200)
      await world.simulation.runFor(6_530)
    }
    expect(a.saw('unreachable', b.name)).toBe(0)
  })

  test('alone while a third one is gone judges it only after it has caught up', async () => {
    const world = await World.of(3)
    const [a, b, c] = world.nodes as [MeshNode, MeshNode, MeshNode]
    world.simulation.network.partition([['h1'], ['h3']])
    await world.simulation.runFor(8_000)
    world.programs[0]!.stall(3_000)
    await world.simulation.runFor(6_000)
    expect(world.deaths()).toEqual([])
    expect(a.status(c.name)).toBe('unreachable')
    expect(a.status(b.name)).toBe('connected')
  })
})

test('five nodes cut 2 + 3 and healed many times end whole, whatever the seed', async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const world = await World.of(5, seed)
    for (let round = 0; round < 4; round++) {
      world.simulation.network.partition([
        ['h1', 'h2'],
        ['h3', 'h4', 'h5'],
      ])
      await world.simulation.runFor(500 + 2_500 * round)
      world.simulation.network.healAll()
      await world.simulation.runFor(700 * round)
    }
    await world.whole(15_000)
    await world.simulation.runFor(10_000)
    const [a] = world.nodes
    expect(world.reached(a!)).toBe(4)
  }
})

test('connections of five nodes reset 100 times kill nobody, and the same seed tells the same', async () => {
  const stories: string[] = []
  for (let run = 0; run < 2; run++) {
    const world = await World.of(5, 7)
    const { simulation } = world
    for (let round = 0; round < 100; round++) {
      const one = simulation.random.below(5) + 1
      const other = (one % 5) + 1
      simulation.network.reset(`h${one}`, `h${other}`, { afterBytes: simulation.random.below(300) })
      await simulation.runFor(simulation.random.below(400))
    }
    await world.whole()
    expect(world.deaths()).toEqual([])
    expect(world.losses()).toBeGreaterThan(50)
    stories.push(JSON.stringify(world.nodes.map((node) => node.story)))
  }
  expect(stories[0]).toBe(stories[1])
})

describe('a node that was disconnected', () => {
  const [A, B, C] = ['a@h1', 'b@h2', 'c@h3'] as const

  test.each([2, 3])(
    '%i nodes: lives on, is dead to nobody, and nobody connects again',
    async (size) => {
      const world = await World.of(size)
      world.nodes[0]!.mesh.disconnect(B)
      await world.simulation.runFor(120_000)
      expect(world.deaths()).toEqual([])
      expect(world.nodes[0]!.mesh.nodes()).not.toContain(B)
      expect(world.nodes[1]!.mesh.nodes()).not.toContain(A)
      expect(await world.simulation.settle(world.nodes[1]!.mesh.connect(A))).toBe(true)
      await world.whole()
    },
  )

  test('two nodes: that it was killed is known within a second', async () => {
    const world = await World.of(2)
    world.nodes[0]!.mesh.disconnect(B)
    await world.simulation.runFor(10_000)
    world.programs[1]!.crash()
    const isDead = () => world.nodes[0]!.saw('dead', B) === 1
    expect(await world.timeUntil(isDead)).toBeLessThan(1_000)
  })

  test('two nodes: that it has stopped is known within a second', async () => {
    const world = await World.of(2)
    world.nodes[0]!.mesh.disconnect(B)
    await world.simulation.runFor(10_000)
    await world.simulation.settle(world.nodes[1]!.mesh.stop())
    const isDead = () => world.nodes[0]!.saw('dead', B) === 1
    expect(await world.timeUntil(isDead)).toBeLessThan(1_000)
  })

  test('three nodes: that its machine is gone is known within the ordinary times, on all', async () => {
    const world = await World.of(3)
    world.nodes[0]!.mesh.disconnect(B)
    await world.simulation.runFor(10_000)
    world.simulation.network.powerOff('h2')
    const isDead = () => world.nodes[0]!.saw('dead', B) + world.nodes[2]!.saw('dead', B) === 2
    expect(await world.timeUntil(isDead)).toBeLessThan(7_500)
    expect(world.nodes[0]!.mesh.nodes()).toEqual([C])
  })
})
