/**
 * The key of a child that moves, in simulated time, whoever decides about keys: its epoch from the first
 * line of the new process on, and what becomes of it when the move fails.
 */
import { describe, expect, test } from 'vitest'
import { ClusterSimulation } from '../../simulator/cluster/cluster-simulation.js'
import type { ArbiterOption } from '../../src/cluster/arbiters/arbiter-options.js'
import { GenServer } from '../../src/index.js'

const KEY = 'the key'
/** Longer than a lease, and than the others take to hold a node for dead. */
const OVER_MS = 20_000

const ARBITERS: Record<string, ArbiterOption> = {
  mesh: { type: 'mesh' },
  quorum: { type: 'mesh', quorum: { size: 3, leaseMs: 6_000 } },
  etcd: { type: 'etcd', endpoints: ['http://etcd:2379'] },
}

/** Of a new process; it thinks while it takes over. */
const FIRST_READ = ['init', 'takeover', 'takeover', 'handler']

interface Read {
  readonly node: number
  readonly where: string
  readonly epoch: number | undefined
}

class Scene {
  readonly read: Read[] = []
  readonly cluster: ClusterSimulation
  private readonly Holder: new () => GenServer

  private constructor(arbiter: ArbiterOption) {
    const note = (where: string, { citadel }: GenServer): void => {
      const node = this.cluster.names.indexOf(citadel.name)
      this.read.push({ node, where, epoch: citadel.registry.lookup(KEY)?.epoch })
    }
    class Holder extends GenServer {
      override async init(): Promise<void> {
        note('init', this)
        await this.citadel.registry.register(KEY, this.self)
        this.citadel.sendInterval(this.self, 'beat', 1)
      }
      override handoff(): object {
        return {}
      }
      override async takeover(): Promise<void> {
        note('takeover', this)
        await this.citadel.sleep(200)
        this.citadel.sendInterval(this.self, 'beat', 1)
        note('takeover', this)
      }
      override handleInfo(): void {
        note('handler', this)
      }
    }
    this.Holder = Holder
    this.cluster = new ClusterSimulation({
      seed: 1,
      nodes: 3,
      modules: { Holder },
      arbiter,
      supervisor: { rebalance: 'manual', handoffMs: 4_000 },
    })
  }

  static async of(arbiter: ArbiterOption): Promise<Scene> {
    const scene = new Scene(arbiter)
    const { cluster } = scene
    for (let index = 0; index < 3; index++) cluster.start(index)
    await cluster.simulation.runUntil(() => cluster.allReady && cluster.allMet, 60_000, 'the start')
    const { supervisor } = cluster.members[0]!
    const start = () => supervisor.startChild(scene.Holder as never, [] as never, { id: 1 })
    await cluster.simulation.settle(start, { what: 'the start of the child' })
    scene.move(0)
    await scene.run(2_000)
    expect(scene.home).toBe(0)
    return scene
  }

  run(ms: number): Promise<void> {
    return this.cluster.simulation.runFor(ms)
  }

  get home(): number {
    return this.cluster.names.indexOf(String(this.cluster.members[0]!.supervisor.lookup(1)?.node))
  }

  /** The epoch of the key, by that node. */
  epoch(index: number): number {
    return this.cluster.members[index]!.node.registry.lookup(KEY)!.epoch
  }

  move(to: number): () => boolean | undefined {
    let moved: boolean | undefined
    const first = this.cluster.members[0]!
    first.run(async () => {
      moved = await first.supervisor.moveChild(1, this.cluster.names[to]!)
    })
    this.read.length = 0
    return () => moved
  }
}

describe.each(Object.entries(ARBITERS))('the key of a child that moves, %s', (_, arbiter) => {
  test('three nodes: all that its process reads from init on is its own, later epoch', async () => {
    const scene = await Scene.of(arbiter)
    for (const to of [1, 2, 0]) {
      const before = scene.epoch(0)
      const moved = scene.move(to)
      await scene.run(2_000)
      expect(moved()).toBe(true)
      const epoch = scene.epoch(to)
      expect(epoch).toBeGreaterThan(before)
      const there = scene.read.filter(({ node }) => node === to)
      expect(there.map(({ where }) => where).slice(0, 4)).toEqual(FIRST_READ)
      expect(new Set(there.map((one) => one.epoch))).toEqual(new Set([epoch]))
      expect([0, 1, 2].map((node) => scene.epoch(node))).toEqual([epoch, epoch, epoch])
    }
  })

  test('three nodes: an old process whose successor dies as it begins has the last epoch of its key', async () => {
    const scene = await Scene.of(arbiter)
    const { cluster } = scene
    cluster.members[1]!.onStep = (step) => {
      if (step === 'started') cluster.crash(1)
    }
    const moved = scene.move(1)
    await scene.run(OVER_MS)
    expect(moved()).toBe(false)
    expect(scene.home).toBe(0)
    const tried = scene.read.filter(({ node }) => node === 1).map(({ epoch }) => epoch!)
    expect(tried.length).toBeGreaterThan(1)
    const after = scene.read.slice(scene.read.findLastIndex(({ node }) => node === 1) + 1)
    expect(after.length).toBeGreaterThan(0)
    for (const { epoch } of after) expect(epoch).toBeGreaterThan(Math.max(...tried))
    expect(scene.epoch(2)).toBe(scene.epoch(0))
  })
})
