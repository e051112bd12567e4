/**
 * Quorum mode under random cuts, stalls, clock rates, crashes and restarts: at no moment do two nodes
 * that may act own one key, and later owners have higher epochs, without any condition on who sees
 * whom.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import type { Claim } from '../../../src/cluster/claim-table.js'
import { Quorum } from '../../../src/cluster/quorum.js'
import { ScopeCluster, type ScopeNode } from '../../support/scope-cluster.js'

const KEYS = ['k0', 'k1', 'k2']
const LEASE_MS = 3_000

/** Looks at all nodes after everything that happens. */
class Witness {
  readonly violations: string[] = []
  grants = 0
  readonly ends: Record<string, number> = {}
  private readonly latest = new Map<string, Claim>()

  constructor(private readonly cluster: ScopeCluster) {
    cluster.afterEach = () => this.look()
  }

  private look(): void {
    for (const key of KEYS) {
      const owners = [...this.cluster.nodes.values()].filter((node) => this.acts(node, key))
      if (owners.length > 1) this.breaks(`${owners.map(({ name }) => name)} all own ${key}`)
    }
  }

  /** The node believes that the key is its own, and that it may act. */
  private acts(node: ScopeNode, key: string): boolean {
    if (!node.alive || !node.lease.isValid(node.clockNow)) return false
    const claim = node.claims.table.find(key)
    if (claim?.origin !== node.claims.own) return false
    // Its owner has been told that another process is to have the key.
    return node.registry['yielding']['given'].get(key) !== claim.epoch
  }

  watch(node: ScopeNode): void {
    node.claims.listeners.add(({ id, before, after }) => {
      if (after?.origin !== node.claims.own || before?.origin === node.claims.own) return
      this.grants++
      const last = this.latest.get(id)
      if (last && last.epoch >= after.epoch)
        this.breaks(`${node.name} got ${id} with epoch ${after.epoch}, after ${last.epoch}`)
      this.latest.set(id, after)
    })
  }

  private breaks(what: string): void {
    if (this.violations.length < 5) this.violations.push(`at ${this.cluster.now}: ${what}`)
  }
}

const step = fc.record({
  what: fc.oneof(
    { weight: 12, arbitrary: fc.constant('claim' as const) },
    { weight: 3, arbitrary: fc.constant('force' as const) },
    { weight: 2, arbitrary: fc.constant('replace' as const) },
    { weight: 3, arbitrary: fc.constant('end' as const) },
    { weight: 2, arbitrary: fc.constant('cut' as const) },
    { weight: 1, arbitrary: fc.constant('split' as const) },
    { weight: 2, arbitrary: fc.constant('heal' as const) },
    { weight: 1, arbitrary: fc.constant('bury' as const) },
    { weight: 1, arbitrary: fc.constant('stall' as const) },
    { weight: 1, arbitrary: fc.constant('restart' as const) },
  ),
  a: fc.nat(20),
  b: fc.nat(20),
  key: fc.constantFrom(...KEYS),
  waitMs: fc.oneof(fc.nat(6), fc.nat(1_500)),
})
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

function claim(node: ScopeNode, key: string, witness: Witness, force = false): void {
  const pid = node.processes.make()
  const kind = force ? 'force' : 'claim'
  note(witness, kind, node.registry.register(key, pid, { timeoutMs: 4_000, force }))
}

function replace(node: ScopeNode, key: string, witness: Witness): void {
  const owner = node.registry.findByKey(key)
  if (!owner) return
  const pid = node.processes.make()
  note(witness, 'replace', node.registry.replace(key, owner, pid, { timeoutMs: 4_000 }))
}

function note({ ends }: Witness, kind: string, work: Promise<void>): void {
  const count = (end: string): void => {
    ends[`${kind} ${end}`] = (ends[`${kind} ${end}`] ?? 0) + 1
  }
  work.then(
    () => count('ok'),
    (error: unknown) => {
      if (!(error instanceof CitadelError)) throw error
      count(error.code)
    },
  )
}

