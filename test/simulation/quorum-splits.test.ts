/**
 * Quorum mode and every kind of split, in simulated time: which side goes on, that the other one's
 * owners stop before anybody takes over, and that afterwards there is one of each. The table in
 * docs/guarantees.md lists these.
 */
import { describe, expect, test } from 'vitest'
import type { ClusterMember } from '../../simulator/cluster/cluster-member.js'
import { ClusterSimulation } from '../../simulator/cluster/cluster-simulation.js'
import { GenServer } from '../../src/index.js'

const IDS = Array.from({ length: 12 }, (_, index) => index)
const LEASE_MS = 6_000
const STAMP_MS = 50
/** After it the losing side has stopped, and what had to wait for a promise has gone on. */
const TAKEN_OVER_MS = 16_000

interface Stamp {
  id: number
  /** The process. */
  by: string
  node: string
  at: number
}

class Split {
  readonly stamps: Stamp[] = []
  readonly cluster: ClusterSimulation

  private constructor(size: number, nodes: number) {
    const { stamps } = this
    const now = () => this.cluster.simulation.now
    class Beacon extends GenServer {
      async init(id: number): Promise<void> {
        this.stamp(id)
        this.citadel.sendInterval(this.self, id, STAMP_MS)
        await this.citadel.registry.register(`key ${id}`, this.self)
      }
      handleInfo(id: unknown): void {
        this.stamp(id as number)
      }
      private stamp(id: number): void {
        stamps.push({ id, by: String(this.self), node: this.citadel.name.slice(0, 2), at: now() })
      }
    }
    this.cluster = new ClusterSimulation({
      seed: 100 * size + nodes,
      nodes,
      modules: { Beacon },
      arbiter: { type: 'mesh', quorum: { size, leaseMs: LEASE_MS } },
      supervisor: { rebalance: 'manual' },
    })
    this.Beacon = Beacon
  }

  private readonly Beacon: new () => GenServer

  static async of(size: number, nodes = size): Promise<Split> {
    const split = new Split(size, nodes)
    const { cluster } = split
    for (let index = 0; index < nodes; index++)
      cluster.start(index, { rate: 1 + (index % 3) / 200 })
    await cluster.simulation.runUntil(() => cluster.allReady && cluster.allMet, 60_000, 'the start')
    // Of three, two alone vote only when promises of an earlier start would be over.
    if (nodes < size) await split.run(LEASE_MS + 1_000)
    const [first] = cluster.members
    for (const id of IDS) {
      const started = () =>
        first!.supervisor.startChild(split.Beacon as never, [id] as never, { id })
      await cluster.simulation.settle(started, { what: `the start of ${id}` })
    }
    await split.run(2_000)
    return split
  }

  run(ms: number): Promise<void> {
    return this.cluster.simulation.runFor(ms)
  }

  /** What is at work: the nodes that have stamped in the last half second, per id. */
  working(): Map<number, string[]> {
    const since = this.cluster.simulation.now - 500
    const working = new Map<number, string[]>(IDS.map((id) => [id, []]))
    for (const { id, node, at } of this.stamps) {
      const nodes = working.get(id)!
      if (at >= since && !nodes.includes(node)) nodes.push(node)
    }
    return working
  }

  workingNodes(): string[] {
    return [...new Set([...this.working().values()].flat())].sort()
  }

  isEachOnce(): boolean {
    return [...this.working().values()].every((nodes) => nodes.length === 1)
  }

  /** Two processes of one id whose times of work overlap. */
  overlaps(): string[] {
    const lives = new Map<string, { id: number; from: number; to: number }>()
    for (const { id, by, at } of this.stamps) {
      const life = lives.get(by)
      if (life) life.to = at
      else lives.set(by, { id, from: at, to: at })
    }
    const all = [...lives].sort(([, a], [, b]) => a.from - b.from)
    return all.flatMap(([by, life], index) =>
      all
        .slice(index + 1)
        .filter(([, other]) => other.id === life.id && other.from <= life.to)
        .map(([otherBy]) => `${life.id}: ${by} and ${otherBy}`),
    )
  }

  member(index: number): ClusterMember {
    return this.cluster.members[index]!
  }

  /** How a registration of a new key on that node ends. */
  async register(index: number, key: string): Promise<string> {
    const { citadel } = this.member(index)
    const work = async (): Promise<string> => {
      const pid = await citadel.spawn(async (self) => void (await self.receive()))
      return citadel.registry.register(key, pid, { timeoutMs: 2_000 }).then(
        () => 'ok',
        (error: { code: string }) => error.code,
      )
    }
    return this.cluster.simulation.settle(work, { what: `to register ${key}` })
  }

  async healed(): Promise<void> {
    this.cluster.healAll()
    await this.cluster.simulation.runUntil(
      () => this.cluster.allMet && this.isEachOnce(),
      30_000,
      'one of each',
    )
    await this.run(5_000)
    expect(this.isEachOnce()).toBe(true)
    expect(this.overlaps()).toEqual([])
    const keys = this.cluster.living.map(({ citadel }) =>
      [...citadel.registry.keys()].filter((key) => String(key).startsWith('key ')).sort(),
    )
    for (const list of keys) expect(list).toEqual(IDS.map((id) => `key ${id}`).sort())
  }
}

