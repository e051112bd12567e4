/**
 * Quorum mode under random cuts, stalls, clock rates, crashes and restarts: at no moment do two nodes
 * that may act own one key, and later owners have higher epochs, without any condition on who sees
 * whom.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import { Quorum } from '../../../src/cluster/arbiters/quorum.js'
import type { Claim } from '../../../src/cluster/tables/claim-table.js'
import { ScopeCluster, type ScopeNode } from '../../support/scope-cluster.js'

const KEYS = ['k0', 'k1', 'k2']
const LEASE_MS = 3_000
/** How long the steps `forget` and `isolate` go on. */
const EPISODE_MS = 800

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
    { weight: 1, arbitrary: fc.constant('forget' as const) },
    { weight: 1, arbitrary: fc.constant('isolate' as const) },
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

/** Ends the owner if it is here. */
function giveUp(node: ScopeNode, key: string): void {
  const pid = node.claims.table.find(key)?.pid
  if (pid?.node === node.name) node.processes.end(pid)
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
  else if (what === 'end') giveUp(node, key)
  else if (what === 'cut') {
    if (one !== other) cluster.cut(one, other)
  } else if (what === 'split') {
    const side = (name: string): boolean => (names.indexOf(name) + a) % names.length <= b % 3
    for (const x of names) for (const y of names) if (side(x) && !side(y)) cluster.cut(x, y)
  } else if (what === 'heal') cluster.connectAll()
  else if (what === 'bury') {
    for (const x of names) for (const y of names) if (x !== y) cluster.bury(x, y)
  } else if (what === 'stall') cluster.stall(one, 500 + b * 400)
  else if (what === 'forget') forget(cluster, witness, { owner: one, key, shift: b })
  else if (what === 'isolate') isolate(cluster, witness, one, key)
  else restart(cluster, witness, one, b * 40)
}

/** A node crashes, and its next start sees all others but `without`. */
function restart(
  cluster: ScopeCluster,
  witness: Witness,
  one: string,
  afterMs: number,
  without?: string,
): void {
  cluster.crash(one)
  cluster.at(cluster.now + afterMs, () => {
    if (cluster.nodes.has(one)) return
    cluster.start(one)
    witness.watch(cluster.node(one))
    for (const name of cluster.nodes.keys())
      if (name !== one && name !== without) cluster.connect(one, name)
  })
}

/** Does it later at each of them that is alive then. */
function after(
  cluster: ScopeCluster,
  ms: number,
  names: readonly string[],
  act: (name: string) => void,
): void {
  cluster.at(cluster.now + ms, () => {
    for (const name of names) if (cluster.nodes.has(name)) act(name)
  })
}

const namesBut = (cluster: ScopeCluster, one: string): string[] =>
  [...cluster.nodes.keys()].filter((name) => name !== one)

/**
 * A node gets a key by the votes of a bare majority, of which the others know nothing. Then all of
 * that majority but the owner are started anew, on the side of the others, who want the key as well.
 */
function forget(
  cluster: ScopeCluster,
  witness: Witness,
  { owner, key, shift }: { owner: string; key: string; shift: number },
): void {
  const others = namesBut(cluster, owner)
  const turned = others.map((_, index) => others[(index + shift) % others.length]!)
  const voters = turned.slice(0, Math.floor(turned.length / 2))
  const rest = turned.slice(voters.length)
  for (const node of cluster.nodes.values()) giveUp(node, key)
  after(cluster, 100, [owner, ...voters], (name) => {
    for (const other of rest) cluster.cut(name, other)
  })
  after(cluster, 200, [owner], (name) => claim(cluster.node(name), key, witness))
  after(cluster, 500, voters, (name) => {
    cluster.cut(owner, name)
    restart(cluster, witness, name, 100, owner)
  })
  after(cluster, EPISODE_MS, rest, (name) => claim(cluster.node(name), key, witness))
}

/** An owner is cut off, and all others hold it for dead and want its key while its lease lasts. */
function isolate(cluster: ScopeCluster, witness: Witness, owner: string, key: string): void {
  const others = namesBut(cluster, owner)
  claim(cluster.node(owner), key, witness)
  after(cluster, 400, others, (name) => cluster.cut(owner, name))
  after(cluster, 500, others, (name) => {
    if (cluster.nodes.has(owner)) cluster.bury(name, owner)
    claim(cluster.node(name), key, witness)
  })
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

async function play(
  seed: number,
  size: number,
  steps: readonly Step[],
): Promise<[ScopeCluster, Witness]> {
  const [cluster, witness] = await start(seed, size)
  for (const one of steps) {
    take(cluster, witness, one)
    await cluster.run(one.waitMs)
  }
  // What a step still has to cut is cut first.
  await cluster.run(EPISODE_MS)
  cluster.connectAll()
  await cluster.run(12_000)
  return [cluster, witness]
}

async function runSteps(seed: number, size: number, steps: readonly Step[]): Promise<void> {
  const [cluster, witness] = await play(seed, size, steps)
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
          async (seed, steps) => {
            const [, { violations }] = await play(seed, 5, steps)
            expect(violations).toEqual([])
          },
        )
        const found = await fc.check(property, { numRuns: 400, endOnFailure: true })
        expect(found.failed).toBe(true)
      } finally {
        Object.defineProperties(Quorum.prototype, quorum)
      }
    }, 120_000)
  }
})