function take(cluster: ScopeCluster, witness: Witness, { what, a, b, key }: Step): void {
  const names = [...cluster.nodes.keys()]
  if (names.length < 2) return
  const one = names[a % names.length]!
  const other = names[b % names.length]!
  const node = cluster.node(one)
  if (what === 'claim' || what === 'force') claim(node, key, witness, what === 'force')
  else if (what === 'replace') replace(node, key, witness)
  else if (what === 'end') {
    const pid = node.claims.table.find(key)?.pid
    if (pid?.node === one) node.processes.end(pid)
  } else if (what === 'cut') {
    if (one !== other) cluster.cut(one, other)
  } else if (what === 'split') {
    const side = (name: string): boolean => (names.indexOf(name) + a) % names.length <= b % 3
    for (const x of names) for (const y of names) if (side(x) && !side(y)) cluster.cut(x, y)
  } else if (what === 'heal') cluster.connectAll()
  else if (what === 'bury') {
    for (const x of names) for (const y of names) if (x !== y) cluster.bury(x, y)
  } else if (what === 'stall') cluster.stall(one, 500 + b * 400)
  else {
    cluster.crash(one)
    cluster.at(cluster.now + b * 40, () => {
      if (cluster.nodes.has(one)) return
      cluster.start(one)
      witness.watch(cluster.node(one))
      for (const name of cluster.nodes.keys()) if (name !== one) cluster.connect(one, name)
    })
  }
}

async function start(seed: number, size: number): Promise<[ScopeCluster, Witness]> {
  const cluster = new ScopeCluster(seed, 40, 100, { size, leaseMs: LEASE_MS })
  cluster.start(...Array.from({ length: size }, (_, index) => `n${index + 1}`))
  const witness = new Witness(cluster)
  for (const node of cluster.nodes.values()) witness.watch(node)
  cluster.connectAll()
  await cluster.run(2_000)
  return [cluster, witness]
}

const total: Record<string, number> = {}

async function runSteps(seed: number, size: number, steps: readonly Step[]): Promise<void> {
  const [cluster, witness] = await start(seed, size)
  for (const one of steps) {
    take(cluster, witness, one)
    await cluster.run(one.waitMs)
  }
  cluster.connectAll()
  await cluster.run(12_000)
  expect(witness.violations).toEqual([])
  for (const [end, count] of Object.entries({ ...witness.ends, grants: witness.grants }))
    total[end] = (total[end] ?? 0) + count
  // All is well again: a free key is granted at once, and everybody sees the same owners.
  const [node] = cluster.nodes.values()
  claim(node!, 'after', witness)
  await cluster.run(1_000)
  const owners = [...cluster.nodes.values()].map(({ claims }) => claims.table.find('after')?.pid)
  expect(owners.map(String)).toEqual(owners.map(() => String(owners[0])))
  expect(owners[0]).toBeDefined()
}

describe('quorum mode', () => {
  for (const size of [3, 5]) {
    it(`${size} nodes: whatever is cut, stalled or restarted, no two that may act own a key`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer(),
          fc.array(step, { minLength: 10, maxLength: 60 }),
          (seed, steps) => runSteps(seed, size, steps),
        ),
        { numRuns: 60 },
      )
      expect(total.grants).toBeGreaterThan(50)
    }, 120_000)
  }

  const mistakes: Record<string, (quorum: Record<string, unknown>) => void> = {
    'promises are not kept': (quorum) => {
      quorum.isPromised = () => false
    },
    'a node that has just started votes at once': (quorum) => {
      quorum.isReady = () => true
    },
    'promises are shorter than leases': (quorum) => {
      const { promise } = quorum as unknown as Quorum
      quorum.promise = function (this: Quorum, node: string, now: number) {
        promise.call(this, node, now - LEASE_MS * 0.6)
      }
    },
  }
  for (const [mistake, plant] of Object.entries(mistakes)) {
    it(`five nodes: it is found when ${mistake}`, async () => {
      const quorum = Object.getOwnPropertyDescriptors(Quorum.prototype)
      plant(Quorum.prototype as unknown as Record<string, unknown>)
      try {
        const property = fc.asyncProperty(
          fc.integer(),
          fc.array(step, { minLength: 40, maxLength: 80 }),
          (seed, steps) => runSteps(seed, 5, steps),
        )
        const found = await fc.check(property, { numRuns: 400, endOnFailure: true })
        expect(found.failed).toBe(true)
      } finally {
        Object.defineProperties(Quorum.prototype, quorum)
      }
    }, 120_000)
  }
})
