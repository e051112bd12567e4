import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import type { Claim, ClaimChange } from '../../../src/cluster/tables/claim-table.js'
import { ScopeCluster, type ScopeNode } from '../../support/scope-cluster.js'

const KEYS = ['k0', 'k1', 'k2']

interface Written {
  claim: Claim
  node: ScopeNode
  view: number
}

/** Watches every claim at the moment its own node writes it. */
class Witness {
  readonly violations: string[] = []
  private readonly live = new Map<string, Written>()

  watch(cluster: ScopeCluster, node: ScopeNode, strict: boolean): void {
    node.claims.listeners.add(({ id, before, after }: ClaimChange) => {
      const { own } = node.claims
      if (before?.origin === own && after?.origin !== own)
        this.live.delete(`${id} ${node.creation}`)
      if (after?.origin !== own) return
      const { id: view } = node.scopes.views.current
      for (const other of this.live.values())
        this.compare(cluster, other, node, after, view, strict)
      this.live.set(`${id} ${node.creation}`, { claim: after, node, view })
    })
  }

  private compare(
    cluster: ScopeCluster,
    other: Written,
    node: ScopeNode,
    claim: Claim,
    view: number,
    strict: boolean,
  ): void {
    const { claim: held } = other
    if (held.id !== claim.id || !other.node.alive) return
    if (held.origin === claim.origin && held.pid?.equals(claim.pid!)) return
    const settled = node.scopes.views.settled
    const member = node.scopes.views.current.creationOf(other.node.name) === other.node.creation
    if (other.view === view || (strict && settled && member)) {
      this.violations.push(
        `at ${cluster.now}: ${node.name} took ${claim.id} from ${other.node.name}, settled: ${settled}`,
      )
    }
  }
}

const step = fc.record({
  what: fc.oneof(
    { weight: 10, arbitrary: fc.constant('claim' as const) },
    { weight: 2, arbitrary: fc.constant('end' as const) },
    { weight: 1, arbitrary: fc.constant('join' as const) },
    { weight: 1, arbitrary: fc.constant('crash' as const) },
    { weight: 1, arbitrary: fc.constant('cut' as const) },
  ),
  a: fc.nat(20),
  b: fc.nat(20),
  key: fc.constantFrom(...KEYS),
  waitMs: fc.nat(6),
})

interface Run {
  cluster: ScopeCluster
  witness: Witness
  /** Claims that have not ended, with the node they were made on. */
  open: Set<{ node: ScopeNode }>
  /** How claims ended: 'ok' or an error's code. */
  ends: Record<string, number>
}

function claim(run: Run, node: ScopeNode, key: string): void {
  const open = { node }
  run.open.add(open)
  const pid = node.processes.make()
  const ended = (how: string): void => {
    run.open.delete(open)
    run.ends[how] = (run.ends[how] ?? 0) + 1
    if (how !== 'ok') node.processes.end(pid)
  }
  node.registry.register(key, pid, { timeoutMs: 4_000 }).then(
    () => ended('ok'),
    (error) => ended(error instanceof CitadelError ? error.code : String(error)),
  )
}

async function carryOut(
  run: Run,
  { what, a, b, key }: { what: string; a: number; b: number; key: string },
  falseDeaths: boolean,
): Promise<void> {
  const { cluster, witness } = run
  const names = [...cluster.nodes.keys()]
  const one = names[a % names.length]!
  const other = names[b % names.length]!
  switch (what) {
    case 'claim':
      return claim(run, cluster.node(one), key)
    case 'end': {
      const owner = cluster.node(one).registry.findByKey(key)
      if (owner?.node === one) cluster.node(one).processes.end(owner)
      return
    }
    case 'join': {
      if (names.length >= 5) return
      const name = `n${a % 8}`
      if (cluster.nodes.has(name)) return
      cluster.start(name)
      witness.watch(cluster, cluster.node(name), !falseDeaths)
      for (const peer of names) cluster.connect(name, peer)
      return
    }
    case 'crash':
      if (names.length <= 2) return
      cluster.node(one).scopes.stop()
      cluster.crash(one)
      return
    case 'cut': {
      if (one === other) return
      cluster.cut(one, other)
      const { creation } = cluster.node(other)
      if (falseDeaths) cluster.at(cluster.now + 6, () => cluster.bury(one, other, creation))
      cluster.at(cluster.now + 12, () => {
        if (cluster.nodes.has(one) && cluster.nodes.has(other)) cluster.connect(one, other)
      })
    }
  }
}

async function play(
  seed: number,
  steps: Iterable<Parameters<typeof carryOut>[1] & { waitMs: number }>,
  falseDeaths: boolean,
): Promise<Run> {
  const cluster = new ScopeCluster(seed)
  const run: Run = {
    cluster,
    witness: new Witness(),
    open: new Set<{ node: ScopeNode }>(),
    ends: {},
  }
  cluster.start('a', 'b', 'c')
  for (const node of cluster.nodes.values()) run.witness.watch(cluster, node, !falseDeaths)
  cluster.connectAll()
  await cluster.run(50)
  for (const one of steps) {
    await carryOut(run, one, falseDeaths)
    await cluster.run(one.waitMs)
  }
  await cluster.run(20)
  cluster.connectAll()
  await cluster.run(8_000)
  return run
}

function expectQuiet({ cluster, open, ends }: Run): void {
  // A node that has stopped answers nobody any more.
  expect([...open].filter(({ node }) => node.alive)).toEqual([])
  const known = ['ok', 'already_registered', 'unavailable', 'timeout', 'noproc']
  expect(Object.keys(ends).filter((how) => !known.includes(how))).toEqual([])
  const nodes = [...cluster.nodes.values()]
  const settled = nodes.map(({ scopes }) => scopes.views.settled)
  expect(settled).toEqual(nodes.map(() => true))
  for (const key of KEYS) {
    const owners = nodes.map(({ claims }) => `${claims.table.find(key)?.pid}`)
    expect(new Set(owners).size).toBe(1)
    const claims = nodes.filter(({ claims }) => claims.own.rows.has(key))
    expect(claims.length).toBeLessThanOrEqual(1)
  }
  for (const { claims } of nodes) expect([...claims.table.reserved]).toEqual([])
}

describe('claims of one key on many nodes', () => {
  const steps = fc.array(step, { minLength: 10, maxLength: 60, size: 'max' })

  it('3 to 5 nodes that join, crash and lose connections: never two owners, every claim ends', async () => {
    const property = fc.asyncProperty(fc.nat(), steps, async (seed, steps) => {
      const run = await play(seed, steps, false)
      expect(run.witness.violations).toEqual([])
      expectQuiet(run)
    })
    await fc.assert(property, { numRuns: 100 })
  })

  it('3 to 5 nodes that hold each other for dead: one owner is left, nothing leaks', async () => {
    const property = fc.asyncProperty(fc.nat(), steps, async (seed, steps) => {
      expectQuiet(await play(seed, steps, true))
    })
    await fc.assert(property, { numRuns: 100 })
  })
})