describe('quorum mode', () => {
  test('two nodes of two, 1 + 1: both stop, and go on when they meet', async () => {
    const split = await Split.of(2)
    split.cluster.partition([[0], [1]])
    await split.run(LEASE_MS + 500)
    expect(split.workingNodes()).toEqual([])
    expect(await split.register(0, 'new')).toBe('unavailable')
    await split.run(TAKEN_OVER_MS)
    expect(split.workingNodes()).toEqual([])
    await split.healed()
  })

  test('two nodes of three, 1 + 1: both stop, and go on when they meet', async () => {
    const split = await Split.of(3, 2)
    split.cluster.partition([[0], [1]])
    await split.run(LEASE_MS + 500)
    expect(split.workingNodes()).toEqual([])
    await split.healed()
  })

  test('three nodes, 2 + 1: the one stops, the two take over, and never two are at work', async () => {
    const split = await Split.of(3)
    split.cluster.partition([[0, 1], [2]])
    await split.run(LEASE_MS + 500)
    expect(split.workingNodes()).not.toContain('n3')
    expect(await split.register(2, 'new')).toBe('unavailable')
    expect(await split.register(0, 'new')).toBe('ok')
    await split.run(TAKEN_OVER_MS)
    expect(split.workingNodes()).toEqual(['n1', 'n2'])
    expect(split.isEachOnce()).toBe(true)
    await split.healed()
  })

  test('four nodes, 2 + 2: both sides stop, and go on when they meet', async () => {
    const split = await Split.of(4)
    split.cluster.partition([
      [0, 1],
      [2, 3],
    ])
    await split.run(LEASE_MS + 500)
    expect(split.workingNodes()).toEqual([])
    await split.run(TAKEN_OVER_MS)
    expect(split.workingNodes()).toEqual([])
    await split.healed()
  })

  test('five nodes, 2 + 2 + 1: no side has three, all stop, and go on when they meet', async () => {
    const split = await Split.of(5)
    split.cluster.partition([[0, 1], [2, 3], [4]])
    await split.run(LEASE_MS + 500)
    expect(split.workingNodes()).toEqual([])
    await split.healed()
  })

  test('five nodes, 3 + 1 + 1: the three take over', async () => {
    const split = await Split.of(5)
    split.cluster.partition([[0, 1, 2], [3], [4]])
    await split.run(LEASE_MS + 500)
    expect(split.workingNodes().filter((node) => node > 'n3')).toEqual([])
    await split.run(TAKEN_OVER_MS)
    expect(split.workingNodes()).toEqual(['n1', 'n2', 'n3'])
    expect(split.isEachOnce()).toBe(true)
    await split.healed()
  })

  test('three nodes, one is heard by nobody: it stops, the two take over', async () => {
    const split = await Split.of(3)
    split.cluster.cutOneWay([2], [0, 1])
    await split.run(TAKEN_OVER_MS)
    expect(split.workingNodes()).toEqual(['n1', 'n2'])
    expect(split.isEachOnce()).toBe(true)
    await split.healed()
  })

  test('three nodes, one hears nobody: it stops, the two take over', async () => {
    const split = await Split.of(3)
    split.cluster.cutOneWay([0, 1], [2])
    await split.run(TAKEN_OVER_MS)
    expect(split.workingNodes()).toEqual(['n1', 'n2'])
    expect(split.isEachOnce()).toBe(true)
    await split.healed()
  })

  test('three nodes, two of them do not hear each other, in one direction: all go on, none of two', async () => {
    const split = await Split.of(3)
    split.cluster.cutOneWay([0], [1])
    await split.run(TAKEN_OVER_MS)
    expect(split.isEachOnce()).toBe(true)
    expect(split.workingNodes()).toEqual(['n1', 'n2', 'n3'])
    await split.healed()
  })

  test('five nodes, one reaches a single other one only: it stops, the four take over', async () => {
    const split = await Split.of(5)
    const before = split.working()
    expect([...before.values()].flat()).toContain('n1')
    split.cluster.cutOneWay([0], [1, 2, 3])
    split.cluster.cutOneWay([1, 2, 3], [0])
    await split.run(LEASE_MS + 500)
    expect(split.workingNodes()).not.toContain('n1')
    await split.run(TAKEN_OVER_MS)
    expect(split.workingNodes()).toEqual(['n2', 'n3', 'n4', 'n5'])
    expect(split.isEachOnce()).toBe(true)
    await split.healed()
  })

  test('three nodes, one stands still for 3 seconds: nobody stops and nothing moves', async () => {
    const split = await Split.of(3)
    const before = new Map(split.working())
    split.cluster.stall(1, 3_000)
    await split.run(6_000)
    expect(split.working()).toEqual(before)
    const processes = new Set(split.stamps.map(({ by }) => by))
    expect(processes.size).toBe(IDS.length)
  })

  test('three nodes, one stands still for 20 seconds: the two take over, and it carries nothing out when it wakes', async () => {
    const split = await Split.of(3)
    split.cluster.stall(1, 20_000)
    await split.run(19_000)
    expect(split.workingNodes()).toEqual(['n1', 'n3'])
    expect(split.isEachOnce()).toBe(true)
    await split.run(10_000)
    expect(split.overlaps()).toEqual([])
    await split.healed()
  })

  test('three nodes, one is killed and comes back at once: the others keep what they own', async () => {
    const split = await Split.of(3)
    const others = new Map([...split.working()].filter(([, [node]]) => node !== 'n2'))
    split.cluster.crash(1)
    await split.run(200)
    split.cluster.start(1)
    await split.run(TAKEN_OVER_MS)
    for (const [id, nodes] of others) expect(split.working().get(id)).toEqual(nodes)
    expect(split.isEachOnce()).toBe(true)
    expect(split.overlaps()).toEqual([])
  })
})
