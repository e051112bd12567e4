import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import type { RegistryEvent } from '../../../src/cluster/registry/registry-events.js'
import type { RegistrySelector } from '../../../src/cluster/registry/registry-watches.js'
import { ScopeCluster, type ScopeNode } from '../../support/scope-cluster.js'

const KEYS = ['k0', 'k1', 'l0']

/** What a subscriber knows from events alone, and what in them does not follow from it. */
class Mirror {
  readonly owners = new Map<unknown, RegistryEvent>()
  readonly wrong: string[] = []

  constructor(
    readonly node: ScopeNode,
    readonly selector: RegistrySelector | undefined,
  ) {
    void this.read()
  }

  private async read(): Promise<void> {
    for await (const event of this.node.registry.watch(this.selector)) this.hear(event)
  }

  private hear(event: RegistryEvent): void {
    const { type, key, pid, previousPid, previousMeta, epoch } = event
    const known = this.owners.get(key)
    const expected =
      type === 'unregistered'
        ? known?.pid.equals(pid) && known.epoch === epoch && previousPid === undefined
        : `${known?.pid}` === `${previousPid}` && known?.meta === previousMeta
    const sameOwner = known?.pid.equals(pid) === true
    if (!expected || (type === 'updated') !== (sameOwner && type !== 'unregistered'))
      this.wrong.push(`${JSON.stringify(event)} after ${JSON.stringify(known)}`)
    if (type === 'unregistered') this.owners.delete(key)
    else this.owners.set(key, event)
  }

  /** What it knows, and what the registry says, of the keys it listens to. */
  compared(): [unknown, unknown] {
    const { selector, node } = this
    const keys = KEYS.filter((key) => {
      if (selector === undefined) return true
      return 'key' in selector ? selector.key === key : key.startsWith(String(selector.prefix))
    })
    const line = (key: string, one: { pid: unknown; meta: unknown; epoch: number } | undefined) =>
      one ? `${key} ${one.pid} ${one.meta} ${one.epoch}` : `${key} free`
    return [
      keys.map((key) => line(key, this.owners.get(key))),
      keys.map((key) => line(key, node.registry.lookup(key))),
    ]
  }
}

const weights = {
  register: 8,
  force: 2,
  replace: 4,
  update: 6,
  unregister: 2,
  end: 3,
  watch: 2,
  join: 1,
  crash: 1,
  cut: 2,
} as const
type What = keyof typeof weights

const step = fc.record({
  what: fc.oneof(
    ...Object.entries(weights).map(([what, weight]) => ({
      weight,
      arbitrary: fc.constant(what as What),
    })),
  ),
  a: fc.nat(20),
  b: fc.nat(20),
  key: fc.constantFrom(...KEYS),
  waitMs: fc.nat(6),
})
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

class Play {
  readonly cluster: ScopeCluster
  readonly mirrors: Mirror[] = []
  readonly ends = new Set<string>()

  constructor(seed: number) {
    this.cluster = new ScopeCluster(seed)
  }

  async run(steps: readonly Step[]): Promise<void> {
    const { cluster } = this
    cluster.start('a', 'b', 'c')
    for (const node of cluster.nodes.values()) this.listen(node)
    cluster.connectAll()
    await cluster.run(50)
    for (const [turn, one] of steps.entries()) {
      this.carryOut(one, turn)
      await cluster.run(one.waitMs)
    }
    await cluster.run(20)
    cluster.connectAll()
    await cluster.run(8_000)
  }

  private listen(node: ScopeNode): void {
    for (const selector of [undefined, { prefix: 'k' }, { key: 'k0' }])
      this.mirrors.push(new Mirror(node, selector))
  }

  private carryOut({ what, a, b, key }: Step, turn: number): void {
    const { cluster } = this
    const names = [...cluster.nodes.keys()]
    const [one, other] = [names[a % names.length]!, names[b % names.length]!]
    const [{ registry }, { processes }] = [cluster.node(one), cluster.node(other)]
    const owner = registry.findByKey(key)
    switch (what) {
      case 'register':
      case 'force':
        return this.attempt(
          registry.register(key, processes.make(), {
            meta: turn,
            force: what === 'force',
            timeoutMs: 4_000,
          }),
        )
      case 'replace':
        if (owner)
          this.attempt(registry.replace(key, owner, processes.make(), { timeoutMs: 4_000 }))
        return
      case 'update':
        return this.attempt(registry.update(key, turn))
      case 'unregister':
        return this.attempt(registry.unregister(key))
      case 'end':
        if (owner) cluster.nodes.get(owner.node)?.processes.end(owner)
        return
      case 'watch':
        return this.listen(cluster.node(one))
      case 'join': {
        const name = `n${a % 8}`
        if (names.length >= 5 || cluster.nodes.has(name)) return
        cluster.start(name)
        this.listen(cluster.node(name))
        for (const peer of names) cluster.connect(name, peer)
        return
      }
      case 'crash':
        if (names.length > 2) cluster.crash(one)
        return
      case 'cut':
        if (one !== other) this.cut(one, other)
    }
  }

  /** For some time, and both may hold each other for dead. */
  private cut(one: string, other: string): void {
    const { cluster } = this
    cluster.cut(one, other)
    const { creation } = cluster.node(other)
    cluster.at(cluster.now + 6, () => cluster.bury(one, other, creation))
    cluster.at(cluster.now + 12, () => {
      if (cluster.nodes.has(one) && cluster.nodes.has(other)) cluster.connect(one, other)
    })
  }

  private attempt(work: Promise<void>): void {
    work.then(
      () => this.ends.add('ok'),
      (error) => this.ends.add(error instanceof CitadelError ? error.code : String(error)),
    )
  }
}

describe('events of the registry', () => {
  const steps = fc.array(step, { minLength: 10, maxLength: 60, size: 'max' })

  it('3 to 5 nodes that join, crash and split: each event follows from those before, and together they are the registry', async () => {
    const property = fc.asyncProperty(fc.nat(), steps, async (seed, steps) => {
      const play = new Play(seed)
      await play.run(steps)
      const nodes = [...play.cluster.nodes.values()]
      for (const mirror of play.mirrors) {
        expect(mirror.wrong).toEqual([])
        const [heard, real] = mirror.compared()
        if (nodes.includes(mirror.node)) expect(heard).toEqual(real)
      }
      const known = [
        'ok',
        'already_registered',
        'not_found',
        'unavailable',
        'timeout',
        'noproc',
        'noconnection',
      ]
      expect(
        [...play.ends].filter((end) => !known.includes(end) && !end.includes('there is no node')),
      ).toEqual([])
      for (const key of KEYS) {
        const rows = new Set(
          nodes.map(({ registry }) => JSON.stringify(registry.lookup(key) ?? null)),
        )
        expect(rows.size).toBe(1)
      }
    })
    await fc.assert(property, { numRuns: 150 })
  })
})
